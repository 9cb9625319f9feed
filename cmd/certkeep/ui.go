package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/term"

	"github.com/certkeep/certkeep/internal/engine"
)

// ui is the one hand that prints, asks and ends the process. Results go to
// stdout, everything else to stderr.
type ui struct {
	stdin          *os.File
	stdout, stderr *os.File
	hues           hues
	dumb           bool // the terminal cannot move its cursor
	json           bool
	quiet          bool
	verbose        bool

	mu    sync.Mutex // guards stderr and what follows
	live  *progress  // what is drawn at the bottom of the terminal; nil when nothing is
	drawn int        // lines of it that stand there
}

func newUI(stdin, stdout, stderr *os.File, getenv func(string) string) *ui {
	return &ui{
		stdin: stdin, stdout: stdout, stderr: stderr,
		hues: hues{none: getenv("NO_COLOR") != ""}, dumb: getenv("TERM") == "dumb",
	}
}

// configure takes over the options that every command has.
func (u *ui) configure(json, quiet, verbose bool) { u.json, u.quiet, u.verbose = json, quiet, verbose }

// exit ends the process.
func (u *ui) exit(code int) { os.Exit(code) }

// end prints what an error says and returns the exit code.
func (u *ui) end(err error) int {
	u.stopLive()
	if err == nil {
		return exitOK
	}
	t := tell(err)
	if t.silent {
		return t.code
	}
	paint := u.painter(u.stderr)
	label := paint(red, "certkeep:")
	for line := range strings.SplitSeq(strings.Map(printable, strings.Join(t.lines, "\n")), "\n") {
		u.note("%s %s", label, line)
		label = " "
	}
	if t.remedy != "" {
		u.note("  %s", t.remedy)
	}
	return t.code
}

// print writes a result.
func (u *ui) print(text string) {
	if text != "" && !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	u.write(u.stdout, text)
}

// printJSON writes a result as one line of JSON.
func (u *ui) printJSON(v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode the result: %w", err)
	}
	u.write(u.stdout, string(visible(text))+"\n")
	return nil
}

// show writes a result, as JSON where asked, and ends the command with its code.
func (a *app) show(result any, text func() string, code int) error {
	if !a.json {
		a.ui.print(text())
	} else if err := a.ui.printJSON(result); err != nil {
		return err
	}
	return exitWith(code)
}

// note writes a line for a person to stderr.
func (u *ui) note(format string, args ...any) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.erase()
	u.write(u.stderr, fmt.Sprintf(format, args...)+"\n")
	u.draw(time.Now())
}

// say is note, unless quiet was asked for.
func (u *ui) say(format string, args ...any) {
	if !u.quiet {
		u.note(format, args...)
	}
}

// Write lets a log write to stderr without tearing the progress.
func (u *ui) Write(p []byte) (int, error) {
	u.note("%s", strings.TrimSuffix(string(p), "\n"))
	return len(p), nil
}

// write is where every byte leaves. A reader that went away (a pipe into
// head) is no reason to complain.
func (u *ui) write(f *os.File, text string) {
	if _, err := io.WriteString(f, text); err != nil && f == u.stdout && !errors.Is(err, syscall.EPIPE) {
		// There is nothing left to do but to say so and to leave: a result
		// that was cut off must not look like success.
		_, _ = fmt.Fprintf(u.stderr, "certkeep: write the result: %v\n", err)
		u.exit(exitUnexpected)
	}
}

// unbroken is the width of what no terminal shows: a line for each thing, so
// that it can be searched.
const unbroken = 1 << 20

// width is how many columns the terminal behind f has.
func (u *ui) width(f *os.File) int {
	if !isTerminal(f) {
		return unbroken
	}
	if w, _, err := term.GetSize(int(f.Fd())); err == nil && w >= 20 {
		return w
	}
	return 80
}

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// painter returns a function that colours text for f, or leaves it.
func (u *ui) painter(f *os.File) func(colour, string) string {
	if !u.paints(f) {
		return func(_ colour, s string) string { return s }
	}
	return func(c colour, s string) string { return string(c) + s + string(plain) }
}

