package engine

import (
	"context"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/store"
)

// fault returns the fault of the only step that failed in a pass.
func (f *fixture) failing() *plan.Fault {
	f.Helper()
	report, err := f.Apply(f.Context(), nil, Only{})
	if err != nil {
		f.Fatal(err)
	}
	var fault *plan.Fault
	for _, o := range report.Done {
		if o.Fault != nil && fault != nil {
			f.Errorf("a second fault: %+v", o)
		}
		if o.Fault != nil {
			fault = o.Fault
		}
	}
	if fault == nil {
		f.Fatal("no step failed")
	}
	return fault
}

func TestUnreachableChallengeBacksOff(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	if err := f.ca.DNS.AddA("a.test", "127.0.0.9"); err != nil { // nobody listens there
		t.Fatal(err)
	}
	f.configure("certificates: {a.test: {}}\n")
	fault := f.failing()
	if fault.Code != plan.CodeChallenge || !strings.Contains(strings.Join(fault.Detail, " "), "a.test") {
		t.Errorf("fault = %+v", fault)
	}
	tries := f.known("a.test").Tries["ecdsa-p256"]
	if wait := time.Until(tries.NotBefore); tries.Count != 1 || wait < 50*time.Second || wait > 75*time.Second {
		t.Errorf("tries = %+v", tries)
	}
	before := f.ca.Count()
	if f.apply(); f.ca.Count() != before {
		t.Error("the CA was asked again at once")
	}
	if err := f.ca.DNS.ClearA("a.test"); err != nil {
		t.Fatal(err)
	}
	if err := f.Ask(t.Context(), plan.AskApply, []string{"a.test"}, ""); err != nil {
		t.Fatal(err)
	}
	f.apply()
	f.checkServed("a.test")
}

func TestLostAccountIsReplacedOnce(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	f.configure("certificates: {a.test: {}}\n")
	f.apply()
	if err := f.ca.Restart(t.Context()); err != nil { // it forgets all accounts
		t.Fatal(err)
	}
	f.configure("certificates: {a.test: {}, b.test: {}, c.test: {}}\n")
	f.ca.ResetRequests()
	f.apply()
	f.checkServed("b.test")
	f.checkServed("c.test")
	known, err := f.store.Known(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if fault := known.Issuers["pebble"].Fault; fault == nil || fault.Code != plan.CodeAccountLost {
		t.Errorf("issuer's fault = %+v", fault)
	}
	archived, err := filepath.Glob(filepath.Join(f.dir, "state/records/accounts/archive/pebble/*"))
	if err != nil || len(archived) != 1 {
		t.Errorf("archived accounts: %v, %v", archived, err)
	}
}

func TestManyStartTogetherWithOneAccount(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	var b strings.Builder
	b.WriteString("certificates:\n")
	for _, c := range "abcdefghijklmnopqrst" {
		b.WriteString("  " + string(c) + ".test: {}\n")
	}
	f.configure(b.String())
	f.apply()
	if n := f.ca.Count(acmetest.NewAccount); n != 1 {
		t.Errorf("%d accounts were asked for", n)
	}
	for _, c := range "abcdefghijklmnopqrst" {
		f.checkServed(string(c) + ".test")
	}
}

// TestSlowCADelaysNoOther lets one CA hang and wants the other's certificate
// meanwhile.
func TestSlowCADelaysNoOther(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	hang, err := net.Listen("tcp", "127.0.0.1:0") // accepts, and never answers
	if err != nil {
		t.Fatal(err)
	}
	defer hang.Close()
	f.issuers = "slow: {directory: \"https://" + hang.Addr().String() + "/dir\", roots_file: " + f.roots + "}"
	f.configure(`concurrency: 1
certificates:
  a.test: {issuer: [slow]}
  b.test: {issuer: [slow]}
  c.test: {}
`)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	f.Watch = func(p Progress) {
		if p.Cert == "c.test" && p.Event != nil && p.Event.Kind == store.EventInstalled {
			cancel()
		}
	}
	if _, err := f.Apply(ctx, nil, Only{}); err == nil {
		t.Error("the pass was not interrupted: the slow CA must have answered")
	}
	f.checkServed("c.test")
	// An orderly end is no failure.
	if tries := f.known("a.test").Tries; len(tries) != 0 {
		t.Errorf("interrupted attempts count: %+v", tries)
	}
}

func TestServiceUnavailableIsObeyedByAll(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	f.ca.Intercept(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if acmetest.KindOf(r) == acmetest.NewOrder {
			w.Header().Set("Retry-After", "3600")
			http.Error(w, "busy", http.StatusServiceUnavailable)
			return
		}
		next.ServeHTTP(w, r)
	})
	f.configure("certificates: {a.test: {}}\n")
	f.failing()
	f.configure("certificates: {a.test: {}, b.test: {}}\n")
	if err := f.Ask(t.Context(), plan.AskRenew, []string{"a.test", "b.test"}, ""); err != nil {
		t.Fatal(err)
	}
	before := f.ca.Count()
	f.apply()
	if n := f.ca.Count() - before; n != 0 {
		t.Errorf("the CA was asked %d times before its Retry-After was over", n)
	}
}

// TestSignedOrderIsGoneOnWith lets a CA sign and then fail to hand out the
// certificate, until another CA is asked, which is down. When the first one's
// turn comes again it has not signed for nothing.
func TestSignedOrderIsGoneOnWith(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	f.issuers = "down: {directory: \"https://127.0.0.1:1/dir\"}"
	f.configure("certificates: {a.test: {issuer: [pebble, down]}}\n")
	var mended atomic.Bool
	f.ca.Intercept(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if acmetest.KindOf(r) == acmetest.Certificate && !mended.Load() {
			http.Error(w, "out of order", http.StatusInternalServerError)
			return
		}
		next.ServeHTTP(w, r)
	})
	for _, issuer := range []string{"pebble", "pebble", "pebble", "down"} {
		f.askApply("a.test")
		f.failing()
		if asked := f.known("a.test").Tries["ecdsa-p256"].Issuer; asked != issuer {
			t.Fatalf("%s was asked, want %s", asked, issuer)
		}
	}
	mended.Store(true)
	f.askApply("a.test")
	f.apply()
	f.checkServed("a.test")
	if n := len(finalized(f.ca)); n != 1 {
		t.Errorf("%d orders were finalised for one need", n)
	}
	if k := f.known("a.test"); len(k.Orders) != 0 {
		t.Errorf("orders are left: %+v", k.Orders)
	}
}
