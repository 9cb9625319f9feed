package engine

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/plan"
)

// TestKeepsNamesProven: names without a certificate are proven by orders that
// nobody finalises, and a node that may not answer challenges uses that.
func TestKeepsNamesProven(t *testing.T) {
	f := newFixture(t, acmetest.Options{AuthzReuse: 100})
	f.configure("authorizations: [a.test, www.a.test, b.test]\n")
	f.apply()
	known := f.known(config.AuthorizationsName)
	for _, name := range []string{"a.test", "www.a.test", "b.test"} {
		if a := known.Authorized[name]; a.Issuer != "pebble" || !a.Expires.After(time.Now()) {
			t.Errorf("%s: %+v", name, a)
		}
	}
	if len(known.Tries) != 0 || len(finalized(f.ca)) != 0 || f.ca.Count(acmetest.NewOrder) != 1 {
		t.Errorf("known = %+v, %d orders", known, f.ca.Count(acmetest.NewOrder))
	}
	f.checkIdle()
	answered := f.ca.Count(acmetest.Challenge)
	f.configure("solve: false\nauthorizations: [a.test]\ncertificates: {a.test: {names: [a.test, www.a.test]}}\n")
	f.apply()
	f.checkServed("a.test")
	if n := f.ca.Count(acmetest.Challenge) - answered; n != 0 {
		t.Errorf("%d challenges were answered", n)
	}
}

// TestFollowerLeavesChallengesAlone: what is not proven is a problem for a
// person, and no challenge is touched.
func TestFollowerLeavesChallengesAlone(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	f.configure("solve: false\ncertificates: {a.test: {}}\n")
	f.ca.Intercept(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if acmetest.KindOf(r) == acmetest.Challenge {
			t.Error("a challenge was touched")
		}
		next.ServeHTTP(w, r)
	})
	report, err := f.Apply(t.Context(), nil, Only{})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(report.Done, func(o Outcome) bool {
		return o.Fault != nil && o.Fault.Code == plan.CodeNotProven && strings.Contains(strings.Join(o.Fault.Detail, " "), "a.test")
	}) {
		t.Errorf("done were %+v", report.Done)
	}
	if k := f.known("a.test"); len(k.Orders) != 0 && k.Orders["ecdsa-p256"].URL != "" {
		t.Errorf("the order is kept, and would hide what is proven later: %+v", k.Orders)
	}
	// Once the names are proven it goes on.
	f.configure("certificates: {a.test: {}}\n")
	f.ca.Intercept(nil)
	f.ask(plan.AskApply, "a.test")
	f.apply()
	f.checkServed("a.test")
}

// TestOneNameOfMany: one that cannot be proven keeps no other from it.
func TestOneNameOfMany(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	f.configure("authorizations: [a.test, b.test]\nchallenges: [{names: [b.test], http-01: {webroot: " + f.dir + "/nowhere}}]\n")
	if _, err := f.Apply(t.Context(), nil, Only{}); err != nil {
		t.Fatal(err)
	}
	f.ask(plan.AskApply, config.AuthorizationsName)
	if _, err := f.Apply(t.Context(), nil, Only{}); err != nil {
		t.Fatal(err)
	}
	known := f.known(config.AuthorizationsName)
	if known.Authorized["a.test"].Issuer == "" || known.Authorized["b.test"].Issuer != "" || known.Tries["b.test"].Fault == nil || len(known.Tries) != 1 {
		t.Errorf("known = %+v", known)
	}
	// A name that is not wanted any more is forgotten.
	f.configure("authorizations: [a.test]\n")
	f.ask(plan.AskApply, config.AuthorizationsName)
	f.apply()
	if known = f.known(config.AuthorizationsName); len(known.Tries) != 0 || len(known.Authorized) != 1 {
		t.Errorf("known = %+v", known)
	}
}

// TestForgottenWhileProving: what is known of the names may be forgotten while the
// CA looks at them.
func TestForgottenWhileProving(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	f.configure("authorizations: [b.test]\nchallenges: [{names: [b.test], http-01: {webroot: " + f.dir + "/nowhere}}]\n")
	f.ca.Intercept(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if acmetest.KindOf(r) == acmetest.NewOrder {
			if err := f.store.Forget(r.Context(), config.AuthorizationsName); err != nil {
				t.Error(err)
			}
		}
		next.ServeHTTP(w, r)
	})
	if fault := f.failing(); fault.Code != plan.CodeWebroot {
		t.Errorf("fault = %+v", fault)
	}
	if known := f.known(config.AuthorizationsName); known.Tries["b.test"].Fault == nil {
		t.Errorf("known = %+v", known)
	}
}

// TestNodeThatMayNotOrder asks no CA.
func TestNodeThatMayNotOrder(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	f.configure("issue: false\nauthorizations: [b.test]\ncertificates: {a.test: {}}\n")
	f.apply()
	if n := f.ca.Count(); n != 0 {
		t.Errorf("the CA was asked %d times", n)
	}
	f.problem(plan.CodeMayNotIssue)
}
