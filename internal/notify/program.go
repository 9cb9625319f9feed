package notify

import (
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
	if !s.Arguments {
		return s.run(ctx, m, m, nil)
	}
	some := false
	for _, g := range m.Groups {
		for _, n := range g.Notices {
			err := s.run(ctx, m, note{ID: m.ID, Notice: n, Remedy: g.Remedy}, []string{plan.OldReason(n.Event, n.Code), n.Cert})
			if failed, ok := errors.AsType[*Error](err); ok {
				failed.Unknown = failed.Unknown || some
			}
			if err != nil {
				return err
			}
			some = true
		}
	}
	return nil
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
