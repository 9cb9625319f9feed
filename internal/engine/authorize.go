package engine

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/certkeep/certkeep/internal/issuer"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/store"
)

// authorize has names proven without a certificate. The attempt is counted
// before. A crash leaves an order at the CA that nobody finalises; the next
// attempt asks again, and what was proven meanwhile costs nothing.
func (w *worker) authorize(ctx context.Context, s plan.Step) *plan.Fault {
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
		return fault // nothing was begun
	}
	if err := w.beginProof(ctx, s); err != nil {
		w.judge(ctx, s.Issuer, err)
		return w.fault(plan.CodeDisk, "count the attempt: "+err.Error(), nil)
	}
	unlock, err := w.engine.names.lock(ctx, s.Issuer, plan.Sorted(s.Names))
	if err != nil {
		w.judge(context.WithoutCancel(ctx), s.Issuer, err)
		return w.proven(ctx, s, nil, err)
	}
	defer unlock()
	proofs, err := w.prove(ctx, s)
	w.judge(context.WithoutCancel(ctx), s.Issuer, err)
	w.notProven(context.WithoutCancel(ctx), s.Issuer, err)
	w.heed(context.WithoutCancel(ctx), s.Issuer, s.Names, err)
	return w.proven(ctx, s, proofs, err)
}

// beginProof counts the attempt for each of the names.
func (w *worker) beginProof(ctx context.Context, s plan.Step) error {
	now := time.Now()
	return w.engine.Store.UpdateCert(ctx, w.want.Name, func(k *plan.KnownCert) error {
		for _, name := range s.Names {
			tries := k.Tries[name].Begin(now, w.roll(now, "authorize "+name))
			tries.Issuer = s.Issuer
			k.Tried(name, tries)
		}
		return nil
	})
}

// prove talks to the CA. An account that it does not know any more is
// registered again, once.
func (w *worker) prove(ctx context.Context, s plan.Step) ([]issuer.Proof, error) {
	ca, err := w.parts.issuers[s.Issuer].client()
	if err != nil {
		return nil, err
	}
	for again := false; ; again = true {
		account, err := w.engine.account(ctx, w.parts, s.Issuer)
		if err != nil {
			return nil, err
		}
		proofs, err := ca.Prove(ctx, issuer.Job{
			Account: account, Names: s.Names, Solvers: w.solvers,
			Stage: func(stage issuer.Stage) { w.stage(string(stage)) },
			Warn: func(err error) {
				w.engine.Log.Warn("going on in spite of a failure", "certificate", w.want.Name, "error", err)
			},
		})
		if !accountIsLost(err) || again {
			return proofs, err
		}
		if err := w.engine.accountLost(ctx, w.parts, s.Issuer, account, err); err != nil {
			return nil, err
		}
	}
}

// proven stores what came of an attempt: which names the CA takes as proven,
// and how it failed for the others.
func (w *worker) proven(ctx context.Context, s plan.Step, proofs []issuer.Proof, cause error) *plan.Fault {
	cancelled := ctx.Err() != nil
	ctx = context.WithoutCancel(ctx)
	now := time.Now()
	var fault plan.Fault
	var retryAfter time.Time
	if cause != nil {
		fault, retryAfter = faultOf(cause)
	}
	err := w.engine.Store.UpdateCert(ctx, w.want.Name, func(k *plan.KnownCert) error {
		k.TakenAway(w.gone.list())
		for _, name := range s.Names {
			i := slices.IndexFunc(proofs, func(p issuer.Proof) bool { return p.Name == name })
			switch {
			case i >= 0:
				if k.Authorized == nil {
					k.Authorized = map[string]plan.Authorized{}
				}
				k.Authorized[name] = plan.Authorized{Issuer: s.Issuer, At: now, Expires: proofs[i].Expires}
				k.Succeeded(name, now, s.Issuer)
			case cancelled, cause == nil: // interrupted, or the CA keeps it to itself: it is no failure of ours
				tries := k.Tries[name]
				tries.Open, tries.Ended = false, now
				k.Tried(name, tries)
			default:
				k.Tried(name, k.Tries[name].Failed(now, fault, retryAfter))
			}
		}
		k.ForgetNames(w.want.Names)
		return nil
	})
	if err != nil {
		return w.fault(plan.CodeDisk, "store which names are proven: "+err.Error(), nil)
	}
	if cause == nil || cancelled {
		return nil
	}
	w.engine.pause(ctx, s.Issuer, cause)
	w.emit(ctx, store.Event{Kind: store.EventErrored, Issuer: s.Issuer, Words: strings.Join(s.Names, ", ") + ": " + fault.Words, Detail: fault.Detail, Fault: &fault})
	return &fault
}
