package fakeca_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/certkeep/certkeep/internal/issuer"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/sim/fakeca"
)

// wantLimited orders names and expects to be told to wait that long.
func (w *world) wantLimited(a issuer.Account, wait time.Duration, names ...string) {
	w.t.Helper()
	signed := len(w.ca.Issuances())
	_, err := w.issue(a, names...)
	e := failure(w.t, err)
	if e.Code != plan.CodeRateLimited || e.Status != 429 || (e.RetryAfter-wait).Abs() > time.Second {
		w.t.Errorf("%v (status %d), retry after %s; want %s after %s", e, e.Status, e.RetryAfter, plan.CodeRateLimited, wait)
	}
	if got := len(w.ca.Issuances()); got != signed {
		w.t.Errorf("%d certificates were signed", got-signed)
	}
}

func TestLimits(t *testing.T) {
	for _, test := range []struct {
		name   string
		limits fakeca.Limits
		names  [3]string // the first two are had, a day apart; the third is too much
		wait   time.Duration
		free   string // not concerned
	}{
		{
			"same names, window",
			fakeca.Limits{Sliding: true, SameNames: 2, SameNamesPer: 7 * day},
			[3]string{"a.example", "a.example", "a.example"},
			6 * day, "b.example",
		},
		{
			"same names, bucket",
			fakeca.Limits{SameNames: 2, SameNamesPer: 7 * day},
			[3]string{"a.example", "a.example", "a.example"},
			5 * day / 2, "b.example",
		},
		{
			"domain, window",
			fakeca.Limits{Sliding: true, Domain: 2, DomainPer: 7 * day},
			[3]string{"a.b.example", "b.example", "c.b.example"},
			6 * day, "a.example",
		},
		{
			"domain, bucket",
			fakeca.Limits{Domain: 2, DomainPer: 7 * day},
			[3]string{"a.b.example", "b.example", "c.b.example"},
			5 * day / 2, "a.example",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, func(o *fakeca.Options) { o.Limits = test.limits })
				a := w.register()
				for _, name := range test.names[:2] {
					w.mustIssue(a, name)
					time.Sleep(day)
				}
				w.wantLimited(a, test.wait-day, test.names[2])
				w.mustIssue(a, test.free)
				w.wantBreaches(0)
				time.Sleep(time.Hour)
				w.wantLimited(a, test.wait-day-time.Hour, test.names[2])
				w.wantBreaches(1)
				time.Sleep(test.wait - day - time.Hour)
				w.mustIssue(a, test.names[2])
				w.wantBreaches(1)
			})
		})
	}
}

// TestOrdersLimit counts the orders of one account, and not those that were
// refused or handed out again.
func TestOrdersLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *fakeca.Options) { o.Limits = fakeca.Limits{Sliding: true, Orders: 3, OrdersPer: 3 * time.Hour} })
		a, b := w.register(), w.register()
		for range 3 {
			w.abandon(a, "same.example")
		}
		w.mustIssue(a, "same.example")
		for i := range 2 {
			w.mustIssue(a, fmt.Sprintf("n%d.example", i))
		}
		for range 2 { // the second was on its way when the first was refused
			w.wantLimited(a, 3*time.Hour, "more.example")
		}
		w.wantBreaches(0)
		w.mustIssue(b, "more.example")
		time.Sleep(3 * time.Second)
		w.wantLimited(a, 3*time.Hour-3*time.Second, "other.example")
		w.wantBreaches(1)
		time.Sleep(3 * time.Hour)
		w.mustIssue(a, "more.example")
	})
}

func TestFailuresLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *fakeca.Options) { o.Limits = fakeca.Limits{Failures: 5, FailuresPer: time.Hour} })
		a := w.register()
		w.fail(errors.New("nothing there"))
		for range 5 {
			if _, err := w.issue(a, "bad.example", "good.example"); failure(t, err).Code != plan.CodeChallenge {
				t.Fatal(err)
			}
		}
		w.fail(nil)
		w.wantLimited(a, 12*time.Minute, "bad.example")
		w.mustIssue(a, "third.example")
		time.Sleep(12 * time.Minute)
		w.mustIssue(a, "bad.example")
		w.wantBreaches(0)
	})
}

// TestRenewalsFree is how CAs reward those who say what an order replaces.
func TestRenewalsFree(t *testing.T) {
	for _, free := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, func(o *fakeca.Options) {
				o.Limits = fakeca.Limits{SameNames: 1, SameNamesPer: day, RenewalsFree: free}
			})
			a := w.register()
			w.mustIssue(a, "a.example")
			job := w.job(a, "a.example")
			job.Replaces = w.last().CertID
			if _, err := w.client.Issue(t.Context(), job); (err == nil) != free {
				t.Errorf("renewals free: %v; error %v", free, err)
			}
		})
	}
}

// TestRenewalsDoNotCount is Let's Encrypt's way: certificates for names that had
// one before are held against the limit for the same names alone, and those
// that say what they replace against none, though they count there, too.
func TestRenewalsDoNotCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *fakeca.Options) {
			o.Limits = fakeca.Limits{SameNames: 3, SameNamesPer: 3 * day, Domain: 2, DomainPer: 2 * day, RenewalsFree: true}
		})
		a := w.register()
		w.mustIssue(a, "a.b.example")
		w.mustIssue(a, "a.b.example")
		if !w.ca.HasRoom([]string{"c.b.example"}) {
			t.Error("there is no room below the domain after one certificate and its renewal")
		}
		w.mustIssue(a, "c.b.example")
		if w.ca.HasRoom([]string{"d.b.example"}) || !w.ca.HasRoom([]string{"d.example"}) {
			t.Error("there is room below the wrong domain")
		}
		w.wantLimited(a, day, "d.b.example")
		job := w.job(a, "a.b.example")
		job.Replaces = w.ca.Issuances()[1].CertID
		if _, err := w.client.Issue(t.Context(), job); err != nil {
			t.Error(err)
		}
		w.wantLimited(a, day, "a.b.example")
		if got := w.ca.RefusalsSince(0); len(got) != 2 || got[0].Per != 2*day || got[1].Per != 3*day {
			t.Errorf("the refusals are %+v", got)
		}
	})
}

func TestOverload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.register()
		w.ca.Overload(time.Now().Add(time.Hour))
		_, err := w.issue(a, "a.example")
		if e := failure(t, err); e.Status != 503 || e.RetryAfter != time.Hour {
			t.Errorf("status %d, retry after %s", e.Status, e.RetryAfter)
		}
		if _, err := w.client.Register(t.Context(), issuer.Registration{Key: a.Key}); err != nil {
			t.Errorf("an account that exists is not found: %v", err)
		}
		w.wantBreaches(0)
		time.Sleep(time.Minute)
		if _, err := w.issue(a, "b.example"); err == nil {
			t.Error("issued under overload")
		}
		w.wantBreaches(1)
		time.Sleep(time.Hour)
		w.mustIssue(a, "a.example")
		w.wantBreaches(1)
	})
}
