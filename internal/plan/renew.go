package plan

import (
	"fmt"
	"time"
)

// shortLived is the lifetime below which half of it, not a third, is left
// for renewal: the advice of CAs that offer six-day certificates.
const shortLived = 10 * 24 * time.Hour

// RenewAt says when a pair is renewed, and why then: at the instant chosen
// inside the CA's window where there is usable advice, else when the policy's
// share of its life is left. It never waits past the end.
func RenewAt(p Pair, advice *Advice, policy RenewPolicy) (time.Time, Reason) {
	own := p.NotAfter.Add(-renewBefore(p.Lifetime(), policy))
	if policy.ARI && advice != nil && advice.Usable(p) && advice.At.Before(lastMoment(p, own)) {
		words := "the CA's window " + window(advice.Start, advice.End)
		if advice.URL != "" {
			words += ", see " + advice.URL
		}
		return advice.At, Reason{ReasonAdvice, words}
	}
	return own, Reason{ReasonWindow, fmt.Sprintf("valid until %s, renewed %s before", day(p.NotAfter), span(p.NotAfter.Sub(own)))}
}

// renewBefore is how long before its end a pair is renewed without advice. A
// policy that leaves no life at all, as thirty days do for a certificate of
// six, would renew for ever; the default takes its place.
func renewBefore(life time.Duration, policy RenewPolicy) time.Duration {
	if before := policy.Before.Of(life); before > 0 && before < life {
		return before
	}
	share := Span{Percent: 33}
	if life < shortLived {
		share = Span{Percent: 50}
	}
	return max(0, share.Of(life))
}

// lastMoment is the latest instant that advice may choose: with a tenth of
// the life left there is still time to fail and try again.
func lastMoment(p Pair, own time.Time) time.Time {
	last := p.NotAfter.Add(-p.Lifetime() / 10)
	if last.Before(own) {
		return own
	}
	return last
}

// Usable reports whether advice speaks of this certificate and says anything.
// A window that ends before it begins is none (RFC 9773 section 4.2), and one
// as wide as the whole life says nothing.
func (a Advice) Usable(p Pair) bool {
	return a.CertID != "" && a.CertID == p.CertID && a.End.After(a.Start) && a.End.Sub(a.Start) < p.Lifetime() &&
		!a.At.Before(a.Start) && !a.At.After(a.End)
}

// advised returns the stored advice about pair, if any.
func (d *decision) advised(p Pair) *Advice {
	if a, ok := d.known.Advice[p.KeyType]; ok && a.CertID == p.CertID {
		return &a
	}
	return nil
}

func day(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 MST") }

func window(a, b time.Time) string { return day(a) + " to " + day(b) }

// span renders a duration as a person would say it.
func span(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%d days", d/(24*time.Hour))
	case d >= 2*time.Hour:
		return fmt.Sprintf("%d hours", d/time.Hour)
	case d >= 2*time.Minute:
		return fmt.Sprintf("%d minutes", d/time.Minute)
	default:
		return fmt.Sprintf("%d seconds", d/time.Second)
	}
}
