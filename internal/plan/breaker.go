package plan

import (
	"fmt"
	"time"
)

// breakerAfter is how many failures in a row, none of them ours, say that a CA
// as a whole does not work. From then on one order at a time tries it.
const breakerAfter = 3

// probeLease is how long an order that tries a CA holds all others back. One
// that is killed leaves the lease behind, and the next one waits it out.
const probeLease = 10 * time.Minute

// Breaker is what is remembered of a CA that does not work: while it is open,
// orders do not go there, but for one at a time that tries whether it works
// again. The zero Breaker is closed, and nothing has failed.
type Breaker struct {
	Failures int       `json:"failures"`         // in a row
	Cert     string    `json:"certificate"`      // whose failure was counted last
	At       time.Time `json:"at"`               // when that was
	Since    time.Time `json:"since,omitzero"`   // when it opened; zero while it is closed
	Next     time.Time `json:"next,omitzero"`    // when the CA is tried again
	Probing  time.Time `json:"probing,omitzero"` // until when an order that tries it may be under way
	Worked   time.Time `json:"worked,omitzero"`  // when it was last closed: the CA was found to work again
	Fault    *Fault    `json:"fault,omitempty"`  // of the last failure
	Orders   bool      `json:"orders,omitempty"` // the CA answers, and what it does to orders is wrong
}

// probeMost is how long a CA is left alone at most between two attempts.
const probeMost = time.Hour

// probeWait is how long to leave a CA alone after the n-th failure in a row: a
// minute, then ever twice as long, up to an hour.
func probeWait(n int) time.Duration {
	wait := time.Minute
	for range min(max(0, n-breakerAfter), 10) {
		wait *= 2
	}
	return min(wait, probeMost)
}

// open reports whether the breaker is open. One that opened under a clock that
// was ahead says nothing.
func (b Breaker) open(now time.Time) bool { return !b.Since.IsZero() && !ahead(b.At, now) }

// waits is until when no order may try the CA. Whom a person asked for waits
// for nobody but the one that is trying it.
func (b Breaker) waits(now time.Time, asked bool) time.Time {
	switch {
	case !b.open(now):
		return time.Time{}
	case b.Probing.After(now) && !b.Probing.After(now.Add(probeLease)):
		return b.Probing
	case asked, ahead(b.Next, now.Add(probeMost)): // the latter was set under a clock that was ahead
		return time.Time{}
	}
	return b.Next
}

// Trouble reports whether a failure may be one of the CA as a whole, rather
// than of the one certificate: it was not reached, or answered nonsense.
func (f Fault) Trouble() bool {
	switch f.Code {
	case CodeNetwork:
		return f.Blame == BlameNetwork
	case CodeCAError, CodeCAGarbage:
		return f.Blame == BlameCA || f.Blame == BlameNetwork
	}
	return false
}

// Admit asks whether an order may go to the CA now. Where the breaker is open
// one is let through at a time, to try the CA: then probe is set, and what is
// known afterwards has to be stored before the CA is asked.
func (k KnownIssuer) Admit(now time.Time, asked bool) (after KnownIssuer, admitted, probe bool) {
	switch {
	case k.WaitsUntil(now).After(now), k.Breaker.waits(now, asked).After(now):
		return k, false, false
	case !k.Breaker.open(now):
		return k, true, false
	}
	k.Breaker.Probing = now.Add(probeLease)
	return k, true, true
}

// Troubled counts a failure that was the CA's as a whole. Orders that were
// under way when the breaker opened tell nothing new; nor does one certificate
// that a CA answers badly again and again: that may be about it alone.
func (k KnownIssuer) Troubled(now time.Time, cert string, fault Fault, probe bool) KnownIssuer {
	b := k.Breaker
	if ahead(b.At, now) {
		b = Breaker{Worked: b.Worked}
	}
	switch open := b.open(now); {
	case open && !probe:
		return k
	case !open && b.Failures > 0 && b.Cert == cert && fault.Blame != BlameNetwork:
		return k
	}
	b.Failures++
	b.Cert, b.At, b.Fault, b.Probing = cert, now, &fault, time.Time{}
	b.Orders = fault.Blame != BlameNetwork
	if b.Failures >= breakerAfter {
		if b.Since.IsZero() {
			b.Since = now
		}
		b.Next = now.Add(probeWait(b.Failures))
	}
	k.Breaker = b
	return k
}

// Worked takes note that the CA does what it should.
func (k KnownIssuer) Worked(now time.Time) KnownIssuer {
	switch b := k.Breaker; {
	case !b.Since.IsZero():
		k.Breaker = Breaker{Worked: now}
	case b.Failures > 0:
		k.Breaker = Breaker{Worked: b.Worked}
	}
	return k
}

// mended reports whether the CA that the last attempt failed at was found to
// work since, if the failure was the CA's as a whole: nobody waits any longer.
func (d *decision) mended(t Tries) bool {
	b := d.world.Known.Issuers[t.Issuer].Breaker
	return t.Fault != nil && t.Fault.Trouble() && !t.Open && b.Worked.After(t.Ended) && !ahead(b.Worked, d.now)
}

// Unprobed takes note that an order which was to try the CA came to an end
// that says nothing of it.
func (k KnownIssuer) Unprobed(now time.Time) KnownIssuer {
	if k.Breaker.open(now) {
		k.Breaker.Probing, k.Breaker.Next = time.Time{}, now.Add(probeWait(k.Breaker.Failures))
	}
	return k
}

// mute is until when a CA is not asked for anything, orders or not: because it
// asked for that, or because it could not be reached.
func (k KnownIssuer) mute(now time.Time) time.Time {
	if k.Breaker.Orders {
		return k.WaitsUntil(now)
	}
	return later(k.WaitsUntil(now), k.Breaker.waits(now, false))
}

// waitWords says why an issuer is not asked before an instant.
func (d *decision) waitWords(issuer string, t Tries) string {
	known := d.world.Known.Issuers[issuer]
	asked := later(known.WaitsUntil(d.now), t.imposed(issuer, d.now))
	if b := known.Breaker; b.waits(d.now, false).After(asked) {
		return fmt.Sprintf("; %s does not work since %s and is tried by one order at a time", issuer, day(b.Since))
	}
	return fmt.Sprintf("; %s asked to wait", issuer)
}

// troubled tells of a CA that does not work, where a certificate waits for it
// that has not asked it yet.
func (d *diagnosis) troubled(step Step, t Tries) {
	b := d.world.Known.Issuers[step.Issuer].Breaker
	if t.Count > 0 || b.Fault == nil || !b.open(d.now) || !step.At.After(d.now) {
		return
	}
	d.add(b.Fault.Code, "", fmt.Sprintf("it waits for %s, which does not work since %s: %s", step.Issuer, day(b.Since), b.Fault.Words), b.Fault.Detail, b.Since)
}
