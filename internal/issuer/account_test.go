package issuer

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/keys"
	"github.com/certkeep/certkeep/internal/plan"
)

func TestRegister(t *testing.T) {
	t.Parallel()
	pebble := acmetest.Start(t, acmetest.Options{})
	ca := connect(t, pebble)
	terms := ""
	r := Registration{
		Key: newKey(t), Contact: []string{"admin@example.com"},
		AgreeTerms: func(url string) error { terms = url; return nil },
	}
	a, err := ca.Register(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if terms == "" || a.Terms != terms {
		t.Errorf("agreed to %q, account says %q", terms, a.Terms)
	}
	if !slices.Equal(a.Contact, []string{"mailto:admin@example.com"}) {
		t.Errorf("contact %v", a.Contact)
	}
	again, err := ca.Register(t.Context(), r)
	if err != nil || again.URL != a.URL {
		t.Errorf("registering a known key: %q, %v; want %q", again.URL, err, a.URL)
	}
	pebble.ResetRequests()
	r.Ask = true
	if found, err := ca.Register(t.Context(), r); err != nil || found.URL != a.URL {
		t.Errorf("asking first: %q, %v; want %q", found.URL, err, a.URL)
	}
	if n := pebble.Count(acmetest.NewAccount); n != 1 {
		t.Errorf("%d requests for an account that is found, want 1", n)
	}
	if found, err := ca.FindAccount(t.Context(), r.Key); err != nil || found.URL != a.URL {
		t.Errorf("found %q, %v; want %q", found.URL, err, a.URL)
	}
	_, err = ca.FindAccount(t.Context(), newKey(t))
	if e := failure(t, err); !errors.Is(err, ErrNoAccount) || e.Code != plan.CodeAccountLost {
		t.Errorf("error %+v, want ErrNoAccount", e)
	}
}

// TestEveryKeyType registers with each, and has a certificate for each.
func TestEveryKeyType(t *testing.T) {
	t.Parallel()
	pebble := acmetest.Start(t, acmetest.Options{})
	ca, solver := connect(t, pebble), serveHTTP01(t, pebble)
	for _, kind := range []keys.Type{keys.RSA2048, keys.ECDSAP256, keys.ECDSAP384, keys.ECDSAP521} {
		t.Run(string(kind), func(t *testing.T) {
			key, err := keys.Generate(kind)
			if err != nil {
				t.Fatal(err)
			}
			a, err := ca.Register(t.Context(), Registration{Key: key, AgreeTerms: yes})
			if err != nil {
				t.Fatal(err)
			}
			mine, err := keys.Generate(kind)
			if err != nil {
				t.Fatal(err)
			}
			job := newJob(t, a, []string{"a.test"}, solver)
			job.Public = mine.Public()
			if job.CSR, err = CSR(mine, job.Names, "a.test", true); err != nil {
				t.Fatal(err)
			}
			issued, err := ca.Issue(t.Context(), job)
			if err != nil {
				t.Fatal(err)
			}
			if facts := issued.Chain.Facts(); facts.KeyType != kind || !facts.MustStaple {
				t.Errorf("certificate has %+v, want %s with must-staple", facts, kind)
			}
		})
	}
}

// TestOneAccountForAll is how twenty jobs that start together register once.
func TestOneAccountForAll(t *testing.T) {
	t.Parallel()
	pebble := acmetest.Start(t, acmetest.Options{})
	ca := connect(t, pebble)
	var stored *Account // as in the store; guarded by AccountLock
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			unlock, err := ca.AccountLock(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			defer unlock()
			if stored != nil {
				return
			}
			a, err := ca.Register(t.Context(), Registration{Key: newKey(t), AgreeTerms: yes})
			if err != nil {
				t.Error(err)
				return
			}
			stored = &a
		})
	}
	wg.Wait()
	if n := pebble.Count(acmetest.NewAccount); n != 1 {
		t.Errorf("%d accounts were asked for, want 1", n)
	}
}

func TestTermsRefused(t *testing.T) {
	t.Parallel()
	pebble := acmetest.Start(t, acmetest.Options{})
	ca := connect(t, pebble)
	no := errors.New("not on a terminal")
	for name, agree := range map[string]func(string) error{"nobody to ask": nil, "refused": func(string) error { return no }} {
		t.Run(name, func(t *testing.T) {
			_, err := ca.Register(t.Context(), Registration{Key: newKey(t), AgreeTerms: agree})
			e := failure(t, err)
			if e.Code != plan.CodeTerms || !strings.Contains(e.Error(), "data:text/plain") {
				t.Errorf("error %v, want terms-not-agreed with the URL", e)
			}
		})
	}
	if n := pebble.Count(acmetest.NewAccount); n != 0 {
		t.Errorf("%d accounts were asked for, want none", n)
	}
}

