package sim

import (
	"crypto/x509"
	"encoding/pem"
	"testing"
)

// TestAuthoritiesAreOfTheirTime: a client that goes by a CA's own certificate,
// as TLSA records of it ask for, can do so from the first day on.
func TestAuthoritiesAreOfTheirTime(t *testing.T) {
	w := newWorld(t, Options{Seed: 1, Years: 1, Certificates: 1})
	for _, name := range caNames() {
		block, _ := pem.Decode(w.cas[name].RootPEM())
		if block == nil {
			t.Fatalf("the root of %s is no PEM", name)
		}
		root, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		if root.NotBefore.After(dawn()) || root.NotAfter.Before(dawn().AddDate(30, 0, 0)) {
			t.Errorf("the root of %s is valid from %s to %s, the world begins on %s", name, root.NotBefore, root.NotAfter, dawn())
		}
	}
}
