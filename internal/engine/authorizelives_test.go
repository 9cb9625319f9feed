package engine

import (
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/config"
)

// TestSweepAuthorizations sweeps the proofs of names without a certificate, one
// of which has another certificate beside it: in the end both are proven, and
// the only order that was finalised is that of the certificate.
func TestSweepAuthorizations(t *testing.T) {
	l := newLife(t)
	l.certs = []string{config.AuthorizationsName, "c.test"}
	l.config = "authorizations: [a.test, b.test]\ncertificates: {c.test: {}}\n"
	l.judge = func(f *fixture) {
		f.Helper()
		f.checkServed("c.test")
		f.checkProven("a.test", "b.test")
	}
	l.prepare(t, func(*fixture) {})
	l.sweep(t, 11)
}

// TestSweepAuthorizationsAlone sweeps them where there is nothing else to do.
func TestSweepAuthorizationsAlone(t *testing.T) {
	l := newLife(t)
	l.orders, l.certs = 0, []string{config.AuthorizationsName}
	l.config = "authorizations: [a.test, b.test]\n"
	l.judge = func(f *fixture) {
		f.Helper()
		f.checkProven("a.test", "b.test")
	}
	l.prepare(t, func(*fixture) {})
	l.sweep(t, 7)
}

// checkProven fails the test unless these names and no others are proven, and
// nothing of it is left to do.
func (f *fixture) checkProven(names ...string) {
	f.Helper()
	k := f.known(config.AuthorizationsName)
	for _, name := range names {
		if a := k.Authorized[name]; a.Issuer != "pebble" || !a.Expires.After(time.Now()) {
			f.Errorf("%s: %+v", name, a)
		}
	}
	if len(k.Authorized) != len(names) || len(k.Tries)+len(k.Orders)+len(k.Presented)+len(k.Versions) != 0 {
		f.Errorf("known %+v", k)
	}
}
