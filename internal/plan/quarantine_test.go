package plan_test

import (
	"strings"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
)

// An order that only has names proven is sent when the CA would also sign for
// them: it refuses it by the same limits. It takes an order, and no more.
func TestProofsKeepToLimits(t *testing.T) {
	t.Parallel()
	domain := plan.Spending{Kind: plan.LimitDomain, Whom: "smtp.example", Limit: published().Domain}
	failures := plan.Spending{Kind: plan.LimitFailures, Whom: "smtp.example", Limit: published().Failures}
	other := plan.Spending{Kind: plan.LimitDomain, Whom: "mail.example", Limit: published().Domain}
	for _, c := range []struct {
		name  string
		spent plan.Spending
		count int
		free  time.Duration // from when on there is room; 0: there is
		words string
	}{
		{"nothing is spent", domain, 0, 0, ""},
		{"one is left", domain, 49, 0, ""},
		{"none is left", domain, 50, days(7) / 50, "certificate below smtp.example"},
		{"another domain", other, 50, 0, ""},
		{"the name failed too often", failures, 5, 12 * time.Minute, "failed proof of smtp.example"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for _, kind := range []plan.Kind{plan.KindReadmit, plan.KindAuthorize} {
				s := proving("smtp.example")
				if kind == plan.KindReadmit {
					s = quiet()
					s.want.Quarantine, s.want.Protected = true, []string{"mail.example"}
					s.known.Aside = map[string]plan.Aside{"smtp.example": {Since: day(1)}}
				}
				s.want.Domains = []string{"mail.example", "smtp.example"}
				var k plan.KnownIssuer
				for range c.count {
					k = k.Count(s.now, []plan.Spending{c.spent})
				}
				s.issuers["le"] = k
				w := s.world()
				w.Wanted.Limits = map[string]plan.Limits{"le": published()}
				var found []plan.Step
				for _, step := range plan.Make(s.now, w) {
					if step.Kind == kind {
						found = append(found, step)
					}
				}
				if len(found) != 1 {
					t.Fatalf("%d steps of kind %s", len(found), kind)
				}
				step := found[0]
				if wait := step.At.Sub(s.now); wait != c.free || step.Limited != (c.free > 0) || !strings.Contains(step.Reason.Words, c.words) {
					t.Errorf("%s waits %v (limited: %v): %q; want %v, %q", kind, wait, step.Limited, step.Reason.Words, c.free, c.words)
				}
				if got := plan.SpentKeys(w.Spends(s.want, step)); len(got) != 1 || got[0] != string(plan.LimitOrders) {
					t.Errorf("%s spends %q", kind, got)
				}
			}
		})
	}
}

// What is ordered has no common name that is set aside.
func TestCommonNameSetAside(t *testing.T) {
	t.Parallel()
	want := plan.WantedCert{Names: []string{"a.example", "b.example"}, CommonName: "a.example", CommonNameGiven: true, Quarantine: true, Protected: []string{"b.example"}}
	known := &plan.KnownCert{Aside: map[string]plan.Aside{"a.example": {Since: day(1)}}}
	if got := plan.Effective(want, known); len(got.Names) != 1 || got.CommonName != "" || got.CommonNameGiven {
		t.Errorf("ordered are %q with the common name %q", got.Names, got.CommonName)
	}
	want.Protected = append(want.Protected, "a.example")
	if got := plan.Effective(want, known); len(got.Names) != 2 || got.CommonName != "a.example" {
		t.Errorf("ordered are %q with the common name %q", got.Names, got.CommonName)
	}
}

// TestFailuresOfNamesAreCounted: a CA or a name server that has trouble in between
// does not begin the count anew; a proof that fails for another name does.
func TestFailuresOfNamesAreCounted(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		failed [][]string // attempt by attempt; nil: for something else
		want   int
	}{
		{[][]string{{"old"}, {"old"}}, 2},
		{[][]string{{"old"}, nil, {"old"}, nil, {"old"}}, 3},
		{[][]string{{"old"}, {"old"}, {"other"}, {"old"}}, 1},
		{[][]string{{"old", "other"}, {"other"}}, 0},
		{[][]string{nil}, 0},
	} {
		var k plan.KnownCert
		for _, names := range c.failed {
			k.NamesFailed(names)
		}
		if k.Failing["old"] != c.want {
			t.Errorf("%q: %d, want %d", c.failed, k.Failing["old"], c.want)
		}
	}
}

// A node that answers no challenges asks one CA after another whether a name that
// was set aside has been proven by somebody else; it sets none aside.
func TestReadmitWithoutChallenges(t *testing.T) {
	t.Parallel()
	s := quiet()
	s.want.Quarantine, s.want.NoSolve = true, true
	s.known.Failing = map[string]int{"smtp.example": 5}
	s.none(t, plan.KindAside)
	s.known.Aside = map[string]plan.Aside{"smtp.example": {Since: day(1)}}
	var asked []string
	for range 8 {
		step := s.the(t, plan.KindReadmit)
		if len(asked) == 0 || asked[len(asked)-1] != step.Issuer {
			asked = append(asked, step.Issuer)
		}
		aside := s.known.Aside["smtp.example"]
		aside.Tries = aside.Tries.Begin(s.now, 0)
		aside.Tries.Issuer = step.Issuer
		aside.Tries = aside.Tries.Failed(s.now, plan.Fault{Code: plan.CodeNotProven}, time.Time{})
		s.known.Aside["smtp.example"] = aside
	}
	if got := strings.Join(asked, " "); !strings.HasPrefix(got, "le corp le") {
		t.Errorf("asked were %s", got)
	}
}
