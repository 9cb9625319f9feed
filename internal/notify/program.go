package notify

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/certkeep/certkeep/internal/command"
	"github.com/certkeep/certkeep/internal/plan"
)

// Program tells a program of the administrator's, with the message as JSON on
// stdin.
type Program struct {
	Command command.Command
	// Arguments runs it once for each notice, as mod_md runs its message
	// command: REASON and the certificate's name follow its own arguments.
	Arguments bool
}

// note is what the program reads of one notice.
type note struct {
	ID string `json:"id"`
	plan.Notice
	Remedy string `json:"remedy,omitempty"`
}

// Send implements [Sender].
func (s Program) Send(ctx context.Context, m plan.Message) error {
	if s.Arguments {
		return s.each(ctx, m)
	}
	return s.run(ctx, m, m, nil)
}

// each runs the program for every notice. Of those that it fails for the others
// know nothing: they are told all the same, and are not told again.
func (s Program) each(ctx context.Context, m plan.Message) error {
	var first *Error
	var left []plan.Notice
	unknown, ran := false, true // not ran: it is not tried for the rest
	for _, g := range m.Groups {
		for _, n := range g.Notices {
			var err error
			if ran {
				err = s.run(ctx, m, note{ID: m.ID, Notice: n, Remedy: g.Remedy}, []string{plan.OldReason(n.Event, n.Code), n.Cert})
			}
			if failed, ok := errors.AsType[*Error](err); ok {
				unknown = unknown || failed.Unknown
				first = cmp.Or(first, failed)
				ran = exited(failed)
			}
			if err == nil && ran {
				unknown = true // some of it has arrived
			} else {
				left = append(left, n)
			}
		}
	}
	if first == nil {
		return nil
	}
	first.Left, first.Unknown = left, unknown
	return first
}

// exited reports whether a program ran, and ended by itself.
func exited(failed *Error) bool {
	e, ok := errors.AsType[*command.Error](failed.Err)
	return ok && !e.TimedOut && e.Code > 0
}

// run runs the program once.
func (s Program) run(ctx context.Context, m plan.Message, says any, args []string) error {
	const doing = "tell people"
	stdin, err := json.Marshal(says)
	if err != nil {
		return refused(doing, err)
	}
	c := s.Command
	c.Stdin = append(stdin, '\n')
	c.Env = []string{"CERTKEEP_NODE=" + m.Node, "CERTKEEP_MESSAGE=" + m.ID}
	if args != nil {
		c = c.With(args...)
	}
	if c.Timeout <= 0 {
		c.Timeout = 2 * time.Minute
	}
	return run(ctx, c, doing)
}
