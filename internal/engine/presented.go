package engine

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/certkeep/certkeep/internal/challenge"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/store"
)

// taken are the answers that were taken away since the record was written the
// last time: solvers do it side by side.
type taken struct {
	mu  sync.Mutex
	all []plan.Presented
}

func (t *taken) add(p plan.Presented) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.all = append(t.all, p)
}

// back takes note that an answer is there again.
func (t *taken) back(p plan.Presented) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.all = slices.DeleteFunc(t.all, func(gone plan.Presented) bool { return gone == p })
}

// has reports whether an answer was taken away.
func (t *taken) has(p plan.Presented) bool {
	p.At, p.Note = time.Time{}, ""
	return slices.Contains(t.list(), p)
}

func (t *taken) list() []plan.Presented {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.all)
}

// presented is a challenge as the record knows it.
func presented(c challenge.Challenge) plan.Presented {
	return plan.Presented{Type: c.Type, Name: c.Identifier.String(), Token: c.Token, KeyAuthorization: c.KeyAuthorization}
}

// challengeOf is the way back.
func challengeOf(p plan.Presented) challenge.Challenge {
	name, wildcard := strings.CutPrefix(p.Name, "*.")
	_, err := netip.ParseAddr(name)
	return challenge.Challenge{
		Type: p.Type, Identifier: challenge.Identifier{Value: name, IP: err == nil, Wildcard: wildcard},
		Token: p.Token, KeyAuthorization: p.KeyAuthorization,
	}
}

// remember stores an answer that outlives the process before it is made. A
// crash after it leaves a note of something that may not be there; taking it
// away changes nothing then.
func (w *worker) remember(ctx context.Context, s challenge.Solver, c challenge.Challenge) error {
	if _, lasting := s.(challenge.Lasting); !lasting {
		return nil
	}
	p := presented(c)
	w.gone.back(p)
	p.At = time.Now()
	err := w.engine.Store.UpdateCert(ctx, w.want.Name, func(k *plan.KnownCert) error {
		k.Name = w.want.Name
		k.Present(p)
		return nil
	})
	if err != nil {
		fault, _ := faultOf(err) // of the disk, not of the challenge
		fault.Words = "store what is about to be presented: " + fault.Words
		return &FaultError{Fault: fault, Err: err}
	}
	return nil
}

// noted stores what has to be known to take an answer away.
func (w *worker) noted(ctx context.Context, s challenge.Solver, c challenge.Challenge) error {
	n, ok := s.(challenge.Noted)
	if !ok || n.Note(c) == "" {
		return nil
	}
	err := w.engine.Store.UpdateCert(context.WithoutCancel(ctx), w.want.Name, func(k *plan.KnownCert) error {
		k.Noted(presented(c), n.Note(c))
		return nil
	})
	if err != nil {
		fault, _ := faultOf(err)
		fault.Words = "store how to take the answer away: " + fault.Words
		return &FaultError{Fault: fault, Err: err}
	}
	return nil
}

// recall tells a solver of an answer that a run before this one left.
func (w *worker) recall(s challenge.Solver, c challenge.Challenge) {
	n, ok := s.(challenge.Noted)
	p := presented(c)
	if !ok || w.gone.has(p) {
		return
	}
	for _, left := range w.known.Presented {
		if note := left.Note; challengeOf(left) == c {
			n.Recall(c, note)
		}
	}
}

// cleanUpTime bounds one attempt to take away what was left behind.
const cleanUpTime = 2 * time.Minute

// ownTime reports whether a solver keeps to a time of its own, as the programs
// of `manual` do: they run one after the other, and may wait for DNS.
func ownTime(s challenge.Solver) bool {
	counted, ok := s.(challenge.Counted)
	return ok && counted.Counted()
}

// cleanUp takes away answers that a crash or a failure left.
func (w *worker) cleanUp(ctx context.Context, _ plan.Step) *plan.Fault {
	now := time.Now()
	gone, err := w.takeAway(ctx, w.known.Presented)
	if ctx.Err() != nil {
		return nil // interrupted: it may be done again
	}
	var fault *plan.Fault
	if err != nil {
		fault = w.fault(plan.CodeLeftBehind, err.Error(), nil)
	}
	storeErr := w.engine.Store.UpdateCert(ctx, w.want.Name, func(k *plan.KnownCert) error {
		k.TakenAway(gone)
		if fault != nil {
			k.CleanUp = k.CleanUp.Begin(now, w.roll(now, "clean-up")).Failed(time.Now(), *fault, time.Time{})
		}
		return nil
	})
	if storeErr != nil {
		return w.fault(plan.CodeDisk, "store what was taken away: "+storeErr.Error(), nil)
	}
	if fault != nil {
		w.emit(ctx, store.Event{Kind: store.EventErrored, Words: fault.Words, Fault: fault})
	}
	return fault
}

// takeAway returns which answers are gone, or cannot be taken away by any rule
// of the config as it is now. The error is the first of the others'.
func (w *worker) takeAway(ctx context.Context, left []plan.Presented) (gone []plan.Presented, err error) {
	bounded, cancel := context.WithTimeout(ctx, cleanUpTime)
	defer cancel()
	failures := 0
	for _, p := range left {
		c := challengeOf(p)
		known := false
		var failed error
		for _, s := range w.solvers(c.Identifier) {
			if s.Type() == c.Type {
				known = true
				within := bounded
				if ownTime(s) {
					within = ctx
				}
				failed = errors.Join(failed, s.CleanUp(within, c))
			}
		}
		switch {
		case !known:
			w.engine.Log.Warn("an answer to a challenge stays where it is: the config says no more how it was made", "certificate", w.want.Name, "type", p.Type, "name", p.Name)
		case failed != nil && !w.gone.has(p): // else a hook alone failed
			if failures++; err == nil {
				err = failed
			}
			continue
		}
		gone = append(gone, p)
	}
	if failures > 1 {
		err = fmt.Errorf("%w (and %d more)", err, failures-1)
	}
	return gone, err
}
