package engine

import (
	"context"
	"strings"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/store"
)

// effective is what is ordered now: names that are set aside are left out.
func (w *worker) effective() plan.WantedCert { return plan.Effective(w.want, w.known) }

// namesOf are the names of an order of which a CA says that they were not
// proven, as they are wanted.
func namesOf(order plan.Order, err error) []string {
	var names []string
	for _, failed := range unproven(err) {
		for _, name := range order.Request.Names {
			if strings.TrimPrefix(name, "*.") == failed {
				names = append(names, name)
			}
		}
	}
	return names
}

// setAside stores that a certificate goes without names, or no longer does.
func (w *worker) setAside(ctx context.Context, s plan.Step) *plan.Fault {
	now := time.Now()
	jitter := w.roll(now, "set aside")
	var cause *plan.Fault
	err := w.engine.Store.UpdateCert(ctx, w.want.Name, func(k *plan.KnownCert) error {
		for _, name := range s.Drop {
			delete(k.Aside, name)
		}
		for _, keyType := range w.want.KeyTypes {
			if fault := k.Tries[keyType].Fault; fault != nil {
				cause = fault
			}
		}
		k.SetAside(now, jitter, w.want, s.Names, cause)
		return nil
	})
	if err != nil {
		return w.fault(plan.CodeDisk, "store which names are set aside: "+err.Error(), nil)
	}
	if len(s.Names) > 0 {
		fault := w.fault(plan.CodeAside, "the certificate goes without "+strings.Join(s.Names, ", ")+": "+s.Reason.Words, nil)
		w.emit(ctx, store.Event{Kind: store.EventErrored, Words: fault.Words, Fault: fault})
	}
	return nil
}

// readmit has a name that was set aside proven. The attempt is counted before;
// a crash leaves an order at the CA that nobody finalises.
func (w *worker) readmit(ctx context.Context, s plan.Step) *plan.Fault {
	auth := w.parts.issuers[s.Issuer]
	if auth == nil {
		return w.fault(plan.CodeUnexpected, "issuer "+s.Issuer+" is not configured", nil)
	}
	leave, err := auth.enter(ctx)
	if err != nil {
		return nil // nothing was begun
	}
	defer leave()
	if admitted, fault := w.admit(ctx, s); !admitted {
		return fault
	}
	name := s.Names[0]
	began := time.Now()
	jitter := w.roll(began, "readmit "+name)
	err = w.changeAside(ctx, name, func(a *plan.Aside) bool {
		a.Tries = a.Tries.Begin(began, jitter)
		a.Tries.Issuer, a.Proof = s.Issuer, w.want.Proof
		return true
	})
	if err == nil {
		_, err = w.prove(ctx, s)
	}
	bare := context.WithoutCancel(ctx)
	w.judge(bare, s.Issuer, err)
	if ctx.Err() != nil {
		return nil // an attempt that was ended is made up for
	}
	w.notProven(bare, s.Issuer, err)
	w.heed(bare, s.Issuer, s.Names, err)
	fault, retryAfter := plan.Fault{}, time.Time{}
	if err != nil {
		fault, retryAfter = faultOf(err)
		w.engine.pause(bare, s.Issuer, err)
	}
	stored := w.changeAside(bare, name, func(a *plan.Aside) bool {
		a.Tries = a.Tries.Failed(time.Now(), fault, retryAfter)
		return err != nil
	})
	if stored != nil {
		return w.fault(plan.CodeDisk, "store whether the name is proven: "+stored.Error(), nil)
	}
	if err != nil {
		return &fault
	}
	return nil
}

// changeAside changes what is known of a name that is set aside; false drops it.
func (w *worker) changeAside(ctx context.Context, name string, change func(*plan.Aside) (keep bool)) error {
	return w.engine.Store.UpdateCert(ctx, w.want.Name, func(k *plan.KnownCert) error {
		a, ok := k.Aside[name]
		if !ok {
			return nil
		}
		if change(&a) {
			k.Aside[name] = a
		} else {
			delete(k.Aside, name)
		}
		return nil
	})
}
