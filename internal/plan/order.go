package plan

import (
	"fmt"
	"slices"
	"time"
)

// need is a pair that is to be issued.
type need struct {
	keyType string
	at      time.Time
	reason  Reason
	key     string // to issue it on; "": a new one
	rolled  bool   // for a rollover: it waits for the switch of keys
}

// order adds the step that opens, or goes on with, an order for keyType.
func (d *decision) order(n need) {
	keyType, at, reason := n.keyType, n.at, n.reason
	tries := d.tries(keyType)
	skips := d.skipsBackoff(tries)
	step := Step{Kind: KindIssue, KeyType: keyType, At: at, Reason: reason, Urgent: d.urgent, Issuer: d.issuer(tries), Key: n.key, Rolled: n.rolled}
	step.Asked = reason.Code == ReasonAsked || replaces(reason.Code) || d.asked(AskApply, tries.Last)
	if n.rolled && d.keys.Rolling.Asked {
		step.Asked, skips = true, skips || d.keys.Rolling.At.After(tries.Last)
	}
	if o, ok := d.open(n, tries); ok && !at.After(d.now) {
		step.Kind, step.Issuer = KindResume, o.Issuer
		step.Reason = Reason{ReasonOrder, "an order is open: " + reason.Words}
	}
	if wait := d.shortened(tries); wait.After(step.At) && !skips {
		step.At = wait
		step.Reason.Words += fmt.Sprintf("; waits after %s", failures(tries.Count))
	}
	if step.Kind == KindIssue && !step.Asked {
		if free, guarded := d.guard(keyType); guarded && free.After(step.At) {
			step.At = free
			step.Reason.Words += "; waits: too many issues of these names within 7 days"
		}
	}
	if d.waitsForAsk(n, step) {
		return
	}
	if step.Kind == KindIssue {
		d.maintain(&step, d.current)
	}
	// A CA's Retry-After binds people too.
	if wait := d.barredFor(step, tries); wait.After(step.At) {
		step.At = wait
		step.Reason.Words += d.waitWords(step.Issuer, tries)
	}
	d.withinLimits(&step, tries)
	d.add(step)
}

// shortened is our own backoff, cut to a tenth of the life of what is served: a
// certificate of six days must not end while we wait for tomorrow.
func (d *decision) shortened(t Tries) time.Time {
	wait := t.ownWait(d.now)
	if d.mended(t) {
		return time.Time{}
	}
	if !d.has || wait.IsZero() {
		return wait
	}
	for _, p := range d.current.Serving(d.want.KeyTypes).Pairs {
		if limit := later(t.Last, t.Ended).Add(p.Lifetime() / 10); limit.Before(wait) {
			wait = limit
		}
	}
	return wait
}

// tries are the attempts that count for what is wanted now.
func (d *decision) tries(keyType string) Tries { return d.known.Tries[keyType].For(d.want) }

// For are the attempts as far as they count for what is wanted. A request, or
// a way to prove the names, that has changed since starts afresh; what a CA
// imposed stays.
func (t Tries) For(want WantedCert) Tries {
	same := t.Request == nil || want.asks(*t.Request)
	if same && (t.Proof == "" || t.Proof == want.Proof) {
		return t
	}
	return Tries{Last: t.Last, Ended: t.Ended, Imposed: t.Imposed, ImposedBy: t.ImposedBy}
}

// open is the order to go on with: the one under way, or one that was put
// aside at the CA that is to be asked now.
func (d *decision) open(n need, t Tries) (Order, bool) {
	if o, ok := d.known.Orders[n.keyType]; ok && d.resumable(n, o, t) {
		return o, true
	}
	o, ok := d.known.OrderAt(n.keyType, d.issuer(t))
	return o, ok && d.resumable(n, o, t)
}

// resumable reports whether an order is still about what is wanted, and its
// CA still the one to ask: an order at a CA that fails again and again must
// not keep the certificate from the next one.
func (d *decision) resumable(n need, o Order, t Tries) bool {
	return d.wantsStill(n, o, t) && (t.Count < failoverAfter || !t.anotherMay() || o.Issuer == d.issuer(t))
}

// wantsStill reports whether an order is still about what is wanted.
func (d *decision) wantsStill(n need, o Order, t Tries) bool {
	if !slices.Contains(d.want.Issuers, o.Issuer) || o.URL == "" || d.banned(o.Key) || !d.want.asks(o.Request) || !n.on(o) {
		return false
	}
	if !o.Expires.IsZero() && !o.Expires.After(d.now) {
		return false
	}
	id := d.chosen(t)
	return id == "" || id == o.Issuer
}

// failoverAfter is how many failures in a row move on to the next issuer. From
// then on each further one does: the waits are long by then, and a CA that is
// down for weeks must not take every other day from one that is up.
const failoverAfter = 3

// issuer picks whom to ask: the first listed one that does not ask us to
// wait, and where all do, the one that is free first. Failures that were not
// ours move on to the next.
func (d *decision) issuer(t Tries) string {
	n := len(d.want.Issuers)
	if n == 0 {
		return ""
	}
	if id := d.chosen(t); id != "" {
		return id
	}
	first := 0
	if t.anotherMay() && t.Count >= failoverAfter {
		first = (t.Count - failoverAfter + 1) % n
	}
	best, bestFree := "", time.Time{}
	for i := range n {
		id := d.want.Issuers[(first+i)%n]
		free := d.barred(id, t)
		if !free.After(d.now) {
			return id
		}
		if best == "" || free.Before(bestFree) {
			best, bestFree = id, free
		}
	}
	return best
}

// barred is until when an issuer does not want to be asked for this
// certificate; not after now when it may be asked.
func (d *decision) barred(issuer string, t Tries) time.Time {
	known := d.world.Known.Issuers[issuer]
	return later(later(known.WaitsUntil(d.now), known.Breaker.waits(d.now, false)), t.imposed(issuer, d.now))
}

// barredFor is barred for an order: one that a person asked for may try a CA
// that does not work.
func (d *decision) barredFor(s Step, t Tries) time.Time {
	known := d.world.Known.Issuers[s.Issuer]
	return later(later(known.WaitsUntil(d.now), known.Breaker.waits(d.now, s.Asked)), t.imposed(s.Issuer, d.now))
}

// on reports whether an order is made with the key that is needed.
func (n need) on(o Order) bool {
	if n.key == "" {
		return o.Keys == "" // a key that others share is none of its own
	}
	return o.Key == n.key
}
