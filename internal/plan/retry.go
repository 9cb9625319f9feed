package plan

import (
	"fmt"
	"slices"
	"time"
)

// Backoff is how long to wait after the n-th failure in a row: 1, 10 and 100
// minutes, then a day. Jitter in [0,1) stretches it by up to a fifth; whoever
// rolls the dice stores the instant that comes out.
func Backoff(n int, jitter float64) time.Duration {
	var wait time.Duration
	switch {
	case n <= 0:
		return 0
	case n == 1:
		wait = time.Minute
	case n == 2:
		wait = 10 * time.Minute
	case n == 3:
		wait = 100 * time.Minute
	default:
		wait = 24 * time.Hour
	}
	return wait + time.Duration(float64(wait)*jitter/5)
}

// WaitsUntil is the earliest instant of the next attempt, by our own backoff
// and by what a CA imposed. An instant written under a clock that has since
// been set back binds nobody.
func (t Tries) WaitsUntil(now time.Time) time.Time {
	if t.fromTheFuture(now) {
		return time.Time{}
	}
	return later(t.ownWait(now), t.Imposed)
}

// ownWait is our own backoff. An attempt that began and never reported was
// killed: the first such one is made up for at once.
func (t Tries) ownWait(now time.Time) time.Time {
	if t.fromTheFuture(now) || (t.Open && t.Crashed == 0) {
		return time.Time{}
	}
	return t.NotBefore
}

// imposed is until when an issuer wants to be left alone by these attempts.
func (t Tries) imposed(issuer string, now time.Time) time.Time {
	if t.fromTheFuture(now) || (t.ImposedBy != "" && t.ImposedBy != issuer) {
		return time.Time{}
	}
	return t.Imposed
}

func (t Tries) fromTheFuture(now time.Time) bool { return ahead(t.Last, now) || ahead(t.Ended, now) }

// anotherMay reports whether another CA may do what the last one did not: the
// failure was that one's, or its network's, or it speaks of that CA alone, such
// as a CAA record, an account, or names that it does not sign. What is wrong
// with the names themselves no other CA mends.
func (t Tries) anotherMay() bool {
	if t.Fault == nil {
		return false
	}
	switch t.Fault.Code {
	case CodeNotProven, CodeCAA, CodeTerms, CodeEAB, CodeAccount, CodeProfile, CodeRejected:
		return true
	}
	return t.Fault.Blame == BlameCA || t.Fault.Blame == BlameNetwork
}

// Begin counts an attempt before it is made. Should the process die before
// Failed or success is stored, the attempt counts as a failure. What another
// CA imposed stays in force.
func (t Tries) Begin(now time.Time, jitter float64) Tries {
	if t.Open {
		t.Crashed++
	}
	if t.fromTheFuture(now) || !t.Imposed.After(now) {
		t.Imposed, t.ImposedBy = time.Time{}, ""
	}
	t.Count++
	t.Last, t.Ended, t.Open = now, time.Time{}, true
	t.NotBefore = now.Add(Backoff(t.Count, jitter))
	return t
}

// Failed reports how an attempt that began ended. Our own backoff, rolled when
// it began, runs from now: an attempt that took long is not repeated at once.
// A CA's Retry-After binds asks too, at t.Issuer; where two CAs ask to wait,
// the later instant binds all, which is simple and never too early.
func (t Tries) Failed(now time.Time, fault Fault, retryAfter time.Time) Tries {
	if wait := t.NotBefore.Sub(t.Last); t.Open && wait > 0 {
		t.NotBefore = now.Add(wait)
	}
	if t.Last.After(now) {
		t.Last = now // the clock was set back meanwhile; what is stored now counts
	}
	t.Open, t.Crashed, t.Ended = false, 0, now
	t.Fault = &fault
	if !retryAfter.After(now) {
		return t
	}
	if t.Imposed.After(now) && t.ImposedBy != t.Issuer {
		t.Imposed, t.ImposedBy = later(t.Imposed, retryAfter), ""
	} else {
		t.Imposed, t.ImposedBy = retryAfter, t.Issuer
	}
	return t
}

// Succeeded is what is left of the failures once an issuer has issued: that
// another one asked to wait.
func (t Tries) Succeeded(now time.Time, issuer string) Tries {
	if t.fromTheFuture(now) || !t.Imposed.After(now) || t.ImposedBy == issuer || t.ImposedBy == "" {
		return Tries{}
	}
	return Tries{Last: t.Last, Ended: now, Imposed: t.Imposed, ImposedBy: t.ImposedBy}
}

// WaitsUntil is when a CA may be asked again.
func (k KnownIssuer) WaitsUntil(now time.Time) time.Time {
	if ahead(k.At, now) {
		return time.Time{} // written under a clock that was ahead
	}
	return k.NotBefore
}

// Paused takes note that a CA wants to be left alone until an instant. What it
// wanted before stays in force, unless it was written under a clock that was
// ahead: then it says nothing.
func (k KnownIssuer) Paused(now, until time.Time, fault Fault) KnownIssuer {
	k.NotBefore, k.At, k.Fault = later(k.WaitsUntil(now), until), now, &fault
	return k
}

// guardSpan and guardLimit bound automatic issues of one set of names, so
// that no defect of ours or the CA's spends the week's limits.
const (
	guardSpan  = 7 * 24 * time.Hour
	guardLimit = 3
)

// guard reports whether the guard holds an issue back, and until when.
func (d *decision) guard(keyType string) (time.Time, bool) {
	if len(d.known.Issued) == 0 {
		return time.Time{}, false
	}
	names := Sorted(d.want.Names)
	var recent []Issued
	for _, i := range d.known.Issued {
		age := d.now.Sub(i.At)
		if i.KeyType == keyType && slices.Equal(i.Names, names) && age < guardSpan && age > -guardSpan {
			recent = append(recent, i)
		}
	}
	if len(recent) == 0 {
		return time.Time{}, false
	}
	// A clock that was set back leaves them out of order.
	slices.SortFunc(recent, func(a, b Issued) int { return a.At.Compare(b.At) })
	limit := GuardLimit(recent[len(recent)-1].Lifetime)
	if len(recent) < limit {
		return time.Time{}, false
	}
	return recent[len(recent)-limit].At.Add(guardSpan), true
}

// GuardLimit is how many automatic issues of one set of names are allowed in
// 7 days: three, or twice what certificates of such a life need.
func GuardLimit(lifetime time.Duration) int {
	if lifetime <= 0 {
		return guardLimit
	}
	interval := max(time.Second, lifetime-renewBefore(lifetime, RenewPolicy{}))
	return max(guardLimit, 2*int((guardSpan+interval-1)/interval))
}

func failures(n int) string {
	if n == 1 {
		return "a failure"
	}
	return fmt.Sprintf("%d failures", n)
}
