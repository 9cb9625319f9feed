package engine

import (
	"context"
	"errors"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/store"
)

// begin counts the attempt before it is made, and remembers which key it is
// made with. A crash after it leaves an attempt that came to nothing.
func (w *worker) begin(ctx context.Context, s plan.Step) (plan.Order, error) {
	now := time.Now()
	jitter := w.roll(now, "issue "+s.KeyType)
	var order plan.Order
	err := w.engine.Store.UpdateCert(ctx, w.want.Name, func(k *plan.KnownCert) error {
		order = w.orderFor(k, s, now)
		tries := k.Tries[s.KeyType].For(w.want).Begin(now, jitter)
		tries.Issuer, tries.Request, tries.Proof = order.Issuer, &order.Request, w.want.Proof
		k.Tried(s.KeyType, tries)
		k.Begin(s.KeyType, order)
		return nil
	})
	return order, err
}

// orderFor is the saved order where the step resumes it; a fresh one
// otherwise, which takes over the key of an order that never reached the CA.
func (w *worker) orderFor(k *plan.KnownCert, s plan.Step, now time.Time) plan.Order {
	if open, ok := k.OrderAt(s.KeyType, s.Issuer); ok && s.Kind == plan.KindResume {
		return open
	}
	saved, ok := k.Orders[s.KeyType]
	order := plan.Order{Issuer: s.Issuer, Spent: w.asking.spent, SpentAt: w.asking.taken, Key: s.Key, Keys: w.want.Keys, Request: w.want.Request(), Created: now, Reason: s.Reason}
	if ok && saved.URL == "" && w.want.CSR == "" && order.Keys == "" && saved.Keys == "" && w.refuseBanned(saved.Key) == nil {
		order.Key = saved.Key
	}
	order.Replaces = k.Replaces(s.KeyType, s.Issuer) // RFC 9773 section 5
	return order
}

// failed stores how an attempt ended and returns it as a fault.
func (w *worker) failed(ctx context.Context, s plan.Step, order plan.Order, err error) *plan.Fault {
	ctx = context.WithoutCancel(ctx)
	fault, retryAfter := faultOf(err)
	if errors.Is(err, context.Canceled) {
		return w.interrupted(ctx, s, fault)
	}
	storeErr := w.engine.Store.UpdateCert(ctx, w.want.Name, func(k *plan.KnownCert) error {
		k.TakenAway(w.gone.list())
		tries := k.Tries[s.KeyType]
		if !tries.Open {
			return nil // it was published, and only the answer of that write was lost
		}
		k.Tries[s.KeyType] = tries.Failed(time.Now(), fault, retryAfter)
		k.NamesFailed(namesOf(order, err))
		if saved := k.Orders[s.KeyType]; orderEnded(err) {
			delete(k.Orders, s.KeyType)
		} else if saved.URL == "" && w.givesBack(s, err) {
			saved.Spent, saved.SpentAt = nil, time.Time{} // once: see plan.World.Unsent
			k.Orders[s.KeyType] = saved
		}
		return nil
	})
	if storeErr != nil {
		w.engine.Log.Error("cannot store how the attempt ended; it counts as one that was killed", "certificate", w.want.Name, "error", storeErr)
	}
	w.engine.pause(ctx, order.Issuer, err)
	w.settleLimits(ctx, s, order, err)
	w.emit(ctx, store.Event{Kind: store.EventErrored, KeyType: s.KeyType, Issuer: order.Issuer, Words: fault.Words, Detail: fault.Detail, Fault: &fault})
	if v, ok := w.known.Version(w.known.Published); ok && plan.WarnAt(v.Serving(w.want.KeyTypes), w.want.Warn).Before(time.Now()) {
		w.emit(ctx, store.Event{Kind: store.EventExpiring, KeyType: s.KeyType, Version: v.ID, Words: "it ends on " + v.NotAfter().UTC().Format(time.RFC3339) + " and could not be renewed"})
	}
	w.queueHooks(ctx, store.EventErrored) // that it ends soon is told daily, whether or not an order fails
	return &fault
}

// interrupted takes back the count of an attempt that a person or the system
// ended in an orderly way: it was no failure, and its order goes on later.
func (w *worker) interrupted(ctx context.Context, s plan.Step, fault plan.Fault) *plan.Fault {
	err := w.engine.Store.UpdateCert(ctx, w.want.Name, func(k *plan.KnownCert) error {
		k.TakenAway(w.gone.list())
		tries := k.Tries[s.KeyType]
		if !tries.Open {
			return nil // see failed
		}
		tries.Count--
		tries.Open, tries.NotBefore = false, time.Time{}
		if tries.Count <= 0 && !tries.Imposed.After(time.Now()) {
			delete(k.Tries, s.KeyType)
			return nil
		}
		k.Tries[s.KeyType] = tries
		return nil
	})
	if err != nil {
		w.engine.Log.Error("cannot store that the attempt was interrupted", "certificate", w.want.Name, "error", err)
	}
	return &fault
}
