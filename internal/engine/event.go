package engine

import (
	"context"
	"errors"
	"time"

	"github.com/certkeep/certkeep/internal/challenge"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/store"
)

// emit records that something happened: in the history, the log, for whoever
// watches. Hooks for it run as steps of their own.
func (w *worker) emit(ctx context.Context, ev store.Event) {
	ev.Cert = w.want.Name
	w.emitted.Store(true)
	if ev.Fault != nil { // only the worker's own goroutine tells of one
		w.told = true
	}
	w.engine.emit(ctx, ev)
}

func (e *Engine) emit(ctx context.Context, ev store.Event) {
	if ev.Time.IsZero() {
		ev.Time = time.Now()
	}
	if err := e.Store.Append(ctx, ev); err != nil {
		e.Log.Error("cannot append to the history", "certificate", ev.Cert, "error", err)
	}
	args := []any{"certificate", ev.Cert}
	for _, a := range []struct{ key, value string }{{"target", ev.Target}, {"key_type", ev.KeyType}, {"version", ev.Version}, {"issuer", ev.Issuer}} {
		if a.value != "" {
			args = append(args, a.key, a.value)
		}
	}
	if ev.Fault != nil {
		e.Log.Error(ev.Words, append(args, "event", string(ev.Kind), "code", string(ev.Fault.Code), "detail", ev.Detail, "remedy", ev.Fault.Code.Remedy())...)
	} else {
		e.Log.Info(ev.Words, append(args, "event", string(ev.Kind))...)
	}
	e.hear(ev)
	e.Watch(Progress{Time: ev.Time, Cert: ev.Cert, Event: &ev})
}

// stage tells whoever watches where the current step stands.
func (w *worker) stage(words string) {
	step := w.step
	w.engine.Watch(Progress{Time: time.Now(), Cert: w.want.Name, Step: &step, Stage: words})
}

// announced is a solver whose work is seen in the history.
type announced struct {
	challenge.Solver
	worker *worker
}

// announce wraps a solver, keeping which optional interfaces it has.
func (w *worker) announce(s challenge.Solver) challenge.Solver {
	a := announced{Solver: s, worker: w}
	switch s := s.(type) {
	case challenge.Waiter:
		return &announcedWaiter{announced: a, waiter: s}
	case challenge.Asker:
		return &announcedAsker{announced: a, Asker: s}
	}
	return &a
}

// Present makes the answer visible and tells of it. A challenge-setup hook
// runs after it, so that it may carry the answer further.
func (a *announced) Present(ctx context.Context, c challenge.Challenge) error {
	if err := a.worker.remember(ctx, a.Solver, c); err != nil {
		return err
	}
	err := errors.Join(a.Solver.Present(ctx, c), a.worker.noted(ctx, a.Solver, c))
	if err != nil {
		return err
	}
	a.worker.emit(ctx, store.Event{Kind: store.EventChallengeSetup, Words: "ready to answer " + c.Type + " for " + c.Identifier.String()})
	err = a.worker.challengeHook(ctx, store.EventChallengeSetup, c)
	if err == nil && c.Type == challenge.TypeDNS01 {
		a.worker.emit(ctx, store.Event{Kind: store.EventDNSUpdated, Words: "a TXT record for " + c.Identifier.String() + " was written"})
		err = a.worker.challengeHook(ctx, store.EventDNSUpdated, c)
	}
	if err != nil {
		return errors.Join(err, a.Solver.CleanUp(context.WithoutCancel(ctx), c))
	}
	a.worker.answerHook(ctx, store.EventChallengeSetup, c)
	a.worker.answerHook(ctx, store.EventDNSUpdated, c)
	return nil
}

// CleanUp takes the answer away again. acmebot's hooks hear of it afterwards, so
// that they may carry that further.
func (a *announced) CleanUp(ctx context.Context, c challenge.Challenge) error {
	a.worker.recall(a.Solver, c)
	hook, err := a.worker.challengeHook(ctx, store.EventChallengeCleanup, c), a.Solver.CleanUp(ctx, c)
	if err == nil {
		a.worker.gone.add(presented(c))
		ctx = context.WithoutCancel(ctx) // the hooks' own time counts
		a.worker.answerHook(ctx, store.EventChallengeCleanup, c)
		a.worker.answerHook(ctx, store.EventDNSUpdated, c)
	}
	return errors.Join(hook, err)
}

// Counted implements challenge.Counted.
func (a *announced) Counted() bool {
	counted, ok := a.Solver.(challenge.Counted)
	return ok && counted.Counted()
}

// announcedWaiter tells that an answer needs time to be seen.
type announcedWaiter struct {
	announced
	waiter challenge.Waiter
}

// Wait implements challenge.Waiter.
func (a *announcedWaiter) Wait(ctx context.Context, c challenge.Challenge) error {
	a.worker.stage("waiting for " + c.Type + " of " + c.Identifier.String() + " to be seen")
	return a.waiter.Wait(ctx, c)
}

// announcedAsker passes on when the CA asked.
type announcedAsker struct {
	announced
	challenge.Asker
}

// answer drops asks that are answered.
func (w *worker) answer(ctx context.Context, s plan.Step) *plan.Fault {
	err := w.engine.Store.UpdateCert(ctx, w.want.Name, func(k *plan.KnownCert) error {
		for _, kind := range s.Drop {
			if plan.AskKind(kind) == plan.AskRelease {
				k.Held = false
			}
			delete(k.Asks, plan.AskKind(kind))
		}
		return nil
	})
	if err != nil {
		return w.fault(plan.CodeDisk, "drop answered asks: "+err.Error(), nil)
	}
	return nil
}
