package plan_test

import (
	"strings"
	"testing"

	"github.com/certkeep/certkeep/internal/plan"
)

// What is renewed by hand is ordered only when a person asks, and told as due.
func TestManualRenewsOnlyWhenAsked(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		disturb  func(*scene)
		issues   bool
		severity plan.Severity // of the problem that tells that it is due; "" for none
	}{
		{"nothing is due", func(*scene) {}, false, ""},
		{"due", func(s *scene) { s.now = day(61) }, false, plan.Warning},
		{"in the last third of the warning window", func(s *scene) { s.now = day(88) }, false, plan.Critical},
		{"ended", func(s *scene) { s.now = day(91) }, false, plan.Critical},
		{"missing", func(s *scene) { s.known = plan.KnownCert{Looked: true} }, false, plan.Critical},
		{"revoked", func(s *scene) { s.v1().Revoked = true }, false, plan.Critical},
		{"a name was added", func(s *scene) { s.want.Names = append(s.want.Names, "new.example") }, false, plan.Warning},
		{"asked for", func(s *scene) { s.ask(plan.AskRenew, s.now) }, true, ""},
		{"due and named", func(s *scene) { s.now = day(61); s.ask(plan.AskApply, s.now) }, true, ""},
		{"an order was begun", func(s *scene) {
			s.now = day(61)
			s.known.Orders = map[string]plan.Order{ec: {Issuer: "le", URL: "https://ca/1", Request: s.want.Request()}}
		}, true, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := quiet()
			s.want.Mode = plan.ModeManual
			c.disturb(s)
			issues := 0
			for _, step := range s.steps() {
				if step.Kind == plan.KindIssue || step.Kind == plan.KindResume {
					issues++
				}
			}
			if c.issues != (issues > 0) {
				t.Errorf("%d orders are planned", issues)
			}
			var told plan.Problem
			for _, p := range s.problems() {
				if p.Code == plan.CodeDue {
					told = p
				}
			}
			if told.Severity != c.severity || c.severity != "" && !strings.Contains(told.Words, "mode: manual") {
				t.Errorf("told %+v, want severity %q", told, c.severity)
			}
		})
	}
}

// A failure of what was asked for is told instead, and is not tried again.
func TestManualTellsItsFailure(t *testing.T) {
	t.Parallel()
	s := quiet()
	s.now, s.want.Mode = day(61), plan.ModeManual
	s.tries(failed(1, s.now.Add(-days(1))))
	s.none(t, plan.KindIssue)
	if p := problem(t, s, plan.CodeCAError); !strings.Contains(p.Words, "only when asked") {
		t.Errorf("words %q", p.Words)
	}
}
