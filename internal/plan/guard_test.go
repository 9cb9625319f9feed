package plan_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
)

func TestGuardLimit(t *testing.T) {
	t.Parallel()
	for life, want := range map[time.Duration]int{
		0: 3, -days(1): 3, days(90): 3, days(45): 3, days(10): 4, days(6): 6, days(2): 14, days(1): 28, 30 * time.Second: 80640,
	} {
		if got := plan.GuardLimit(life); got != want {
			t.Errorf("certificates of %s: %d issues in 7 days, want %d", life, got, want)
		}
	}
}

// issued are automatic issues of the scene's names, so many days ago.
func issued(s *scene, life time.Duration, ago ...float64) []plan.Issued {
	var all []plan.Issued
	for _, n := range ago {
		all = append(all, plan.Issued{At: s.now.Add(-days(n)), Names: plan.Sorted(s.want.Names), KeyType: ec, Lifetime: life})
	}
	return all
}

func TestGuard(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		disturb func(*scene)
		wait    time.Duration
	}{
		{"two issues", func(s *scene) { s.known.Issued = issued(s, days(90), 2, 1) }, 0},
		{"three", func(s *scene) { s.known.Issued = issued(s, days(90), 3, 2, 1) }, days(4)},
		{"three, stored out of order", func(s *scene) { s.known.Issued = issued(s, days(90), 1, 3, 2) }, days(4)},
		{"four", func(s *scene) { s.known.Issued = issued(s, days(90), 4, 3, 2, 1) }, days(4)},
		{"three, one of them long ago", func(s *scene) { s.known.Issued = issued(s, days(90), 7, 2, 1) }, 0},
		{"three, while the clock was a year ahead", func(s *scene) { s.known.Issued = issued(s, days(90), -365, -365, -365) }, 0},
		{"three of other names", func(s *scene) {
			s.known.Issued = issued(s, days(90), 3, 2, 1)
			s.known.Issued[0].Names = []string{"other.example"}
		}, 0},
		{"three of another key type", func(s *scene) {
			s.known.Issued = issued(s, days(90), 3, 2, 1)
			s.known.Issued[0].KeyType = rsa
		}, 0},
		{"five of six days", func(s *scene) { s.known.Issued = issued(s, days(6), 5, 4, 3, 2, 1) }, 0},
		{"six of six days", func(s *scene) { s.known.Issued = issued(s, days(6), 6, 5, 4, 3, 2, 1) }, days(1)},
		{"asked to renew", func(s *scene) {
			s.known.Issued = issued(s, days(90), 3, 2, 1)
			s.ask(plan.AskRenew, s.now)
		}, 0},
		{"asked to look now", func(s *scene) {
			s.known.Issued = issued(s, days(90), 3, 2, 1)
			s.ask(plan.AskApply, s.now)
		}, 0},
		{"asked to renew, and one attempt failed since", func(s *scene) {
			s.known.Issued = issued(s, days(90), 3, 2, 1)
			s.ask(plan.AskRenew, s.now.Add(-time.Hour))
			s.tries(failed(1, s.now))
		}, time.Minute},
		{"an order is open already", func(s *scene) {
			s.known.Issued = issued(s, days(90), 3, 2, 1)
			s.known.Orders = map[string]plan.Order{ec: {Issuer: "le", URL: "https://ca/1", Request: s.want.Request()}}
		}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := quiet()
			s.now = day(61)
			c.disturb(s)
			steps := slices.Concat(s.all(plan.KindIssue), s.all(plan.KindResume))
			if len(steps) != 1 {
				t.Fatalf("steps %v", steps)
			}
			at(t, steps[0], s.now.Add(c.wait))
		})
	}
}

func TestGuardIsAProblem(t *testing.T) {
	t.Parallel()
	s := quiet()
	s.now = day(61)
	s.known.Issued = issued(s, days(90), 3, 2, 1)
	if !strings.Contains(s.the(t, plan.KindIssue).Reason.Words, "too many issues") {
		t.Error("the step does not say why it waits")
	}
	p := problem(t, s, plan.CodeGuard)
	if p.Severity != plan.Warning || !strings.Contains(p.Words, "2027-03-07") {
		t.Errorf("problem %+v, want a warning that names the day", p)
	}
	s.now = day(30)
	s.known.Issued = issued(s, days(90), 3, 2, 1)
	if slices.ContainsFunc(s.problems(), func(p plan.Problem) bool { return p.Code == plan.CodeGuard }) {
		t.Error("a problem although nothing is due")
	}
}
