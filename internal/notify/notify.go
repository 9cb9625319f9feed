// Package notify tells people what plan decided to tell them: by e-mail, by a
// webhook, by a program. A Sender brings one message over one channel; it
// decides nothing and remembers nothing. What it cannot deliver is an *Error,
// whose words hold no secret: neither a password nor a webhook's URL.
package notify

import (
	"context"
	"fmt"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
)

// DefaultTimeout bounds one message where a channel sets no time of its own.
const DefaultTimeout = time.Minute

// Sender brings messages over a channel.
type Sender interface {
	// Send delivers a message. The same message may be sent again, under the
	// same id: a crash can hide that it arrived. The error is an *Error.
	Send(ctx context.Context, m plan.Message) error
}

// Error says why a message was not delivered.
type Error struct {
	Words      string   // what was being done and what happened
	Detail     []string // the other side's own words
	RetryAfter time.Duration
	Unknown    bool  // nobody answered, and it may have arrived
	Err        error // for errors.Is; not part of what is shown
	// Left are the notices that were not delivered, of a sender that brings them one by one.
	Left []plan.Notice
}

// Error is the words.
func (e *Error) Error() string { return e.Words }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// refused is an Error about a cause that may be shown.
func refused(doing string, err error) error {
	return &Error{Words: fmt.Sprintf("%s: %v", doing, err), Err: err}
}
