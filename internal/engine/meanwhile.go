package engine

import (
	"context"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
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
	if !p.passedBy[f.unit] || ctx.Err() != nil { // nobody plans with it any more
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
func (e *Engine) readAgain(ctx context.Context, f finished) (_ finished, err error) {
	fresh := f
	if f.known != nil {
		if fresh.known, err = e.freshCert(ctx, f.unit, f.known); err != nil {
			return f, err
		}
	}
	if f.keys != nil {
		if fresh.keys, err = e.freshKeys(ctx, f.keys.Name, f.keys); err != nil {
			return f, err
		}
	}
	for name, member := range f.members {
		if member, err = e.freshCert(ctx, name, member); err != nil {
			return f, err
		}
		f.members[name] = member
	}
	return fresh, nil
}

// freshCert reads what is stored of a certificate, and keeps what only this
// process knows of it.
func (e *Engine) freshCert(ctx context.Context, name string, before *plan.KnownCert) (*plan.KnownCert, error) {
	fresh, err := e.Store.KnownCert(ctx, name)
	if err != nil {
		return nil, err
	}
	keepTransient(fresh, before)
	return fresh, nil
}

// freshKeys is freshCert for keys.
func (e *Engine) freshKeys(ctx context.Context, name string, before *plan.KnownKeys) (*plan.KnownKeys, error) {
	fresh, err := e.Store.KnownKeys(ctx, name)
	if err != nil {
		return nil, err
	}
	fresh.Inspected, fresh.Closed = before.Inspected, before.Closed
	return fresh, nil
}
