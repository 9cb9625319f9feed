package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func sh(script string) Command { return Command{Args: []string{"/bin/sh", "-c", script, "arg0"}} }

func TestRunGivesDataByEnvironmentAndStdin(t *testing.T) {
	t.Setenv("CERTKEEP_SECRET_OF_OURS", "must not be seen")
	c := Command{Args: []string{"/bin/sh", "-c", `cat; env; pwd; echo "$1"; echo words >&2`, "arg0", "$(exact) *"}}
	c.Env = []string{"CERTKEEP_DNS_ACTION=add"}
	c.Stdin = []byte("{}\n")
	r, err := Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	home, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(r.Stdout)), "\n")
	for _, want := range []string{"{}", "CERTKEEP_DNS_ACTION=add", "PATH=" + os.Getenv("PATH"), "/", "$(exact) *", "HOME=" + home.HomeDir, "USER=" + home.Username} {
		if !slices.Contains(lines, want) {
			t.Errorf("output lacks the line %q:\n%s", want, r.Stdout)
		}
	}
	if strings.Contains(string(r.Stdout), "CERTKEEP_SECRET_OF_OURS") {
		t.Error("our own environment reached the command")
	}
	if string(r.Stderr) != "words\n" || r.Code != 0 || r.Truncated {
		t.Errorf("got %+v", r)
	}
}

func TestRunShellOnlyWhereAsked(t *testing.T) {
	r, err := Run(t.Context(), Command{Shell: "echo a | tr a b"})
	if err != nil || string(r.Stdout) != "b\n" {
		t.Fatalf("got %q, %v", r.Stdout, err)
	}
	if _, err := Run(t.Context(), Command{Shell: "true", Args: []string{"true"}}); err == nil {
		t.Error("a shell text beside arguments was accepted")
	}
}

func TestRunFailures(t *testing.T) {
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	tests := []struct {
		name  string
		ctx   context.Context
		c     Command
		code  int
		is    error
		words string // part of the message
	}{
		{"exit status", t.Context(), sh("echo no >&2; exit 3"), 3, nil, "command /bin/sh failed with exit status 3: no"},
		{"signal", t.Context(), sh("kill -9 $$"), -1, nil, "killed"},
		{"missing", t.Context(), Command{Args: []string{"/nonexistent/hook"}}, -1, os.ErrNotExist, "/nonexistent/hook"},
		{"missing in PATH", t.Context(), Command{Args: []string{"certkeep-no-such-program"}}, -1, exec.ErrNotFound, "certkeep-no-such-program"},
		{"nothing", t.Context(), Command{}, -1, nil, "no program"},
		{"canceled before", canceled, sh("true"), -1, context.Canceled, "canceled"},
		{"no such user", t.Context(), Command{Args: []string{"true"}, User: "no-such-user"}, -1, nil, "no-such-user"},
		{"escaped", t.Context(), sh(`printf 'a\033[31mred\n\n' >&2; exit 1`), 1, nil, `a\x1b[31mred`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := Run(tt.ctx, tt.c)
			failed, ok := errors.AsType[*Error](err)
			if !ok {
				t.Fatalf("got %v", err)
			}
			if failed.Code != tt.code || r.Code != tt.code || failed.TimedOut {
				t.Errorf("got %+v", failed)
			}
			if tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("%v is not %v", err, tt.is)
			}
			if !strings.Contains(err.Error(), tt.words) {
				t.Errorf("%q lacks %q", err, tt.words)
			}
		})
	}
}

func TestRunTimeout(t *testing.T) {
	c := sh("sleep 300")
	c.Timeout = 10 * time.Millisecond
	r, err := Run(t.Context(), c)
	failed, ok := errors.AsType[*Error](err)
	if !ok || !failed.TimedOut || failed.Code != -1 || r.Code != -1 {
		t.Fatalf("got %v", err)
	}
}

// A command is ended with its whole group: politely where it listens, by
// force where it ignores SIGTERM as its child does, which also holds its
// output.
func TestRunEndsTheWholeGroup(t *testing.T) {
	for name, trap := range map[string]string{"obeys": `trap "exit 0" TERM`, "ignores": `trap "" TERM`} {
		t.Run(name, func(t *testing.T) {
			pids := filepath.Join(t.TempDir(), "pids")
			ctx, cancel := context.WithCancel(t.Context())
			go func() {
				defer cancel()
				for _, err := os.Stat(pids); err != nil && ctx.Err() == nil; _, err = os.Stat(pids) {
					time.Sleep(5 * time.Millisecond)
				}
			}()
			c := sh(fmt.Sprintf(`%[2]s; sleep 300 & echo $! $$ > %[1]s.new; mv %[1]s.new %[1]s; wait; sleep 300`, pids, trap))
			c.Grace = 50 * time.Millisecond
			_, err := Run(ctx, c)
			failed, ok := errors.AsType[*Error](err)
			if !ok || failed.TimedOut || failed.Code != -1 || !errors.Is(err, context.Canceled) {
				t.Fatalf("got %v", err)
			}
			for _, pid := range readPids(t, pids) {
				waitGone(t, pid)
			}
		})
	}
}

// A reload may start a daemon that keeps our pipe as its stdout.
func TestRunDoesNotWaitForDaemons(t *testing.T) {
	r, err := Run(t.Context(), sh("sleep 300 & echo $!"))
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(r.Stdout)))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Errorf("the daemon did not survive: %v", err)
	}
}

func TestRunBoundsOutput(t *testing.T) {
	r, err := Run(t.Context(), sh("head -c 300000 /dev/zero; head -c 300000 /dev/zero >&2"))
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Stdout) != MaxOutput || len(r.Stderr) != MaxOutput || !r.Truncated {
		t.Errorf("kept %d and %d bytes, truncated %v", len(r.Stdout), len(r.Stderr), r.Truncated)
	}
}

func TestRunNeedNotReadStdin(t *testing.T) {
	if _, err := Run(t.Context(), Command{Args: []string{"true"}, Stdin: make([]byte, 1<<20)}); err != nil {
		t.Error(err)
	}
}

func TestRunAsUser(t *testing.T) {
	if os.Geteuid() != 0 {
		_, err := Run(t.Context(), Command{Args: []string{"id"}, User: "root"})
		if err == nil || !strings.Contains(err.Error(), "only root") {
			t.Fatalf("got %v", err)
		}
		return
	}
	for _, name := range []string{"nobody", "65534"} {
		r, err := Run(t.Context(), Command{Shell: "id -u; id -G", User: name})
		if err != nil {
			t.Fatal(err)
		}
		if got := string(r.Stdout); got != "65534\n65534\n" {
			t.Errorf("as %s: got %q", name, got)
		}
	}
}

func TestTail(t *testing.T) {
	got := Tail([]byte("one\n\n two\t2 \nthree\xff"), 2, 6)
	if want := []string{`two\t2`, `three\xff`}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := Tail([]byte("0123456789"), 2, 3); !slices.Equal(got, []string{"012…"}) {
		t.Errorf("got %q", got)
	}
}

func readPids(t *testing.T, path string) []int {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
	for _, f := range strings.Fields(string(text)) {
		pid, err := strconv.Atoi(f)
		if err != nil {
			t.Fatal(err)
		}
		pids = append(pids, pid)
	}
	return pids
}

// waitGone waits until a process is dead; one that nobody reaps yet counts.
func waitGone(t *testing.T, pid int) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if syscall.Kill(pid, 0) != nil {
			return
		}
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil || strings.Contains(string(stat), ") Z ") {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("process %d is still alive", pid)
		}
	}
}
