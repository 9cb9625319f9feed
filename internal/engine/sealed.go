package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/store"
)

// sealedFault is the fault of a secret whose store key is not at hand; nil for
// any other error. Such a secret is neither lost nor damaged: nothing takes its
// place.
func sealedFault(err error) *plan.Fault {
	if _, sealed := errors.AsType[*store.SealedError](err); !sealed {
		return nil
	}
	fault := newFault(plan.CodeSealed, plan.BlameAdmin, err.Error())
	return &fault
}

// UseKeys takes over the store keys of a new config. Its error is a
// *store.StoreKeyError where secrets could not be read by them; the former ones
// count then.
func (e *Engine) UseKeys(ctx context.Context, keys store.Keys) error {
	if err := e.Store.UseKeys(ctx, keys); err != nil {
		return err
	}
	select {
	case e.reseal <- struct{}{}:
	default: // about to be looked at
	}
	return nil
}

// seal brings all secrets of the store under the store key where some are not.
// What it cannot is a Problem, by the record of the seal.
func (e *Engine) seal(ctx context.Context) error {
	known, err := e.Store.KnownSeal(ctx)
	if err != nil || known == nil || len(known.Others) == 0 {
		return err
	}
	report, err := e.Store.Seal(ctx, nil)
	if err != nil {
		return err
	}
	e.Log.Info(fmt.Sprintf("%d of %d secrets of the store were sealed", report.Changed, report.All), "key", report.Key, "left", report.Left)
	e.Wake()
	return nil
}

// sealAfter is seal at the end of a single pass, of which world is the end.
func (e *Engine) sealAfter(ctx context.Context, world *plan.World) {
	err := e.seal(ctx)
	if err == nil {
		world.Known.Seal, err = e.Store.KnownSeal(ctx)
	}
	if err != nil && ctx.Err() == nil {
		e.Log.Error("the store could not be sealed; the next run tries again", "error", err)
	}
}

// keepSealed is seal, at the start and whenever the key changes, until ctx ends.
// Renewals do not wait for it.
func (e *Engine) keepSealed(ctx context.Context) {
	for failed := 0; ; {
		err := e.seal(ctx)
		if ctx.Err() != nil {
			return
		}
		var again <-chan time.Time
		failed++
		if err == nil {
			failed = 0
		} else {
			e.Log.Error("the store could not be sealed; it is tried again", "error", err)
			again = time.After(plan.Backoff(failed, 0))
		}
		select {
		case <-ctx.Done():
			return
		case <-e.reseal:
		case <-again:
		}
	}
}
