// Package command runs the programs that an administrator named: service
// checks and reloads, hooks, DNS commands. Run is the function to call.
//
// It promises that nothing hangs and nothing leaks: a command gets a process
// group of its own, which is ended as a whole when time is up; its output is
// bounded; its environment is PATH, whom it runs as, and what the caller lists,
// never ours. No shell takes part unless Shell is used.
package command

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Limits of a command.
const (
	DefaultTimeout = time.Minute     // where Command.Timeout is zero
	DefaultGrace   = 5 * time.Second // where Command.Grace is zero
	MaxOutput      = 64 << 10        // bytes kept of stdout, and of stderr, where Command.MaxOutput is zero; the rest is read and dropped

	// pipeDelay is how long output is still read after the command ended: a
	// daemon that it started may hold its stdout open for ever.
	pipeDelay = time.Second

	defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
)

// Command is a program to run.
type Command struct {
	Args  []string // the program, then its exact arguments
	Shell string   // instead of Args: text for /bin/sh -c
	// Env is the environment beside PATH, as "NAME=value". Secrets may stand
	// in it; it appears in no error.
	Env   []string
	Stdin []byte
	Dir   string // "" is "/"
	// User runs it with the user's uid, gid and supplementary groups; a name
	// or a number. "" is the running user.
	User    string
	Timeout time.Duration
	Grace   time.Duration // between SIGTERM and SIGKILL once Timeout is over
	// MaxOutput is how many bytes of its output are kept, for programs whose
	// output is what they are run for.
	MaxOutput int
}

// With adds arguments. Text for a shell has them as $1 and so on.
func (c Command) With(args ...string) Command {
	if c.Shell != "" {
		c.Args, c.Shell = []string{"/bin/sh", "-c", c.Shell, "sh"}, ""
	}
	c.Args = slices.Concat(c.Args, args)
	return c
}

// Name is what the command is called in messages: its program.
func (c Command) Name() string {
	if c.Shell != "" {
		return "sh -c"
	}
	if len(c.Args) == 0 {
		return ""
	}
	return c.Args[0]
}

// Result is what a command left behind.
type Result struct {
	Code      int // exit status; -1 when it did not exit by itself
	Stdout    []byte
	Stderr    []byte
	Truncated bool // output went beyond what is kept
}

// Error is a command that did not succeed.
type Error struct {
	Name     string // see Command.Name
	Code     int    // its exit status; -1 when it never started or was killed
	TimedOut bool   // it was ended because Timeout was over
	Stderr   []byte
	Err      error // why it could not be started or waited for; an *exec.ExitError otherwise
}

// Error says what happened, followed by the end of what the command wrote to
// stderr, control characters escaped.
func (e *Error) Error() string {
	message := e.What()
	if said := Tail(e.Stderr, 3, 400); len(said) > 0 {
		message += ": " + strings.Join(said, " / ")
	}
	return message
}

// What says what happened, without what the command wrote.
func (e *Error) What() string {
	what := "failed: " + fmt.Sprint(e.Err)
	switch {
	case e.TimedOut:
		what = "was ended: it took too long"
	case e.Code >= 0:
		what = fmt.Sprintf("failed with exit status %d", e.Code)
	}
	return fmt.Sprintf("command %s %s", Escape(e.Name), what)
}

func (e *Error) Unwrap() error { return e.Err }

