package engine

import (
	"bytes"
	"crypto"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/issuer"
	"github.com/certkeep/certkeep/internal/keys"
	"github.com/certkeep/certkeep/internal/plan"
)

// TestKeyChangeIsDoneOnceAndHeardLater lets the CA change an account's key
// while its answer is lost, or while a network sends the request twice and
// keeps the second answer. What is asked again is refused then, since the old
// key counts no more: the new one is kept, and issues.
func TestKeyChangeIsDoneOnceAndHeardLater(t *testing.T) {
	for name, disturb := range map[string]func(w http.ResponseWriter, r *http.Request, next http.Handler){
		"answer lost": func(_ http.ResponseWriter, r *http.Request, next http.Handler) {
			next.ServeHTTP(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler)
		},
		"sent twice": func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			for _, to := range []http.ResponseWriter{httptest.NewRecorder(), w} {
				r.Body = io.NopCloser(bytes.NewReader(body))
				next.ServeHTTP(to, r)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, acmetest.Options{})
			f.configure("certificates: {a.test: {}}\n")
			f.apply()
			before := f.account("pebble")
			var disturbed atomic.Bool
			f.ca.Intercept(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
				if acmetest.KindOf(r) != acmetest.KeyChange || disturbed.Swap(true) {
					next.ServeHTTP(w, r)
					return
				}
				disturb(w, r, next)
			})
			after, err := f.RollAccountKey(t.Context(), "pebble")
			if err != nil {
				t.Error(err)
			}
			if after.URL != before.URL || after.Key == before.Key || after.Intention != nil {
				t.Errorf("the account is %+v, was %+v", after, before)
			}
			f.ca.ResetRequests()
			f.ask(plan.AskRenew, "a.test")
			f.apply()
			f.checkServed("a.test")
			if n := f.ca.Count(acmetest.NewAccount); n != 0 {
				t.Errorf("accounts were asked for %d times at the renewal", n)
			}
		})
	}
}

// foreignAccount registers an account that is not stored, as another client
// would, and returns its key.
func (f *fixture) foreignAccount() crypto.Signer {
	f.Helper()
	key, err := keys.Generate(accountKeyType)
	if err != nil {
		f.Fatal(err)
	}
	ca, err := f.current().issuers["pebble"].client()
	if err != nil {
		f.Fatal(err)
	}
	agree := func(string) error { return nil }
	if _, err := ca.Register(f.Context(), issuer.Registration{Key: key, AgreeTerms: agree}); err != nil {
		f.Fatal(err)
	}
	return key
}

// TestKeyChangeIsNotDoubtedMeanwhile asks for the account, and for changes of
// it, while its key is being changed: what is intended stays known until the CA
// has answered, also when that answer is lost.
func TestKeyChangeIsNotDoubtedMeanwhile(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	f.configure("certificates: {a.test: {}}\n")
	f.apply()
	other := f.foreignAccount()
	for name, care := range map[string]func() error{
		"register":   func() error { _, err := f.RegisterAccount(t.Context(), "pebble"); return err },
		"update":     func() error { _, err := f.UpdateAccount(t.Context(), "pebble"); return err },
		"reset":      func() error { _, err := f.ResetAccount(t.Context(), "pebble"); return err },
		"deactivate": func() error { return f.DeactivateAccount(t.Context(), "pebble") },
		"import":     func() error { _, err := f.ImportAccount(t.Context(), "pebble", other); return err },
	} {
		t.Run(name, func(t *testing.T) {
			f.T = t
			before := f.account("pebble")
			asked := make(chan error, 1)
			var disturbed atomic.Bool
			f.ca.Intercept(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
				if acmetest.KindOf(r) != acmetest.KeyChange || disturbed.Swap(true) {
					next.ServeHTTP(w, r)
					return
				}
				go func() { asked <- care() }()
				select {
				case err := <-asked:
					asked <- err
					t.Error("the account was handed out while its key was being changed")
				case <-time.After(200 * time.Millisecond): // it waits, as it should
				}
				next.ServeHTTP(httptest.NewRecorder(), r)
				panic(http.ErrAbortHandler)
			})
			after, err := f.RollAccountKey(t.Context(), "pebble")
			if err != nil || after.URL != before.URL || after.Key == before.Key {
				t.Errorf("the account is %+v, was %+v: %v", after, before, err)
			}
			if err := <-asked; err != nil {
				t.Error(err)
			}
			f.ask(plan.AskRenew, "a.test")
			f.apply()
			f.checkServed("a.test")
		})
	}
}
