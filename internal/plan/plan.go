// Package plan decides. It compares what is wanted with what is known and
// says which steps follow, when, and why. It is pure: no clock, no dice, no
// log, no I/O; the same World and instant give the same steps. Make is the
// function to call first; RenewAt answers "when is it renewed".
package plan

import (
	"cmp"
	"slices"
	"time"
)

// World is all that a decision may look at.
type World struct {
	Wanted Wanted
	Known  Known
}

// Kind names what a step does.
type Kind string

// The kinds of step. One file of the engine carries out each of them.
const (
	KindAdopt   Kind = "adopt"       // take over a valid pair found at a target
	KindIssue   Kind = "issue"       // open an order and see it through
	KindResume  Kind = "resume"      // go on with an order that was saved
	KindPublish Kind = "publish"     // point the group at a version that is held already
	KindSpare   Kind = "placeholder" // put a self-signed pair where a service needs files to start
	KindInstall Kind = "install"     // bring the published version to a target
	KindHook    Kind = "hook"        // run a hook that is still pending
	KindVerify  Kind = "verify"      // compare what services present with the published version
	KindInspect Kind = "inspect"     // look whether installed files were altered
	KindAdvice  Kind = "advice"      // ask the CA for its renewal information (RFC 9773)
	KindPrune   Kind = "prune"       // drop versions nobody needs, and their keys
	KindAnswer  Kind = "answer"      // drop asks that are answered
)

// Step is one thing to do.
type Step struct {
	Kind    Kind      `json:"kind"`
	Cert    string    `json:"certificate"`
	KeyType string    `json:"key_type,omitempty"`
	Target  string    `json:"target,omitempty"`
	Version string    `json:"version,omitempty"` // what to publish, install or verify
	Issuer  string    `json:"issuer,omitempty"`  // whom an issue or resume asks
	Hook    string    `json:"hook,omitempty"`
	Drop    []string  `json:"drop,omitempty"` // versions to prune, or asks that are answered
	At      time.Time `json:"at"`             // due when not after now
	Reason  Reason    `json:"reason"`
	Asked   bool      `json:"asked,omitempty"` // a person asked for it
	Urgent  bool      `json:"urgent,omitempty"`
	Until   time.Time `json:"until,omitzero"` // when what is served now ends; zero where nothing valid is served
}

// Due reports whether the step is to be done at now.
func (s Step) Due(now time.Time) bool { return !s.At.After(now) }

// Make returns every step that follows from w, the due ones and the next
// ones to come, most urgent first.
func Make(now time.Time, w World) []Step {
	var steps []Step
	for _, want := range w.Wanted.Certs {
		steps = append(steps, Cert(now, w, want)...)
	}
	steps = pace(now, w, steps)
	slices.SortStableFunc(steps, byUrgency(now))
	return steps
}

// Cert returns the steps of one certificate, in the order in which they have
// to be done. Pace across certificates is not part of it.
func Cert(now time.Time, w World, want WantedCert) []Step {
	known := w.Known.Cert(want.Name)
	if known.Newer {
		return nil // a Problem says what a person must do
	}
	d := decide(now, w, want, known)
	d.obtain()
	d.install()
	d.verify()
	d.advice()
	d.prune()
	d.answer()
	return d.steps
}

// Next returns the earliest instant after now at which a step becomes due,
// or the zero time when none will.
func Next(now time.Time, steps []Step) time.Time {
	var next time.Time
	for _, s := range steps {
		if s.At.After(now) && (next.IsZero() || s.At.Before(next)) {
			next = s.At
		}
	}
	return next
}

// byUrgency orders steps: due before coming, asked and urgent before others,
// then by the end of what is served, so that what ends first is done first.
func byUrgency(now time.Time) func(a, b Step) int {
	rank := func(s Step) int {
		switch {
		case !s.Due(now):
			return 3
		case s.Asked:
			return 0
		case s.Urgent:
			return 1
		default:
			return 2
		}
	}
	return func(a, b Step) int {
		if c := cmp.Compare(rank(a), rank(b)); c != 0 {
			return c
		}
		if rank(a) == 3 {
			return a.At.Compare(b.At)
		}
		return a.Until.Compare(b.Until)
	}
}
