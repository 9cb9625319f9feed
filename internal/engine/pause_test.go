package engine

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/store"
)

// TestPersonsHeedRetryAfter lets a CA ask to be left alone when a person
// changes an account: nothing that persons want of it is asked before.
func TestPersonsHeedRetryAfter(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	f.configure("certificates: {a.test: {}}\n")
	f.apply()
	f.ca.Intercept(func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		w.Header().Set("Retry-After", "3600")
		http.Error(w, "busy", http.StatusServiceUnavailable)
	})
	account := func(do func(context.Context, string) (store.Account, error)) func() error {
		return func() error { _, err := do(t.Context(), "pebble"); return err }
	}
	if account(f.UpdateAccount)() == nil {
		t.Fatal("the CA did not refuse it")
	}
	f.ca.ResetRequests()
	for name, wish := range map[string]func() error{
		"update": account(f.UpdateAccount), "roll-key": account(f.RollAccountKey), "reset": account(f.ResetAccount),
		"register": account(f.RegisterAccount), "deactivate": func() error { return f.DeactivateAccount(t.Context(), "pebble") },
	} {
		if fault, _ := faultOf(wish()); fault.Code != plan.CodeCAError && fault.Code != plan.CodeRateLimited {
			t.Errorf("%s: %+v", name, fault)
		}
	}
	if n := f.ca.Count(); n != 0 {
		t.Errorf("the CA was asked %d times before its Retry-After was over", n)
	}
	if f.account("pebble").URL == "" {
		t.Error("the account is gone")
	}
}

// TestDeactivatedAfterKeyChange ends an account whose key the CA has changed
// without our knowing: that is the account which is ended.
func TestDeactivatedAfterKeyChange(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	f.configure("certificates: {a.test: {}}\n")
	f.apply()
	var cut atomic.Bool
	f.ca.Intercept(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if cut.Load() {
			panic(http.ErrAbortHandler)
		}
		if acmetest.KindOf(r) == acmetest.KeyChange {
			next.ServeHTTP(httptest.NewRecorder(), r)
			cut.Store(true)
			panic(http.ErrAbortHandler)
		}
		next.ServeHTTP(w, r)
	})
	if _, err := f.RollAccountKey(t.Context(), "pebble"); err == nil {
		t.Fatal("the key was changed")
	}
	cut.Store(false)
	next, err := f.account("pebble").Intention.Signer()
	if err != nil {
		t.Fatal(err)
	}
	if err := f.DeactivateAccount(t.Context(), "pebble"); err != nil {
		t.Fatal(err)
	}
	_, err = f.ImportAccount(t.Context(), "pebble", next)
	if fault, _ := faultOf(err); fault.Code != plan.CodeAccountLost {
		t.Errorf("the account still stands: %v", err)
	}
}
