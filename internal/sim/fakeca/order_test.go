package fakeca_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/certkeep/certkeep/internal/issuer"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/sim/fakeca"
)

// errAbandoned ends a job whose order was opened.
var errAbandoned = errors.New("abandoned")

// abandon opens an order and leaves it there.
func (w *world) abandon(a issuer.Account, names ...string) issuer.Order {
	w.t.Helper()
	var opened issuer.Order
	job := w.job(a, names...)
	job.Save = func(o issuer.Order) error { opened = o; return errAbandoned }
	if _, err := w.client.Issue(w.t.Context(), job); !errors.Is(err, errAbandoned) {
		w.t.Fatalf("error %v, want the job abandoned", err)
	}
	return opened
}

// TestOpenOrderIsHandedOutAgain is what real CAs do.
func TestOpenOrderIsHandedOutAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.register(), w.register()
		first := w.abandon(a, "a.example", "b.example")
		if again := w.abandon(a, "b.example", "a.example"); again.URL != first.URL || !again.Expires.Equal(first.Expires) {
			t.Errorf("second order %+v, want %+v", again, first)
		}
		if other := w.abandon(a, "a.example"); other.URL == first.URL {
			t.Error("the same order for other names")
		}
		if other := w.abandon(b, "a.example", "b.example"); other.URL == first.URL {
			t.Error("the same order for another account")
		}
		time.Sleep(6 * day)
		if issued := w.mustIssue(a, "a.example", "b.example"); issued.Order.URL != first.URL {
			t.Errorf("issued by order %s, want %s", issued.Order.URL, first.URL)
		}
		if next := w.abandon(a, "a.example", "b.example"); next.URL == first.URL {
			t.Error("an order that was finalized is handed out again")
		}
		w.wantBreaches(0)
	})
}

// TestOrderExpires is a week after it was opened.
func TestOrderExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.register()
		old := w.abandon(a, "a.example")
		if life := time.Until(old.Expires); life < 7*day-time.Minute || life > 7*day {
			t.Errorf("expires in %s, want a week", life)
		}
		time.Sleep(7 * day)
		job := w.job(a, "a.example")
		job.Resume = &old
		if _, err := w.client.Issue(t.Context(), job); !errors.Is(err, issuer.ErrOrderGone) {
			t.Errorf("error %v, want the order gone", err)
		}
		if next := w.mustIssue(a, "a.example"); next.Order.URL == old.URL {
			t.Error("an expired order is handed out again")
		}
	})
}

func TestReuseAuthz(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *fakeca.Options) { o.ReuseAuthz = 10 * day })
		a := w.register()
		w.mustIssue(a, "a.example")
		w.validated()
		w.mustIssue(a, "a.example", "b.example")
		if asked := fmt.Sprint(w.validated()); asked != "[http-01 b.example]" {
			t.Errorf("validated %s", asked)
		}
		time.Sleep(8 * day)
		order := w.abandon(a, "a.example", "b.example")
		if life := time.Until(order.Expires).Round(time.Minute); life != 2*day {
			t.Errorf("the order lives %s, longer than the proof in it", life)
		}
		time.Sleep(2 * day)
		w.mustIssue(a, "a.example")
		if asked := fmt.Sprint(w.validated()); asked != "[http-01 a.example]" {
			t.Errorf("validated %s, want it asked again", asked)
		}
	})
}

func TestNoReuseByDefault(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.register()
	w.mustIssue(a, "a.example")
	w.mustIssue(a, "a.example")
	if asked := w.validated(); len(asked) != 2 {
		t.Errorf("validated %v, want it for each order", asked)
	}
}

// TestInvalid is what a client is told of names that fail.
func TestInvalid(t *testing.T) {
	t.Parallel()
	for words, test := range map[string]struct {
		err  error
		kind string
		code plan.Code
	}{
		"not found here":  {errors.New("not found here"), "unauthorized", plan.CodeChallenge},
		"refused":         {&net.OpError{Op: "dial", Err: errors.New("refused")}, "connection", plan.CodeChallenge},
		"forbidden there": {&fakeca.ValidationError{Type: "caa", Detail: "forbidden there"}, "caa", plan.CodeCAA},
	} {
		w := newWorld(t)
		a := w.register()
		w.fail(fmt.Errorf("look at it: %w", test.err))
		_, err := w.issue(a, "a.example", "b.example")
		e := failure(t, err)
		if !errors.Is(e, issuer.ErrOrderGone) || e.Code != test.code || len(e.Subproblems) != 2 {
			t.Fatalf("error %+v with %v", e, e.Subproblems)
		}
		if sub := e.Subproblems[0]; sub.Name != "a.example" || !strings.HasSuffix(sub.Type, ":"+test.kind) || !strings.Contains(sub.Detail, words) {
			t.Errorf("the CA says %+v", sub)
		}
		w.fail(nil)
		w.mustIssue(a, "a.example", "b.example")
		w.wantBreaches(0)
	}
}

// TestSlowCA signs slowly and says when to ask; the client waits for it.
func TestSlowCA(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *fakeca.Options) { o.SignTime, o.PollAfter = 35*time.Second, 20*time.Second })
		a := w.register()
		begun := time.Now()
		w.mustIssue(a, "a.example")
		if took := time.Since(begun).Round(time.Second); took != 40*time.Second {
			t.Errorf("took %s, want two waits of 20 s", took)
		}
		w.wantBreaches(0)
	})
}

// TestClientGone validates on when the client that asked for it is gone.
func TestClientGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := make(chan struct{}, 1)
		w := newWorld(t, func(o *fakeca.Options) {
			o.Validate = func(ctx context.Context, _, _, _, _ string) error {
				began <- struct{}{}
				time.Sleep(5 * time.Second)
				return ctx.Err()
			}
		})
		a := w.register()
		ctx, cancel := context.WithCancel(t.Context())
		go func() { <-began; cancel() }()
		var order issuer.Order
		job := w.job(a, "a.example")
		job.Save = func(o issuer.Order) error { order = o; return nil }
		if _, err := w.client.Issue(ctx, job); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		job.Resume = &order
		if _, err := w.client.Issue(t.Context(), job); err != nil {
			t.Error(err)
		}
		if len(began) > 0 {
			t.Error("the name was validated twice")
		}
	})
}

func TestForgottenOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.register()
	order := w.abandon(a, "a.example")
	w.ca.ForgetOrders()
	job := w.job(a, "a.example")
	job.Resume = &order
	if _, err := w.client.Issue(t.Context(), job); !errors.Is(err, issuer.ErrOrderGone) {
		t.Errorf("error %v, want the order gone", err)
	}
	if next := w.mustIssue(a, "a.example"); next.Order.URL == order.URL {
		t.Error("an order's URL was given twice")
	}
}
