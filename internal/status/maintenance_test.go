package status_test

import (
	"strings"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/status"
)

// Renewals are foreseen inside of their windows, also those after the next one.
func TestForeseenInTheirWindows(t *testing.T) {
	w := world(func(want *plan.WantedCert, _ *plan.KnownCert) {
		want.Maintenance = plan.Maintenance{{Days: []time.Weekday{time.Saturday}, From: 120, To: 300, Zone: time.UTC}}
	})
	issues := 0
	for _, s := range status.Foresee(now, w, now.Add(300*day)).Steps {
		if s.Kind != plan.KindIssue {
			continue
		}
		issues++
		if s.At.Weekday() != time.Saturday || s.At.Hour() != 2 || !strings.Contains(s.Reason.Words, "waits for the maintenance window") {
			t.Errorf("foreseen at %s: %s", s.At, s.Reason.Words)
		}
	}
	if issues < 3 {
		t.Errorf("%d renewals are foreseen in 300 days", issues)
	}
}

// What is renewed by hand says so.
func TestManualIsTold(t *testing.T) {
	w := world(func(want *plan.WantedCert, _ *plan.KnownCert) { want.Mode = plan.ModeManual })
	r := status.Of(now, w).Certificates[0].Renewal
	if r == nil || !strings.Contains(r.Reason.Words, "only when asked") {
		t.Errorf("renewal %+v", r)
	}
}
