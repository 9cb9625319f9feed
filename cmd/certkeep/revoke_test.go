package main

import (
	"strings"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
)

// TestReplacementIsNotRevoked: whoever asks again while the CA is down is told what
// stays.
func TestReplacementIsNotRevoked(t *testing.T) {
	later := time.Now().Add(time.Hour)
	old := plan.Pair{SHA256: "a", Serial: "01", NotAfter: later}
	world := func(first plan.Pair, under ...plan.Revocation) plan.World {
		return plan.World{Known: plan.Known{Certs: map[string]*plan.KnownCert{"www": {
			Published: "V2", Revocations: under,
			Versions: []plan.Version{{ID: "V1", Pairs: []plan.Pair{first}}, {ID: "V2", Pairs: []plan.Pair{{SHA256: "b", Serial: "02", NotAfter: later}}}},
		}}}}
	}
	for _, c := range []struct {
		world plan.World
		want  string
	}{
		{world(old), ""}, // it is about what is published
		{world(old, plan.Revocation{SHA256: "a"}), "serial 02 stays"},
		{world(plan.Pair{SHA256: "a", NotAfter: later.Add(-2 * time.Hour)}, plan.Revocation{SHA256: "a"}), ""}, // it has ended
	} {
		about, err := toRevoke(c.world, []string{"www"})
		if err != nil {
			t.Fatal(err)
		}
		if said := strings.Join(notRevoked(c.world, about), "\n"); (said == "") != (c.want == "") || !strings.Contains(said, c.want) {
			t.Errorf("it says %q, want %q", said, c.want)
		}
	}
}
