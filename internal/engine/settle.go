package engine

import (
	"context"
	"slices"
)

// settled is somebody who waits until nothing is due for some certificates.
type settled struct {
	names []string
	done  chan struct{}
}

// Settled returns once the pass in Run has looked at the store after the call
// and nothing that is due now is left, queued or running for the named
// certificates (all when none are named), or with ctx's end.
func (e *Engine) Settled(ctx context.Context, names []string) error {
	if len(names) > 0 {
		names = withKeys(e.current().wanted, names)
	}
	s := settled{names: names, done: make(chan struct{})}
	select {
	case e.settling <- s:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case <-s.done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// settling are those who want to wait for a pass that goes on for ever.
func (p *pass) settling() <-chan settled {
	if p.once {
		return nil
	}
	return p.engine.settling
}

// settle tells those whose certificates have nothing due, queued or running.
func (p *pass) settle(ctx context.Context) {
	p.waiting = slices.DeleteFunc(p.waiting, func(s settled) bool {
		concerns := func(unit string) bool { return len(s.names) == 0 || p.concerns(unit, s.names) }
		for name := range p.running {
			if concerns(name) {
				return false
			}
		}
		for name := range p.owed {
			if ctx.Err() == nil && concerns(name) {
				return false
			}
		}
		if ctx.Err() == nil && p.queue.contains(concerns) {
			return false
		}
		close(s.done)
		return true
	})
}
