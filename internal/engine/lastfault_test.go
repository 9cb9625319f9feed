package engine

import (
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
)

// TestHooksAreToldOfTheLastFailure: of several that stand the latest, be it of
// an order or of an OCSP response.
func TestHooksAreToldOfTheLastFailure(t *testing.T) {
	at := time.Now()
	tries := func(after time.Duration, code plan.Code) plan.Tries {
		return plan.Tries{Fault: &plan.Fault{Code: code, At: at.Add(after)}}
	}
	k := &plan.KnownCert{Tries: map[string]plan.Tries{"a": tries(time.Hour, plan.CodeCAA), "b": tries(0, plan.CodeNetwork), "c": {}}}
	for range 20 { // maps have no order
		if got := lastFault(k); got.Code != plan.CodeCAA {
			t.Fatalf("told of %s", got.Code)
		}
	}
	k.OCSP = map[string]plan.Staple{"a": {Tries: tries(2*time.Hour, plan.CodeOCSP)}}
	if got := lastFault(k); plan.OldReason("errored", got.Code) != "ocsp-errored" {
		t.Errorf("told of %s", got.Code)
	}
	if lastFault(&plan.KnownCert{}) != nil {
		t.Error("nothing failed")
	}
}
