package engine

import (
	"context"
	"errors"
	"maps"
	"reflect"
	"sync"
	"time"

	"github.com/certkeep/certkeep/internal/issuer"
	"github.com/certkeep/certkeep/internal/plan"
)

// standing is what is known of the CAs, at its latest: what one order learns
// of a CA all others heed at once.
type standing struct {
	mu    sync.Mutex // guards known; held while a change is stored, so that changes come one after another
	known map[string]plan.KnownIssuer
}

// asking is what an order that is under way means for the CA that it goes to.
type asking struct {
	refused bool      // it was not made, since the CA is being tried by another one, or its limits are spent
	probe   bool      // it tries a CA that did not work
	spent   []string  // what it took of the CA's limits
	taken   time.Time // when that was taken for an order that the CA never got
	opened  int       // orders that were opened for it
	signing bool      // the CA was asked to sign
}

// all is a copy. What it holds is never changed, only replaced.
func (s *standing) all() map[string]plan.KnownIssuer {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.copied()
}

func (s *standing) copied() map[string]plan.KnownIssuer {
	if s.known == nil {
		return map[string]plan.KnownIssuer{}
	}
	return maps.Clone(s.known)
}

// of is what is known of one CA.
func (s *standing) of(id string) plan.KnownIssuer {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.known[id]
}

// merge takes over what was read from the store, unless something later is
// known, and returns a copy of all.
func (s *standing) merge(stored map[string]plan.KnownIssuer) map[string]plan.KnownIssuer {
	s.mu.Lock()
	defer s.mu.Unlock()
	merged := s.copied()
	for id, k := range stored {
		if k.Serial >= merged[id].Serial {
			merged[id] = k
		}
	}
	s.known = merged
	return maps.Clone(merged)
}

// learn changes what is known of a CA. What cannot be stored this process
// remembers all the same: it says when to leave a CA alone.
func (e *Engine) learn(ctx context.Context, id string, change func(plan.KnownIssuer) plan.KnownIssuer) {
	if _, err := e.settleWith(ctx, id, change); err != nil {
		e.Log.Error("cannot store what is known of a CA; it is remembered until this process ends", "issuer", id, "error", err)
	}
}

// settleWith is learn for who must know that it is stored.
func (e *Engine) settleWith(ctx context.Context, id string, change func(plan.KnownIssuer) plan.KnownIssuer) (plan.KnownIssuer, error) {
	s := &e.standing
	s.mu.Lock()
	defer s.mu.Unlock()
	latest := s.known[id]
	applied := func(k plan.KnownIssuer) plan.KnownIssuer {
		next := change(k)
		if !reflect.DeepEqual(next, k) {
			next.Serial = k.Serial + 1
		}
		return next
	}
	after := applied(latest)
	err := e.Store.UpdateIssuer(ctx, id, func(k *plan.KnownIssuer) error {
		if k.Serial < latest.Serial {
			*k = latest // an earlier change could not be stored
		}
		*k = applied(*k)
		after = *k
		return nil
	})
	s.known = s.copied()
	s.known[id] = after
	return after, err
}

// admit asks whether an order may go to a CA now, and takes note of it before
// the CA is asked: of what it takes of the CA's limits, and of one that is to
// try a CA that did not work, which holds the others back. An order that is
// refused is not made, and nothing was counted.
func (w *worker) admit(ctx context.Context, s plan.Step) (admitted bool, fault *plan.Fault) {
	now := time.Now()
	spends := w.world().Spends(w.want, s)
	unsent, taken := w.world().Unsent(w.want, s)
	limits := w.parts.wanted.Limits[s.Issuer]
	ask := func(k plan.KnownIssuer) (after plan.KnownIssuer, admitted, probe bool) {
		if k, admitted, probe = k.Admit(now, s.Asked); admitted {
			if len(unsent) > 0 {
				k, admitted = k.SpendAgain(now, limits, spends, unsent, taken)
			} else {
				k, admitted = k.Spend(now, spends)
			}
		}
		return k, admitted, probe && admitted
	}
	w.asking.probe, w.asking.spent, w.asking.taken, w.asking.opened, w.asking.signing = false, plan.SpentKeys(spends), taken, 0, false
	_, admitted, probe := ask(w.engine.standing.of(s.Issuer))
	if admitted && !probe && len(w.asking.spent) == 0 {
		return true, nil
	}
	_, err := w.engine.settleWith(ctx, s.Issuer, func(k plan.KnownIssuer) plan.KnownIssuer {
		after, ok, tries := ask(k)
		if admitted, probe = ok, tries; !ok {
			return k
		}
		return after
	})
	if err != nil {
		counted := admitted && len(unsent) == 0 // what an earlier one has taken stays taken, for the next
		w.engine.learn(ctx, s.Issuer, func(k plan.KnownIssuer) plan.KnownIssuer {
			if counted {
				k = k.Return(now, limits, w.asking.spent)
			}
			return k.Unprobed(now)
		})
		return false, w.fault(plan.CodeDisk, "store that "+s.Issuer+" is asked: "+err.Error(), nil)
	}
	w.asking.probe, w.asking.refused = probe, !admitted
	return admitted, nil
}

// admitLook is admit for what is no order. A CA that fails at orders alone may
// be asked for all else.
func (w *worker) admitLook(ctx context.Context, id string) (admitted bool, fault *plan.Fault) {
	if w.engine.standing.of(id).Breaker.Orders {
		return true, nil
	}
	return w.admit(ctx, plan.Step{Kind: plan.KindAdvice, Issuer: id})
}

// judge takes note of what an order says of the CA as a whole.
func (w *worker) judge(ctx context.Context, id string, err error) {
	w.conclude(ctx, id, err, false)
}

// judgeLook is judge for what is no order: it only says whether the CA is
// reached.
func (w *worker) judgeLook(ctx context.Context, id string, err error) {
	w.conclude(ctx, id, err, true)
}

func (w *worker) conclude(ctx context.Context, id string, err error, look bool) {
	now := time.Now()
	probe := w.asking.probe
	w.asking.probe = false
	var fault plan.Fault
	if err != nil {
		fault, _ = faultOf(err)
	}
	trouble := fault.Trouble() && (!look || fault.Blame == plan.BlameNetwork)
	switch known := w.engine.standing.of(id).Breaker; {
	case trouble && !errors.Is(err, context.Canceled):
		w.engine.learn(ctx, id, func(k plan.KnownIssuer) plan.KnownIssuer { return k.Troubled(now, w.want.Name, fault, probe) })
	case (err == nil || answered(err)) && known.Failures > 0 && !(look && known.Orders):
		w.engine.learn(ctx, id, func(k plan.KnownIssuer) plan.KnownIssuer { return k.Worked(now) })
	case probe:
		w.engine.learn(ctx, id, func(k plan.KnownIssuer) plan.KnownIssuer { return k.Unprobed(now) })
	}
}

// answered reports whether a failure is one that the CA answered with.
func answered(err error) bool {
	ca, ok := errors.AsType[*issuer.Error](err)
	if !ok {
		return false
	}
	switch ca.Code {
	case plan.CodeChallenge, plan.CodeCAA, plan.CodeCAChain, plan.CodeOrderInvalid, plan.CodeNotProven:
		return true
	}
	return ca.Status > 0
}
