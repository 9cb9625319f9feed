package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
)

// leftAlone refuses what a person wants of a CA that asked to be left alone:
// its Retry-After binds people too. Nil says that it may be asked.
func (e *Engine) leftAlone(ctx context.Context, id string) error {
	world, err := e.World(ctx)
	if err != nil {
		return err
	}
	now := time.Now()
	known := world.Known.Issuers[id]
	until := known.WaitsUntil(now)
	if !until.After(now) {
		return nil
	}
	fault := newFault(plan.CodeRateLimited, plan.BlameCA, fmt.Sprintf("%s asked to be left alone until %s", id, until.UTC().Format(time.RFC3339)))
	if known.Fault != nil {
		fault.Code, fault.Detail = known.Fault.Code, append([]string{known.Fault.Words}, known.Fault.Detail...)
	}
	return &FaultError{Fault: fault}
}

// heard gives what a CA answered to a person's wish the form of a fact. Where
// the CA wants to be left alone that is stored, for all that is to come.
func (e *Engine) heard(ctx context.Context, id string, err error) error {
	if e.pause(context.WithoutCancel(ctx), id, err) {
		e.Wake()
	}
	return asFault(err)
}

// pause remembers a CA's wish to be left alone as a whole. It reports whether
// there was one.
func (e *Engine) pause(ctx context.Context, id string, err error) bool {
	until, wants := issuerPause(err)
	if !wants {
		return false
	}
	now := time.Now()
	fault, _ := faultOf(err)
	e.learn(ctx, id, func(k plan.KnownIssuer) plan.KnownIssuer { return k.Paused(now, until, fault) })
	return true
}