func TestExternalAccount(t *testing.T) {
	t.Parallel()
	secret := []byte("0123456789 >>> abcdefghij ??? xyz") // has + and / in base64
	pebble := acmetest.Start(t, acmetest.Options{EAB: map[string]string{
		"raw": base64.RawURLEncoding.EncodeToString(secret), "padded": base64.RawURLEncoding.EncodeToString(secret),
		"plain": base64.RawURLEncoding.EncodeToString(secret),
	}})
	ca := connect(t, pebble)
	for _, test := range []struct {
		name string
		eab  *EAB
		code plan.Code
	}{
		{"none given", nil, plan.CodeEAB},
		{"raw", &EAB{"raw", base64.RawURLEncoding.EncodeToString(secret)}, ""},
		{"padded", &EAB{"padded", base64.URLEncoding.EncodeToString(secret)}, ""},
		{"other alphabet", &EAB{"plain", base64.StdEncoding.EncodeToString(secret) + "\n"}, ""},
		{"unknown key", &EAB{"nobody", base64.RawURLEncoding.EncodeToString(secret)}, plan.CodeEAB},
		{"no base64", &EAB{"raw", "s€cret"}, plan.CodeEAB},
		{"empty", &EAB{"raw", ""}, plan.CodeEAB},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := ca.Register(t.Context(), Registration{Key: newKey(t), AgreeTerms: yes, EAB: test.eab})
			if test.code == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			e := failure(t, err)
			if e.Code != test.code || e.Blame != plan.BlameAdmin {
				t.Errorf("error %+v, want %s", e, test.code)
			}
			if test.eab != nil && test.eab.HMAC != "" && strings.Contains(e.Error(), test.eab.HMAC) {
				t.Errorf("error %q shows the secret", e)
			}
		})
	}
	if s := fmt.Sprintf("%v %+v %#v", EAB{"kid", "topsecret"}, EAB{"kid", "topsecret"}, EAB{"kid", "topsecret"}); strings.Contains(s, "topsecret") {
		t.Errorf("%q shows the secret", s)
	}
}

func TestContact(t *testing.T) {
	t.Parallel()
	pebble := acmetest.Start(t, acmetest.Options{})
	ca := connect(t, pebble)
	a := register(t, ca)
	for _, want := range [][]string{{"mailto:a@example.com"}, {"mailto:b@example.com", "mailto:c@example.com"}, {}} {
		got, err := ca.Contact(t.Context(), a, want)
		if err != nil || !slices.Equal(got.Contact, want) || got.URL != a.URL {
			t.Errorf("contact %v, %v; want %v", got.Contact, err, want)
		}
	}
	_, err := ca.Contact(t.Context(), a, []string{"tel:+123"})
	if e := failure(t, err); e.Code != plan.CodeAccount || e.Blame != plan.BlameAdmin {
		t.Errorf("error %+v, want account-refused", e)
	}
}

func TestRollKey(t *testing.T) {
	t.Parallel()
	pebble := acmetest.Start(t, acmetest.Options{})
	ca, solver := connect(t, pebble), serveHTTP01(t, pebble)
	old := register(t, ca)
	a, err := ca.RollKey(t.Context(), old, newKey(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ca.Issue(t.Context(), newJob(t, a, []string{"a.test"}, solver)); err != nil {
		t.Errorf("issue with the new key: %v", err)
	}
	if found, err := ca.FindAccount(t.Context(), a.Key); err != nil || found.URL != a.URL {
		t.Errorf("found %q, %v; want %q", found.URL, err, a.URL)
	}
	if _, err := ca.FindAccount(t.Context(), old.Key); !errors.Is(err, ErrNoAccount) {
		t.Errorf("the old key: %v, want ErrNoAccount", err)
	}
	// Pebble 2.10.1 answers 200 to a key that another account has, and does
	// nothing.
	_, err = ca.RollKey(t.Context(), a, register(t, ca).Key)
	if e := failure(t, err); e.Code != plan.CodeAccount {
		t.Errorf("error %+v, want account-refused", e)
	}
	if _, err := ca.FindAccount(t.Context(), a.Key); err != nil {
		t.Errorf("the account's key after that: %v", err)
	}
}

// TestRollKeyAnswerLost is what a caller does after a crash: both keys are
// saved, and the CA tells which is true.
func TestRollKeyAnswerLost(t *testing.T) {
	t.Parallel() // retries wait
	pebble := acmetest.Start(t, acmetest.Options{})
	ca := connect(t, pebble)
	old := register(t, ca)
	pebble.Intercept(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if acmetest.KindOf(r) != acmetest.KeyChange {
			next.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler)
	})
	key := newKey(t)
	if _, err := ca.RollKey(t.Context(), old, key); err == nil {
		t.Fatal("a lost answer is no error")
	}
	if found, err := ca.FindAccount(t.Context(), key); err != nil || found.URL != old.URL {
		t.Errorf("found %q, %v; want %q", found.URL, err, old.URL)
	}
}
