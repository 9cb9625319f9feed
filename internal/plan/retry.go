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

// WaitsUntil is the earliest instant of the next attempt. An attempt that
// began and never reported was killed: the first such one is made up for at
// once. An instant written under a clock that has since been set back binds
// nobody.
func (t Tries) WaitsUntil(now time.Time) time.Time {
	if t.fromTheFuture(now) || (t.Open && t.Crashed == 0) {
		return time.Time{}
	}
	return t.NotBefore
}

func (t Tries) fromTheFuture(now time.Time) bool { return t.Last.After(now.Add(time.Minute)) }

// Begin counts an attempt before it is made. Should the process die before
// End is stored, the attempt counts as a failure.
func (t Tries) Begin(now time.Time, jitter float64) Tries {
	if t.Open {
		t.Crashed++
	}
	t.Count++
	t.Last, t.Open = now, true
	t.NotBefore = now.Add(Backoff(t.Count, jitter))
	t.Imposed = time.Time{}
	return t
}

// Failed reports how an attempt that began ended. A CA's Retry-After, if
// later, replaces our own backoff and binds asks too.
func (t Tries) Failed(now time.Time, fault Fault, retryAfter time.Time) Tries {
	t.Open, t.Crashed = false, 0
	t.Fault = &fault
	if retryAfter.After(t.NotBefore) {
		t.NotBefore = retryAfter
	}
	if retryAfter.After(now) {
		t.Imposed = retryAfter
	}
	return t
}

// WaitsUntil is when a CA may be asked again.
func (k KnownIssuer) WaitsUntil(now time.Time) time.Time {
	if k.At.After(now.Add(time.Minute)) {
		return time.Time{} // written under a clock that was ahead
	}
	return k.NotBefore
}

// guardSpan and guardLimit bound automatic issues of one set of names, so
// that no defect of ours or the CA's spends the week's limits.
const (
	guardSpan  = 7 * 24 * time.Hour
	guardLimit = 3
)

// guard reports whether the guard holds an issue back, and until when.
func (d *decision) guard(keyType string) (time.Time, bool) {
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
	interval := lifetime - renewBefore(Pair{NotAfter: time.Time{}.Add(lifetime)}, RenewPolicy{})
	if interval < time.Second {
		interval = time.Second
	}
	return max(guardLimit, 2*int((guardSpan+interval-1)/interval))
}

func failures(n int) string {
	if n == 1 {
		return "a failure"
	}
	return fmt.Sprintf("%d failures", n)
}