// errNoTerminal says that nobody can be asked.
var errNoTerminal = errors.New("there is no terminal to ask on")

// ask puts a question on the terminal and reports whether the answer is yes.
func (u *ui) ask(ctx context.Context, question string) (bool, error) {
	if !isTerminal(u.stdin) || !isTerminal(u.stderr) {
		return false, errNoTerminal
	}
	u.pauseLive()
	defer u.resumeLive()
	u.mu.Lock()
	u.write(u.stderr, question+" [y/N] ")
	u.mu.Unlock()
	answer := make(chan string, 1)
	go func() {
		line, err := bufio.NewReader(u.stdin).ReadString('\n')
		if err != nil && line == "" {
			line = "no"
		}
		answer <- line
	}()
	select {
	case line := <-answer:
		word := strings.ToLower(strings.TrimSpace(line))
		return word == "y" || word == "yes", nil
	case <-ctx.Done():
		u.write(u.stderr, "\n")
		return false, context.Cause(ctx)
	}
}

// confirm asks before something is destroyed. Yes is the option --yes.
func (u *ui) confirm(ctx context.Context, yes bool, question string) error {
	if yes {
		return nil
	}
	agreed, err := u.ask(ctx, question)
	switch {
	case errors.Is(err, errNoTerminal):
		return usage("this cannot be undone, and there is no terminal to confirm it on", "add --yes")
	case err != nil:
		return err
	case !agreed:
		return &hintedError{code: exitUnexpected, words: "nothing was changed", err: errDeclined}
	}
	return nil
}

// errDeclined says that a person answered no.
var errDeclined = errors.New("declined")

// watch shows what goes on: drawn and redrawn on a terminal, as plain lines
// elsewhere, not at all when quiet. It may be called from many goroutines.
func (u *ui) watch(p engine.Progress) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.live != nil {
		u.live.take(p)
		return
	}
	if line := plainLine(p); line != "" && !u.quiet && !u.verbose {
		u.write(u.stderr, line+"\n")
	}
}

// startLive begins to draw progress where that is possible. The function it
// returns ends it.
func (u *ui) startLive() func() {
	if u.quiet || u.verbose || u.dumb || !isTerminal(u.stderr) {
		return func() {}
	}
	u.mu.Lock()
	u.live = newProgress(time.Now())
	u.mu.Unlock()
	stop := make(chan struct{})
	var done sync.WaitGroup
	done.Go(func() {
		ticker := time.NewTicker(redrawEvery)
		defer ticker.Stop()
		for {
			select {
			case <-stop:
				return
			case now := <-ticker.C:
				u.mu.Lock()
				u.erase()
				u.draw(now)
				u.mu.Unlock()
			}
		}
	})
	return func() {
		close(stop)
		done.Wait()
		u.stopLive()
	}
}

// stopLive takes the progress off the terminal.
func (u *ui) stopLive() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.erase()
	u.live = nil
}

// pauseLive and resumeLive keep the progress off the terminal while a
// question stands there.
func (u *ui) pauseLive() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.erase()
	if u.live != nil {
		u.live.paused = true
	}
}

func (u *ui) resumeLive() {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.live != nil {
		u.live.paused = false
	}
}

// erase removes the drawn lines. The caller holds mu.
func (u *ui) erase() {
	if u.drawn > 0 {
		u.write(u.stderr, strings.Repeat("\x1b[A\x1b[2K", u.drawn)+"\r")
		u.drawn = 0
	}
}

// draw writes the lines of the progress. The caller holds mu.
func (u *ui) draw(now time.Time) {
	if u.live == nil {
		return
	}
	width, height, err := term.GetSize(int(u.stderr.Fd()))
	if err != nil {
		width, height = 80, 24
	}
	lines := u.live.frame(now, width, height)
	if len(lines) == 0 {
		return
	}
	u.write(u.stderr, strings.Join(lines, "\n")+"\n")
	u.drawn = len(lines)
}
