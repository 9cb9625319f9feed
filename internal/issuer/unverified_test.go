package issuer

import (
	"testing"

	"github.com/certkeep/certkeep/internal/acmetest"
)

// A CA whose certificate leads to no known root is refused, unless it is to be
// believed unseen.
func TestUnverified(t *testing.T) {
	pebble := acmetest.Start(t, acmetest.Options{})
	for _, unverified := range []bool{false, true} {
		ca, err := New(Config{ID: "pebble", Directory: pebble.DirectoryURL(), UserAgent: userAgent, Unverified: unverified})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(ca.Close)
		if _, err := ca.directory(t.Context()); (err == nil) != unverified {
			t.Errorf("unverified %t: %v", unverified, err)
		}
	}
}
