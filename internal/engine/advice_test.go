package engine

import (
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
)

// What a process was told and could not store, it remembers. What it has read
// from the store, perhaps written under a clock that was ahead, gives way to
// what the store says now.
func TestKeepTransientAdvice(t *testing.T) {
	t.Parallel()
	now := time.Now()
	certWith := func(a plan.Advice) *plan.KnownCert {
		a.CertID = "id"
		return &plan.KnownCert{
			Published: "v", Versions: []plan.Version{{ID: "v", Pairs: []plan.Pair{{KeyType: "rsa-2048", CertID: "id"}}}},
			Advice: map[string]plan.Advice{"rsa-2048": a},
		}
	}
	for name, c := range map[string]struct {
		from plan.Advice
		want time.Time
	}{
		"told, and not stored":         {plan.Advice{Asked: now.Add(time.Minute), Unstored: true}, now.Add(time.Minute)},
		"not stored, but stored since": {plan.Advice{Asked: now.Add(-time.Minute), Unstored: true}, now},
		"read under a clock ahead":     {plan.Advice{Asked: now.Add(1000 * time.Hour)}, now},
	} {
		to := certWith(plan.Advice{Asked: now})
		keepTransient(to, certWith(c.from))
		if got := to.Advice["rsa-2048"].Asked; !got.Equal(c.want) {
			t.Errorf("%s: asked %v, want %v", name, got, c.want)
		}
	}
}
