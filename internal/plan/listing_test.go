package plan_test

import (
	"slices"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
)

// Revocation lists are looked at where that is wanted: at once for a new
// certificate, then when the list says, and after a failure when it may be tried.
func TestRevocationListsAreLookedAt(t *testing.T) {
	t.Parallel()
	listing := func(l plan.Listing) func(*scene) {
		return func(s *scene) { s.known.List(*s.v1(), func(plan.Listing) plan.Listing { return l }) }
	}
	failed := plan.Tries{}.Begin(day(10), 0).Failed(day(10), plan.Fault{Code: plan.CodeCRL, Words: "x"}, time.Time{})
	for _, c := range []struct {
		name    string
		disturb func(*scene)
		from    time.Time // the zero time: never
	}{
		{"not wanted", func(s *scene) { s.want.Renew.CRL = false }, time.Time{}},
		{"never looked at", func(*scene) {}, day(10)},
		{"of another certificate", func(s *scene) {
			listing(plan.Listing{Asked: day(10), AskAgain: day(11)})(s)
			s.v1().SHA256 = "cd"
		}, day(10)},
		{"looked at", listing(plan.Listing{Asked: day(10), AskAgain: day(11)}), day(11)},
		{"looked at under a clock that was ahead", listing(plan.Listing{Asked: day(100), AskAgain: day(101)}), day(10)},
		{"failed", listing(plan.Listing{Tries: failed}), day(10).Add(time.Minute)},
		{"it names none", listing(plan.Listing{Missing: true}), time.Time{}},
		{"revoked", func(s *scene) { s.v1().Revoked = true }, time.Time{}},
		{"ended", func(s *scene) { s.now = day(91) }, time.Time{}},
	} {
		s := quiet()
		s.want.Renew.CRL, s.v1().SHA256 = true, "ab"
		c.disturb(s)
		steps := s.all(plan.KindCRL)
		switch {
		case c.from.IsZero() && len(steps) > 0, !c.from.IsZero() && len(steps) != 1:
			t.Errorf("%s: %v", c.name, steps)
		case c.from.IsZero():
		case steps[0].At.Before(c.from) || steps[0].At.After(c.from.Add(time.Hour)):
			t.Errorf("%s: at %s, want %s and an hour", c.name, steps[0].At, c.from)
		}
	}
	s := quiet()
	s.want.Renew.CRL, s.v1().SHA256 = true, "ab"
	for n, want := range []int{0, 0, 0, 1} {
		l := plan.Listing{Tries: failed}
		l.Tries.Count = n
		listing(l)(s)
		got := slices.DeleteFunc(s.problems(), func(p plan.Problem) bool { return p.Code != plan.CodeCRL })
		if len(got) != want {
			t.Errorf("after %d failures: %v", n, got)
		}
	}
}
