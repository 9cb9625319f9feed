package fakeca_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/issuer"
	"github.com/certkeep/certkeep/internal/keys"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/sim/fakeca"
)

func TestAccount(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key := newKey(t, keys.ECDSAP256)
	if _, err := w.client.FindAccount(t.Context(), key); !errors.Is(err, issuer.ErrNoAccount) {
		t.Errorf("error %v, want no account", err)
	}
	a, err := w.client.Register(t.Context(), issuer.Registration{Key: key, Contact: []string{"a@example.com"}})
	if err != nil || !slices.Equal(a.Contact, []string{"mailto:a@example.com"}) {
		t.Fatal(a.Contact, err)
	}
	again, err := w.client.Register(t.Context(), issuer.Registration{Key: key})
	if err != nil || again.URL != a.URL {
		t.Errorf("registered twice: %s and %s, %v", a.URL, again.URL, err)
	}
	for _, want := range [][]string{{"mailto:b@example.com"}, {}} {
		if got, err := w.client.Contact(t.Context(), a, want); err != nil || !slices.Equal(got.Contact, want) {
			t.Errorf("contact %v, %v; want %v", got.Contact, err, want)
		}
	}
	if _, err := w.client.Contact(t.Context(), a, []string{"tel:+123"}); failure(t, err).Code != plan.CodeAccount {
		t.Errorf("error %v, want the contact refused", err)
	}
	if err := w.client.Deactivate(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	if _, err := w.issue(a, "a.example"); failure(t, err).Code != plan.CodeAccountLost {
		t.Errorf("error %v, want the account lost", err)
	}
	if _, err := w.client.FindAccount(t.Context(), key); failure(t, err).Code != plan.CodeAccountLost {
		t.Errorf("error %v, want the account lost", err)
	}
}

func TestTerms(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *fakeca.Options) { o.Terms = "http://ca.test/terms" })
	asked := ""
	agree := func(url string) error { asked = url; return nil }
	_, err := w.client.Register(t.Context(), issuer.Registration{Key: newKey(t, keys.ECDSAP256), AgreeTerms: agree})
	if err != nil || asked != "http://ca.test/terms" {
		t.Errorf("asked for %q, %v", asked, err)
	}
}

func TestKeyChange(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	old, other := w.register(), w.register()
	if _, err := w.client.RollKey(t.Context(), old, other.Key); failure(t, err).Status != 409 {
		t.Errorf("error %v, want a conflict", err)
	}
	a, err := w.client.RollKey(t.Context(), old, newKey(t, keys.ECDSAP384))
	if err != nil {
		t.Fatal(err)
	}
	w.mustIssue(a, "a.example")
	if _, err := w.client.FindAccount(t.Context(), old.Key); !errors.Is(err, issuer.ErrNoAccount) {
		t.Errorf("the old key: %v, want no account", err)
	}
	if _, err := w.issue(old, "b.example"); failure(t, err).Status != 400 {
		t.Errorf("the old key orders: %v", err)
	}
}

func TestForgottenAccount(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.register()
	w.ca.ForgetAccounts()
	if _, err := w.issue(a, "a.example"); failure(t, err).Code != plan.CodeAccountLost {
		t.Errorf("error %v, want the account lost", err)
	}
	again, err := w.client.Register(t.Context(), issuer.Registration{Key: a.Key})
	if err != nil || again.URL == a.URL {
		t.Errorf("the new account is %s, the old was %s (%v)", again.URL, a.URL, err)
	}
	w.mustIssue(again, "a.example")
}

// TestOwnClock lets the CA's clock differ from the client's: the client
// notices.
func TestOwnClock(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.pass(time.Hour)
	a := w.register()
	if _, err := w.issue(a, "a.example"); failure(t, err).Code != plan.CodeClock {
		t.Errorf("error %v, want %s", err, plan.CodeClock)
	}
}
