package engine

import (
	"context"
	"time"
)

// readAgainAfter is how long a store that could not be read is left alone.
const readAgainAfter = time.Minute

// lookAgain is done when something becomes due.
func (p *pass) lookAgain(ctx context.Context) {
	if !p.unread.IsZero() && !p.unread.After(time.Now()) {
		p.reload(ctx)
		if p.unread.IsZero() {
			return
		}
	}
	p.replan(ctx)
}

// meanwhile is what a worker hands back with all that was stored beside it, such
// as what a person asked for: a wish that was stored between the worker's last
// look at the store and its end, and that the pass has read already, is not
// in what the worker knows.
func (p *pass) meanwhile(ctx context.Context, f finished) finished {
	if !p.passedBy[f.unit] {
		return f
	}
	delete(p.passedBy, f.unit)
	fresh, err := p.engine.readAgain(ctx, f)
	if err != nil {
		p.engine.Log.Error("cannot read what was stored meanwhile; it counts from the next look at the store", "unit", f.unit, "error", err)
		return f
	}
	return fresh
}

// readAgain reads the facts that a worker hands back from the store.
func (e *Engine) readAgain(ctx context.Context, f finished) (finished, error) {
	if f.known != nil {
		known, err := e.Store.KnownCert(ctx, f.unit)
		if err != nil {
			return f, err
		}
		keepTransient(known, f.known)
		f.known = known
	}
	if f.keys != nil {
		keys, err := e.Store.KnownKeys(ctx, f.keys.Name)
		if err != nil {
			return f, err
		}
		keys.Inspected, keys.Closed = f.keys.Inspected, f.keys.Closed
		f.keys = keys
	}
	for name, member := range f.members {
		known, err := e.Store.KnownCert(ctx, name)
		if err != nil {
			return f, err
		}
		keepTransient(known, member)
		f.members[name] = known
	}
	return f, nil
}
