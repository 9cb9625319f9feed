package plan_test

import (
	"slices"
	"testing"

	"github.com/certkeep/certkeep/internal/plan"
)

// What --only leaves waiting for TLSA records is told: neither what has not
// been issued, nor what waits for caches alone.
func TestWaitsForTLSA(t *testing.T) {
	t.Parallel()
	l := newDANELife(t, "3 1 1")
	l.known.Published, l.known.Versions, l.known.Targets, l.on, l.serves = "", nil, map[string]plan.Target{}, map[string]string{}, ""
	l.shows, l.lossy = []daneSet{{records: []string{"3 1 1 foreign"}}}, true
	waits := func(want ...string) {
		t.Helper()
		if got := plan.WaitsForTLSA(l.now, l.world()); !slices.Equal(got, want) {
			t.Errorf("%q wait, want %q", got, want)
		}
	}
	waits()
	for _, s := range l.steps() {
		if s.Kind == plan.KindIssue {
			l.do(s)
		}
	}
	waits(l.want.Name)
	l.until(l.now)
	waits()
	l.until(l.now.Add(2 * tlsaTTL))
	waits()
}
