package sim

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/sim/fakeca"
)

// TestLimitsAreKept: sixty new certificates of one domain at a CA that allows
// ten a week come one after another as its limit allows, and it never has to
// refuse one. A restart forgets nothing.
func TestLimitsAreKept(t *testing.T) {
	limits := fakeca.Limits{Domain: 10, DomainPer: 7 * day, SameNames: 5, SameNamesPer: 7 * day, Orders: 100, OrdersPer: 3 * time.Hour, RenewalsFree: true}
	inFleet(t, map[string]fakeca.Options{"one": {Limits: limits}}, func(f *fleet) {
		f.config = domainOf(30, "limits: {per_domain: 10/7d, same_names: 5/7d, orders: 100/3h, renewals_free: true}")
		f.start(f.wire)
		one := f.cas["one"]
		for _, want := range []struct {
			after time.Duration
			n     int
		}{{time.Hour, 10}, {17 * time.Hour, 11}, {7*day - 17*time.Hour, 20}, {7*day + time.Hour, 30}} {
			time.Sleep(want.after)
			if got := len(one.Issuances()); got != want.n {
				t.Errorf("%d certificates were issued, want %d", got, want.n)
			}
			f.stop()
			f.start(f.wire)
		}
		if n := one.refusals(); n != 0 {
			t.Errorf("the CA refused %d orders by its limits", n)
		}
	})
}

// TestRefusalIsHeededByAll: where the limits are not known, the first refusal
// tells all whom it concerns.
func TestRefusalIsHeededByAll(t *testing.T) {
	limits := fakeca.Limits{Domain: 10, DomainPer: 7 * day, RenewalsFree: true}
	inFleet(t, map[string]fakeca.Options{"one": {Limits: limits}}, func(f *fleet) {
		f.config = domainOf(40, "names_per_order: 100") + "  other.org:\n"
		f.start(f.wire)
		time.Sleep(12 * time.Hour)
		one := f.cas["one"]
		// Twenty orders are under way at once, and the CA counts what it signed.
		if got := len(one.Issuances()); got < 11 || got > 21 {
			t.Errorf("%d certificates were issued", got)
		}
		if n := one.refusals(); n == 0 || n > 20 {
			t.Errorf("the CA refused %d orders by its limits", n)
		}
	})
}

// TestFailuresAreReturned: orders that came to nothing cost no certificates, so
// that a name that was mended gets one at once.
func TestFailuresAreReturned(t *testing.T) {
	var mended atomic.Bool
	validate := func(context.Context, string, string, string, string) error {
		if mended.Load() {
			return nil
		}
		return errors.New("nothing there")
	}
	limits := fakeca.Limits{SameNames: 1, SameNamesPer: 7 * day, Failures: 5, FailuresPer: time.Hour}
	inFleet(t, map[string]fakeca.Options{"one": {Limits: limits, Validate: validate}}, func(f *fleet) {
		f.config = domainOf(1, "limits: {same_names: 1/7d, failures: 5/1h}")
		f.start(f.wire)
		time.Sleep(3 * time.Hour)
		mended.Store(true)
		time.Sleep(30 * time.Hour)
		if got := len(f.cas["one"].Issuances()); got != 1 {
			t.Errorf("%d certificates were issued, want 1", got)
		}
	})
}

// domainOf is a config of n certificates below one domain.
func domainOf(n int, issuer string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "issuers: {one: {directory: \"https://one.test/directory\", %s}}\n", issuer)
	b.WriteString("defaults: {path: $DIR/out, renew: {ari: false}, issuer: [one]}\ncertificates:\n")
	for i := range n {
		fmt.Fprintf(&b, "  n%02d.example.com:\n", i)
	}
	return b.String()
}
