// Command certkeep keeps TLS certificates alive: it obtains the certificates
// that a config file declares, installs them where services read them, proves
// that they are presented, and renews them for ever.
//
// Each command has a file of its own, which turns arguments into calls and
// results into text. ui.go alone prints, asks, and ends the process.
package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	_ "time/tzdata" // time zones mean the same in a container that has none: decision 0012
)

// gcPercent trades a little time for memory: a pass over many certificates
// reads them all once and ends. The environment (GOGC) overrules it.
const gcPercent = 40

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	ui := newUI(os.Stdin, os.Stdout, os.Stderr, os.Getenv)
	ui.exit(run(ui, os.Args[0], os.Args[1:]))
}

// run carries out a command line and returns its exit code. Called by the name
// of acme-tiny, the program does what acme-tiny does. A first SIGINT or
// SIGTERM lets the step under way be saved; a second one ends the process.
func run(ui *ui, program string, args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	a := &app{ui: ui, getenv: os.Getenv, tiny: asTiny(program)}
	if a.tiny {
		args = append([]string{"issue"}, unabbreviated(args)...)
	}
	root := a.root()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.Cause(ctx))) {
		err = &hintedError{code: exitUnexpected, words: "interrupted", hint: "what was done is saved; the next run goes on from there", err: err}
	}
	return ui.end(err)
}
