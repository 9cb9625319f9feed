package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/engine"
	"github.com/certkeep/certkeep/internal/status"
	"github.com/certkeep/certkeep/internal/store"
)

// The exit codes, of every command but `status --check`. They are part of
// the contract; those that follow from how certificates are stand in status.
const (
	exitOK         = status.ExitOK
	exitUnexpected = 1
	exitUsage      = 2
	exitConfig     = 3
	exitFailed     = status.ExitFailed
	exitMissing    = status.ExitMissing
	exitHeld       = 6
	exitWrong      = status.ExitWrong
)

// hintedError is an error for a person: what is wrong, and what to do.
type hintedError struct {
	code  int
	words string
	hint  string
	err   error // the cause, or nil; Words tell it already
}

// Error returns the words without the hint.
func (e *hintedError) Error() string { return e.words }

// Unwrap returns the cause.
func (e *hintedError) Unwrap() error { return e.err }

// usage is a command line that cannot be carried out.
func usage(words, hint string) error { return &hintedError{code: exitUsage, words: words, hint: hint} }

// exitError ends a command whose result has been printed.
type exitError struct{ code int }

// Error is for programmers: it is never shown.
func (e *exitError) Error() string { return fmt.Sprintf("exit with code %d", e.code) }

// exitWith is nil for code 0.
func exitWith(code int) error {
	if code == exitOK {
		return nil
	}
	return &exitError{code: code}
}

// told is what an error says to a person, and the exit code.
type told struct {
	code   int
	lines  []string // the first says what is wrong, the others are details
	remedy string
	silent bool
}

// tell sorts an error.
func tell(err error) told {
	if e, ok := errors.AsType[*exitError](err); ok {
		return told{code: e.code, silent: true}
	}
	if e, ok := errors.AsType[*hintedError](err); ok {
		return told{code: e.code, lines: []string{e.words}, remedy: e.hint}
	}
	if e, ok := errors.AsType[config.Errors](err); ok {
		return told{code: exitConfig, lines: strings.Split(e.Error(), "\n")}
	}
	if e, ok := errors.AsType[*store.HeldError](err); ok {
		return told{code: exitHeld, lines: []string{e.Error()}, remedy: "wait until it has ended, or end it"}
	}
	if e, ok := errors.AsType[*store.StoreKeyError](err); ok {
		return told{code: exitConfig, lines: []string{e.Error()}, remedy: e.Remedy()}
	}
	if e, ok := errors.AsType[*engine.FaultError](err); ok {
		return told{code: exitFailed, lines: append([]string{err.Error()}, e.Fault.Detail...), remedy: e.Fault.Code.Remedy()}
	}
	return told{code: exitUnexpected, lines: []string{err.Error()}}
}

// quoted lists words: "a", "b" or "c".
func quoted(words []string) string {
	var b strings.Builder
	for i, w := range words {
		switch {
		case i == 0:
		case i == len(words)-1:
			b.WriteString(" or ")
		default:
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%q", w)
	}
	return b.String()
}