// Run runs c and waits for its end. Every failure is an *Error: a program
// that cannot be started, an exit status other than 0, a signal, a timeout,
// and ctx's own end (whose cause errors.Is finds). What the command started in
// the background and left running is not touched after a normal end; after a
// timeout its whole process group is killed.
func Run(ctx context.Context, c Command) (Result, error) {
	fail := func(err error) (Result, error) {
		return Result{Code: -1}, &Error{Name: c.Name(), Code: -1, Err: err}
	}
	if err := ctx.Err(); err != nil {
		return fail(context.Cause(ctx))
	}
	cmd, err := prepare(c)
	if err != nil {
		return fail(err)
	}
	limit := cmp.Or(c.MaxOutput, MaxOutput)
	stdout, stderr := bounded{limit: limit}, bounded{limit: limit}
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		return fail(err)
	}
	timedOut, err := wait(ctx, c, cmd)
	result := Result{
		Code:      cmd.ProcessState.ExitCode(),
		Stdout:    stdout.kept,
		Stderr:    stderr.kept,
		Truncated: stdout.dropped || stderr.dropped,
	}
	if err != nil {
		if errors.Is(err, errEnded) {
			result.Code = -1
		}
		return result, &Error{Name: c.Name(), Code: result.Code, TimedOut: timedOut, Stderr: result.Stderr, Err: err}
	}
	return result, nil
}

// prepare turns c into a process that is ready to start.
func prepare(c Command) (*exec.Cmd, error) {
	args := c.Args
	if c.Shell != "" {
		if len(args) > 0 {
			return nil, errors.New("both a shell text and arguments are given")
		}
		args = []string{"/bin/sh", "-c", c.Shell}
	}
	if len(args) == 0 || args[0] == "" {
		return nil, errors.New("no program is named")
	}
	credential, err := credentialOf(c.User)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(variablesOf(c.User), environment(c.Env)...)
	cmd.Dir = c.Dir
	if cmd.Dir == "" {
		cmd.Dir = "/"
	}
	cmd.Stdin = bytes.NewReader(c.Stdin)
	cmd.WaitDelay = pipeDelay
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: credential}
	return cmd, nil
}

// variablesOf are the variables of a user, as cron sets them; ours where none is
// named. There are none for one whom the system does not know.
func variablesOf(name string) []string {
	if name == "" {
		name = strconv.Itoa(os.Geteuid())
	}
	u, err := lookup(name)
	if err != nil {
		return nil
	}
	return []string{"HOME=" + u.HomeDir, "USER=" + u.Username, "LOGNAME=" + u.Username, "SHELL=/bin/sh"}
}

// environment is PATH, unless the caller gives one, and what the caller lists.
func environment(given []string) []string {
	for _, e := range given {
		if strings.HasPrefix(e, "PATH=") {
			return given
		}
	}
	path := os.Getenv("PATH")
	if path == "" {
		path = defaultPath
	}
	return append([]string{"PATH=" + path}, given...)
}

// errEnded keeps a command that had to be ended from counting as a success,
// whatever status it chose to exit with.
var errEnded = errors.New("ended before it was done")

// wait waits for the end of cmd, and brings it about when time is up. The
// error is nil only if it ended by itself, with status 0.
func wait(ctx context.Context, c Command, cmd *exec.Cmd) (timedOut bool, err error) {
	ended := make(chan error, 1)
	go func() {
		err := cmd.Wait()
		if errors.Is(err, exec.ErrWaitDelay) {
			err = nil // it succeeded; something that it started still holds its output
		}
		ended <- err
	}()
	limit := c.Timeout
	if limit <= 0 {
		limit = DefaultTimeout
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case err := <-ended:
		return false, err
	case <-timer.C:
		end(c, cmd, ended)
		return true, errEnded
	case <-ctx.Done():
		end(c, cmd, ended)
		return false, fmt.Errorf("%w: %w", errEnded, context.Cause(ctx))
	}
}

// end ends the process group of cmd, politely at first, and returns when its
// leader is gone. Members that ignore SIGTERM are killed even if it obeyed.
func end(c Command, cmd *exec.Cmd, ended <-chan error) {
	grace := c.Grace
	if grace <= 0 {
		grace = DefaultGrace
	}
	// An error of Kill means that the group is gone, which is what is wanted.
	group := -cmd.Process.Pid
	_ = syscall.Kill(group, syscall.SIGTERM)
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-ended:
		_ = syscall.Kill(group, syscall.SIGKILL)
	case <-timer.C:
		_ = syscall.Kill(group, syscall.SIGKILL)
		<-ended
	}
}
