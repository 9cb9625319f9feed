package issuer

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/plan"
)

// TestRefusedRepetitionInTheDark loses the answer to a challenge, so that it is
// sent again and refused, and then the network ends: that the CA cannot be
// asked whether it was told already is the network's fault. The CA has refused
// nothing that a person could mend.
func TestRefusedRepetitionInTheDark(t *testing.T) {
	t.Parallel() // each retry waits
	pebble := acmetest.Start(t, acmetest.Options{Settle: true})
	ca, solver := connect(t, pebble), serveHTTP01(t, pebble)
	job := newJob(t, register(t, ca), []string{"a.test"}, solver)
	var saved Order
	job.Save = func(o Order) error { saved = o; return nil }
	var told, dark atomic.Bool
	pebble.Intercept(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		switch {
		case acmetest.KindOf(r) != acmetest.Challenge && !dark.Load():
			next.ServeHTTP(w, r)
		case acmetest.KindOf(r) == acmetest.Challenge && told.Swap(true):
			next.ServeHTTP(w, r)
			dark.Store(true)
		default:
			next.ServeHTTP(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler)
		}
	})
	_, err := ca.Issue(t.Context(), job)
	if e := failure(t, err); !dark.Load() || e.Code != plan.CodeNetwork || e.Blame != plan.BlameNetwork || errors.Is(err, ErrOrderGone) {
		t.Errorf("error %+v, want ca-unreachable", e)
	}
	pebble.Intercept(nil)
	job.Resume = &saved
	if _, err := ca.Issue(t.Context(), job); err != nil {
		t.Error(err)
	}
	if n := pebble.Count(acmetest.NewOrder); n != 1 {
		t.Errorf("%d orders were opened", n)
	}
}
