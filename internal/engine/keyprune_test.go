package engine

import (
	"fmt"
	"testing"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/plan"
)

// TestPruneLeavesKeysTakenOver drops the version whose key was its own alone
// when it was issued. Keys that certificates share took that key over, and have
// moved on twice since; versions issued meanwhile are still on it.
func TestPruneLeavesKeysTakenOver(t *testing.T) {
	const shared = "keys: {both: {}}\nkeep: {versions: %d}\ncertificates: {a.test: {key: both}, b.test: {key: both}}\n"
	for name, between := range map[string][]plan.AskKind{
		"of the same certificate": {plan.AskRenew, plan.AskRollover, plan.AskRollover, plan.AskRenew},
		"of another certificate":  {plan.AskRollover, plan.AskRollover, plan.AskRenew},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, acmetest.Options{})
			f.configure("certificates: {a.test: {}}\n")
			f.apply()
			f.configure(fmt.Sprintf(shared, len(between)))
			f.apply()
			for _, ask := range between {
				f.ask(ask, "a.test")
				f.apply()
			}
			if n := len(f.known("a.test").Versions); n != len(between) {
				t.Fatalf("%d versions are kept, want %d", n, len(between))
			}
			referrers, err := f.store.References(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for key, who := range referrers {
				if _, err := f.store.Key(t.Context(), key); err != nil {
					t.Errorf("%q refer to a key that is gone: %v", who, err)
				}
			}
		})
	}
}
