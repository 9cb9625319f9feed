package ocsp

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
)

// ErrNoResponder says that a certificate names no responder, and that none was
// given.
var ErrNoResponder = errors.New("the certificate names no OCSP responder")

// ErrIssuer says that the certificate of whoever issued the leaf is not there:
// the names in a question are made of it.
var ErrIssuer = errors.New("the certificate of the issuer is not known")

// ErrClock says that the times of a statement do not fit our clock, and that
// the responder's clock is another one.
var ErrClock = errors.New("this machine's clock differs from the responder's")

// Failure is why one responder gave nothing that can be used.
type Failure struct {
	URL        string
	Blame      plan.Blame
	Status     int           // HTTP status; 0 where there was no answer
	RetryAfter time.Duration // what the responder asks for; 0 where it does not say
	Err        error
}

func (f *Failure) Error() string { return fmt.Sprintf("ask the OCSP responder %s: %s", f.URL, f.Err) }

// Unwrap returns the cause.
func (f *Failure) Unwrap() error { return f.Err }

// Error is why Fetch has nothing: one Failure for each responder, in the order
// in which they were asked.
type Error struct{ Failures []*Failure }

func (e *Error) Error() string {
	words := make([]string, len(e.Failures))
	for i, f := range e.Failures {
		words[i] = f.Error()
	}
	return strings.Join(words, "; ")
}

// Unwrap returns the failures.
func (e *Error) Unwrap() []error {
	errs := make([]error, len(e.Failures))
	for i, f := range e.Failures {
		errs[i] = f
	}
	return errs
}

// Blame says who can mend it: a person here where that is so of any responder,
// else the CA where any responder was reached.
func (e *Error) Blame() plan.Blame {
	blame := plan.BlameNetwork
	for _, f := range e.Failures {
		switch f.Blame {
		case plan.BlameAdmin:
			return plan.BlameAdmin
		case plan.BlameCA:
			blame = plan.BlameCA
		}
	}
	return blame
}

// RetryAfter is the shortest time after which some responder may be asked
// again; 0 where one of them does not say.
func (e *Error) RetryAfter() time.Duration {
	var shortest time.Duration
	for i, f := range e.Failures {
		if i == 0 || f.RetryAfter < shortest {
			shortest = f.RetryAfter
		}
	}
	return shortest
}
