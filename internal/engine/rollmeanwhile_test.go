package engine

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/store"
)

// checkRolled fails the test unless the account is the one that it was, with
// another key, and the only one there ever was.
func (f *fixture) checkRolled(before store.Account) {
	f.Helper()
	if now := f.account("pebble"); now.URL != before.URL || now.Key == before.Key || now.Status != store.AccountValid || now.Intention != nil {
		f.Errorf("account = %+v, was %+v", now, before)
	}
	archived, err := filepath.Glob(filepath.Join(f.dir, "state/records/accounts/archive/pebble/*"))
	if err != nil || len(archived) != 0 {
		f.Errorf("archived accounts: %v, %v", archived, err)
	}
}

// registered opens the account that a test is about.
func (f *fixture) registered() store.Account {
	f.Helper()
	account, err := f.RegisterAccount(f.Context(), "pebble")
	if err != nil {
		f.Fatal(err)
	}
	return account
}

// TestKeyChangeDuringAnOrder changes the account's key while an order is under
// way, and lets its next request be signed with the old key. The CA refuses
// that one; the account is the same, and the certificate is issued in one pass.
func TestKeyChangeDuringAnOrder(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	f.configure("certificates: {}\n")
	f.registered()
	for _, kind := range []acmetest.Kind{acmetest.NewOrder, acmetest.Authz, acmetest.Challenge, acmetest.Order, acmetest.Finalize, acmetest.Certificate} {
		t.Run(string(kind), func(t *testing.T) {
			f.T = t
			// Each has a name of its own: what was proven once need not be asked for.
			name := strings.ToLower(string(kind)) + ".test"
			f.configure("certificates: {" + name + ": {}}\n")
			before := f.account("pebble")
			var rolled atomic.Bool
			f.ca.Intercept(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
				if opensAccount(t, r) {
					t.Error("an account is registered")
				}
				if acmetest.KindOf(r) == kind && !rolled.Swap(true) {
					if _, err := f.RollAccountKey(t.Context(), "pebble"); err != nil {
						t.Error(err)
					}
				}
				next.ServeHTTP(w, r)
			})
			f.apply()
			f.ca.Intercept(nil)
			if !rolled.Load() {
				t.Fatal("the key was not changed")
			}
			f.checkRolled(before)
			f.checkServed(name)
		})
	}
}

// TestKeyChangeUnheardDuringAnOrder is the same, and the CA cannot be asked
// whether it has changed the key until the order goes on.
func TestKeyChangeUnheardDuringAnOrder(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	f.configure("certificates: {a.test: {}}\n")
	before := f.registered()
	var rolling, rolled atomic.Bool
	f.ca.Intercept(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		switch kind := acmetest.KindOf(r); {
		case opensAccount(t, r):
			t.Error("an account is registered")
		case rolling.Load() && kind == acmetest.KeyChange:
			next.ServeHTTP(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler)
		case rolling.Load() && kind == acmetest.NewAccount:
			panic(http.ErrAbortHandler)
		case kind == acmetest.Challenge && !rolled.Swap(true):
			rolling.Store(true)
			if _, err := f.RollAccountKey(t.Context(), "pebble"); err == nil {
				t.Error("the change of key was heard of")
			}
			rolling.Store(false)
		}
		next.ServeHTTP(w, r)
	})
	f.apply()
	f.checkRolled(before)
	f.checkServed("a.test")
}

// TestKeyChangesTogether changes an account's key twice at once. The CA carries
// the first change out and is not heard of again: the second one must not throw
// away the only key that counts.
func TestKeyChangesTogether(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	f.configure("certificates: {a.test: {}}\n")
	var begun, ended sync.WaitGroup
	var cut atomic.Bool
	f.ca.Intercept(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		switch {
		case cut.Load():
			panic(http.ErrAbortHandler)
		case acmetest.KindOf(r) == acmetest.KeyChange:
			next.ServeHTTP(httptest.NewRecorder(), r)
			cut.Store(true)
			panic(http.ErrAbortHandler)
		case opensAccount(t, r):
			begun.Wait() // whoever comes second waits for the account
		}
		next.ServeHTTP(w, r)
	})
	begun.Add(2)
	for range 2 {
		ended.Go(func() {
			begun.Done()
			if _, err := f.RollAccountKey(t.Context(), "pebble"); err == nil {
				t.Error("a change of key was heard of")
			}
		})
	}
	ended.Wait()
	before := f.account("pebble")
	f.ca.Intercept(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if opensAccount(t, r) {
			t.Error("an account is registered")
		}
		next.ServeHTTP(w, r)
	})
	f.apply()
	f.checkRolled(before)
	f.checkServed("a.test")
}

// TestKeyChangeWaitsForOtherCare wants the key changed while the account's
// contact is, and loses the answer to that: neither makes the CA refuse the
// other, and what came of the key is found out.
func TestKeyChangeWaitsForOtherCare(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	f.configure("certificates: {a.test: {}}\n")
	f.apply()
	before := f.account("pebble")
	rolled := make(chan error, 1)
	f.ca.Intercept(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		switch acmetest.KindOf(r) {
		case acmetest.Account:
			go func() {
				_, err := f.RollAccountKey(t.Context(), "pebble")
				rolled <- err
			}()
			select {
			case err := <-rolled:
				rolled <- err
				t.Error("the key was changed while the contact was")
			case <-time.After(200 * time.Millisecond): // it waits, as it should
			}
		case acmetest.KeyChange:
			next.ServeHTTP(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler)
		}
		next.ServeHTTP(w, r)
	})
	if _, err := f.UpdateAccount(t.Context(), "pebble"); err != nil {
		t.Error(err)
	}
	if err := <-rolled; err != nil {
		t.Error(err)
	}
	f.checkRolled(before)
	f.ask(plan.AskRenew, "a.test")
	f.apply()
	f.checkServed("a.test")
}
