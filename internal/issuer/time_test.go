package issuer

import (
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
)

func TestPollWait(t *testing.T) {
	const ms = time.Millisecond
	for _, test := range []struct {
		n                 int
		usual, hint, want time.Duration
	}{
		{0, 0, 0, 5 * ms},
		{1, 0, 0, 20 * ms},
		{2, 0, 0, 80 * ms},
		{5, 0, 0, 5120 * ms},
		{6, 0, 0, 10 * time.Second},
		{5000, 0, 0, 10 * time.Second},
		{0, 2 * time.Second, 0, time.Second},
		{1, 2 * time.Second, 0, 2 * time.Second},
		{0, time.Minute, 0, 10 * time.Second},
		{0, 2 * ms, 0, 5 * ms},
		{1, 2 * ms, 0, 10 * ms},
		{0, 0, time.Second, time.Second},
		{4, 0, time.Second, 1280 * ms},
		{9, 0, time.Minute, time.Minute},
	} {
		if got := pollWait(test.n, test.usual, test.hint); got != test.want {
			t.Errorf("poll %d of a CA that takes %s, with a hint of %s, waits %s, want %s", test.n, test.usual, test.hint, got, test.want)
		}
	}
}

// TestPace follows a CA: half of what it usually takes is where the first poll
// comes, so the figure settles near the truth from above and from below.
func TestPace(t *testing.T) {
	for _, first := range []time.Duration{10 * time.Millisecond, 20 * time.Second} {
		const truth = 2 * time.Second
		var p pace
		p.learn("pending", first)
		for range 50 {
			var took time.Duration
			for n := 0; took < truth; n++ {
				took += pollWait(n, p.usual("pending"), 0)
			}
			p.learn("pending", took)
		}
		if got := p.usual("pending"); got < truth || got > 2*truth {
			t.Errorf("beginning with %s it takes this for usual: %s, the truth is %s", first, got, truth)
		}
		if p.usual("processing") != 0 {
			t.Error("another state is known too")
		}
	}
}

func TestSlowCA(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, ca := newFake(t)
		job, solver := fakeJob(t)
		start := time.Now()
		_, err := ca.Issue(t.Context(), job)
		e := failure(t, err)
		if e.Code != plan.CodeCAError || errors.Is(err, ErrOrderGone) || e.Detail != "unproven: a.test" {
			t.Errorf("error %+v, want ca-error, and an order that can be resumed", e)
		}
		if took := time.Since(start); took > defaultPatience {
			t.Errorf("it took %s", took)
		}
		// 6 quick ones within 7 seconds, then one in ten seconds.
		if n := f.count("/order/1"); n != 6+29 {
			t.Errorf("%d polls in five minutes, want 35", n)
		}
		if solver.left() != 0 {
			t.Error("the answer was left behind")
		}
	})
}

// TestOrderLeftPending is a CA that does not end an order whose
// authorisation has failed.
func TestOrderLeftPending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, ca := newFake(t)
		f.page("/challenge", func(w http.ResponseWriter, _ *http.Request) {
			writeJSON(w, http.StatusOK, `{}`)
			f.json("/authz", fakeAuthz("invalid", "invalid", `,"error":{"type":"urn:ietf:params:acme:error:connection","detail":"refused"}`))
		})
		job, _ := fakeJob(t)
		start := time.Now()
		_, err := ca.Issue(t.Context(), job)
		e := failure(t, err)
		if e.Code != plan.CodeChallenge || !errors.Is(err, ErrOrderGone) {
			t.Errorf("error %+v, want challenge-failed, and the order gone", e)
		}
		if took := time.Since(start); took > 2*time.Minute {
			t.Errorf("noticed after %s", took)
		}
	})
}

func TestRetryAfterOfOrders(t *testing.T) {
	pending := func(f *fakeCA, retryAfter string) {
		f.page("/order/1", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", retryAfter)
			writeJSON(w, http.StatusOK, fakeOrder("pending"))
		})
	}
	t.Run("longer than our rhythm", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f, ca := newFake(t)
			pending(f, "60")
			job, _ := fakeJob(t)
			_, err := ca.Issue(t.Context(), job)
			if e := failure(t, err); e.RetryAfter != time.Minute {
				t.Errorf("retry after %s, want 1m", e.RetryAfter)
			}
			if n := f.count("/order/1"); n != 5 {
				t.Errorf("%d polls in five minutes, want 5", n)
			}
		})
	})
	t.Run("longer than our patience", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f, ca := newFake(t)
			pending(f, "3600")
			job, _ := fakeJob(t)
			start := time.Now()
			_, err := ca.Issue(t.Context(), job)
			if e := failure(t, err); e.RetryAfter != time.Hour || errors.Is(err, ErrOrderGone) {
				t.Errorf("error %+v, want a retry after 1h", e)
			}
			if took := time.Since(start); took > 2*time.Second {
				t.Errorf("the job was held for %s", took)
			}
		})
	})
}

