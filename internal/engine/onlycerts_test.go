package engine

import (
	"slices"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/bindtest"
	"github.com/certkeep/certkeep/internal/plan"
)

// TestOnlyCertsWaitsForTLSA: a pass that may not touch TLSA records issues, and
// publishes nothing; that is no state that anybody has to guess.
func TestOnlyCertsWaitsForTLSA(t *testing.T) {
	d := newDANE(t, bindtest.Zone{})
	d.serve("", "")
	certs := []plan.Kind{plan.KindAdopt, plan.KindIssue, plan.KindResume, plan.KindPublish, plan.KindKeys}
	var report Report
	pass := func(kinds ...plan.Kind) {
		t.Helper()
		var err error
		if report, err = d.Apply(t.Context(), nil, Only{Kinds: kinds}); err != nil || report.Failed {
			t.Fatalf("%v %+v", err, report.Done)
		}
	}
	for range 2 {
		pass(certs...)
		if got := plan.WaitsForTLSA(time.Now(), report.World); !slices.Equal(got, []string{"a.test"}) {
			t.Errorf("%q wait for TLSA records, want a.test", got)
		}
		if k := d.known("a.test"); k.Published != "" || len(k.Versions) != 1 {
			t.Errorf("published %q of %d versions", k.Published, len(k.Versions))
		}
	}
	pass(append(certs, plan.KindLookTLSA, plan.KindTLSA)...)
	if got := plan.WaitsForTLSA(time.Now(), report.World); len(got) != 0 {
		t.Errorf("%q still wait", got)
	}
	if k := d.known("a.test"); k.Published == "" {
		t.Error("nothing is published")
	}
}