// TestHangingServer gives up after the deadline of one request.
func TestHangingServer(t *testing.T) {
	for _, path := range []string{"/dir", "/nonce", "/order", "/order/1", "/authz", "/challenge"} {
		t.Run(path, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, ca := newFake(t)
				f.page(path, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
				job, solver := fakeJob(t)
				start := time.Now()
				_, err := ca.Issue(t.Context(), job)
				if e := failure(t, err); e.Code != plan.CodeNetwork || e.Blame != plan.BlameNetwork {
					t.Errorf("error %+v, want ca-unreachable", e)
				}
				if took := time.Since(start); took < defaultRequestTimeout || took > defaultRequestTimeout+2*time.Second {
					t.Errorf("it took %s, want one request's %s", took, defaultRequestTimeout)
				}
				if n := f.count(path); n != 1 {
					t.Errorf("%d requests, want no retry", n)
				}
				if solver.left() != 0 {
					t.Error("the answer was left behind")
				}
			})
		})
	}
}

func TestDirectoryAges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, ca := newFake(t)
		ask := func(want int) {
			t.Helper()
			if _, err := ca.Meta(t.Context()); err != nil {
				t.Error(err)
			}
			if n := f.count("/dir"); n != want {
				t.Errorf("fetched %d times, want %d", n, want)
			}
		}
		ask(1)
		time.Sleep(23 * time.Hour)
		ask(1)
		time.Sleep(2 * time.Hour)
		ask(2)
		// A day later it cannot be fetched: the old one serves for an hour.
		time.Sleep(25 * time.Hour)
		f.page("/dir", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
		ask(3)
		time.Sleep(30 * time.Minute)
		ask(3)
		time.Sleep(31 * time.Minute)
		ask(4)
		// It was moved meanwhile, and that is used from the next fetch on.
		f.json("/dir", `{"newNonce":"https://ca.test/nonce2","newAccount":"https://ca.test/account2","newOrder":"https://ca.test/order2"}`)
		f.page("/nonce2", func(http.ResponseWriter, *http.Request) {})
		f.page("/order2", func(w http.ResponseWriter, _ *http.Request) {
			writeJSON(w, http.StatusForbidden, `{"type":"urn:ietf:params:acme:error:rejectedIdentifier","detail":"no"}`)
		})
		if err := ca.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		job, _ := fakeJob(t)
		if _, err := ca.Issue(t.Context(), job); failure(t, err).Code != plan.CodeRejected {
			t.Errorf("error %v, want the new newOrder's", err)
		}
	})
}

// TestWrongClock orders nothing while our clock and the CA's differ.
func TestWrongClock(t *testing.T) {
	const year = 365 * 24 * time.Hour
	for _, test := range []struct {
		name  string
		ahead time.Duration
		wrong bool
	}{
		{"right", 0, false},
		{"nine minutes", 9 * time.Minute, false},
		{"eleven minutes ahead", 11 * time.Minute, true},
		{"eleven minutes behind", -11 * time.Minute, true},
		{"ten years ahead", 10 * year, true},
		{"ten years behind", -10 * year, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, ca := newFake(t)
				late := func(w http.ResponseWriter) {
					w.Header().Set("Date", time.Now().Add(test.ahead).UTC().Format(http.TimeFormat))
				}
				dir := f.pages["/dir"]
				f.page("/dir", func(w http.ResponseWriter, r *http.Request) { late(w); dir(w, r) })
				f.page("/order", func(w http.ResponseWriter, _ *http.Request) {
					late(w)
					writeJSON(w, http.StatusBadRequest, `{"type":"urn:ietf:params:acme:error:rejectedIdentifier","detail":"no"}`)
				})
				job, _ := fakeJob(t)
				_, err := ca.Issue(t.Context(), job)
				want := plan.CodeRejected
				if test.wrong {
					want = plan.CodeClock
				}
				if e := failure(t, err); e.Code != want {
					t.Errorf("error %+v, want %s", e, want)
				}
				if asked := f.count("/order") > 0; asked == test.wrong {
					t.Errorf("an order was asked for: %t", asked)
				}
				// The Date has no fractions of seconds.
				if skew, known := ca.ClockSkew(); !known || (skew-test.ahead).Abs() > time.Second {
					t.Errorf("skew %s, known: %t; want %s", skew, known, test.ahead)
				}
			})
		})
	}
}

// TestClockIsAskedAgain goes on when the clock was set right meanwhile.
func TestClockIsAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, ca := newFake(t)
		ca.clock.learn(time.Now().Add(time.Hour).UTC().Format(http.TimeFormat), time.Now())
		f.page("/order", func(w http.ResponseWriter, _ *http.Request) {
			writeJSON(w, http.StatusBadRequest, `{"type":"urn:ietf:params:acme:error:rejectedIdentifier","detail":"no"}`)
		})
		job, _ := fakeJob(t)
		if _, err := ca.Issue(t.Context(), job); failure(t, err).Code != plan.CodeRejected {
			t.Errorf("error %v, want the CA's", err)
		}
	})
}
