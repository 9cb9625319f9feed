package plan_test

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
)

// proving is a scene of names that are kept proven.
func proving(names ...string) *scene {
	s := quiet()
	s.want = plan.WantedCert{Name: "authorizations", Names: names, Issuers: []string{"le"}, Authorize: true, PerOrder: 2}
	s.known = plan.KnownCert{Name: "authorizations", Authorized: map[string]plan.Authorized{}, Tries: map[string]plan.Tries{}}
	return s
}

// orders are the names of the steps that are due.
func (s *scene) orders() [][]string {
	var orders [][]string
	for _, step := range s.steps() {
		if step.Kind == plan.KindAuthorize && step.Due(s.now) {
			orders = append(orders, step.Names)
		}
	}
	return orders
}

func TestNamesShareOrders(t *testing.T) {
	t.Parallel()
	s := proving("a.x", "*.a.x", "b.a.x", "*.x", "c.y")
	want := [][]string{{"a.x", "*.a.x"}, {"b.a.x", "*.x"}, {"c.y"}}
	if got := s.orders(); !slices.EqualFunc(got, want, slices.Equal) {
		t.Errorf("orders are %q, want %q", got, want)
	}
	// One that failed keeps no other from being proven.
	s.known.Tries["a.x"] = plan.Tries{Count: 1, Last: s.now.Add(-time.Hour), NotBefore: s.now.Add(-time.Minute), Fault: &plan.Fault{Code: plan.CodeChallenge}}
	want = [][]string{{"a.x"}, {"*.a.x", "*.x"}, {"b.a.x", "c.y"}}
	if got := s.orders(); !slices.EqualFunc(got, want, slices.Equal) {
		t.Errorf("orders are %q, want %q", got, want)
	}
	if p := s.problems(); len(p) != 1 || p[0].Code != plan.CodeChallenge || p[0].Severity != plan.Critical {
		t.Errorf("problems are %+v", p)
	}
}

func TestWhenNamesAreProvenAgain(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		known plan.Authorized
		want  time.Time
	}{
		"thirty days":          {plan.Authorized{Issuer: "le", At: day(10), Expires: day(40)}, day(30)},
		"what is left of them": {plan.Authorized{Issuer: "le", At: day(30), Expires: day(36)}, day(34)},
		"seven hours":          {plan.Authorized{Issuer: "le", At: day(10), Expires: day(10).Add(6 * time.Hour)}, day(10).Add(4 * time.Hour)},
		"nearly nothing":       {plan.Authorized{Issuer: "le", At: day(10), Expires: day(10).Add(12 * time.Minute)}, day(10).Add(10 * time.Minute)},
		"less than we ask":     {plan.Authorized{Issuer: "le", At: day(10), Expires: day(10).Add(5 * time.Minute)}, day(10).Add(5 * time.Minute)},
		"ended when asked":     {plan.Authorized{Issuer: "le", At: day(10), Expires: day(9)}, day(10).Add(10 * time.Minute)},
		"the CA says nothing":  {plan.Authorized{Issuer: "le", At: day(10)}, day(11)},
		"another issuer's":     {plan.Authorized{Issuer: "corp", At: day(10), Expires: day(40)}, day(10)},
		"under a clock ahead":  {plan.Authorized{Issuer: "le", At: day(100), Expires: day(130)}, day(10)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := proving("a.x")
			s.known.Authorized["a.x"] = c.known
			if c.known.At.Before(day(50)) {
				s.now = c.known.At
			}
			at(t, s.the(t, plan.KindAuthorize), c.want)
			s.now = s.now.Add(time.Second)
			s.ask(plan.AskApply, s.now)
			at(t, s.the(t, plan.KindAuthorize), s.now)
		})
	}
}

// TestFollower orders, and answers no challenge: it neither keeps names proven
// nor takes answers away.
func TestFollower(t *testing.T) {
	t.Parallel()
	s := proving("a.x")
	s.want.NoSolve = true
	if steps := s.steps(); len(steps) != 0 {
		t.Errorf("steps are %+v", steps)
	}
	s = quiet()
	s.want.NoSolve = true
	s.known.Presented = []plan.Presented{{Type: "dns-01", Name: "mail.example"}}
	s.none(t, plan.KindCleanUp)
	s.now = day(89)
	if got := s.due(); !slices.Contains(got, plan.KindIssue) {
		t.Errorf("due are %v", got)
	}
}

// TestNodeThatMayNotOrder installs what is there, and says what is missing.
func TestNodeThatMayNotOrder(t *testing.T) {
	t.Parallel()
	s := quiet()
	s.want.NoIssue = true
	if steps := s.all(plan.KindIssue); len(steps) != 0 {
		t.Errorf("steps are %+v", steps)
	}
	if p := s.problems(); len(p) != 0 {
		t.Errorf("problems are %+v", p)
	}
	s.now = day(89)
	s.ask(plan.AskRenew, s.now.Add(-time.Second))
	s.none(t, plan.KindIssue)
	s.none(t, plan.KindAdvice)
	if !slices.ContainsFunc(s.problems(), func(p plan.Problem) bool { return p.Code == plan.CodeMayNotIssue }) {
		t.Errorf("problems are %+v", s.problems())
	}
}

// TestProblemsNameTheirNames: what hinders a name is told of it, also where the
// next one is hindered likewise.
func TestProblemsNameTheirNames(t *testing.T) {
	t.Parallel()
	s := proving("a.x", "b.x", "c.x")
	fault := plan.Fault{Code: plan.CodeNetwork, Words: "fetch the directory", At: s.now}
	for _, name := range []string{"a.x", "b.x"} {
		s.known.Tries[name] = plan.Tries{Count: 1, Fault: &fault}
	}
	s.known.Authorized["a.x"] = plan.Authorized{Issuer: "le", At: s.now, Expires: s.now.Add(30 * 24 * time.Hour)}
	got := map[string]plan.Severity{}
	for _, p := range s.problems() {
		got[p.Target] = p.Severity
	}
	if want := map[string]plan.Severity{"a.x": plan.Warning, "b.x": plan.Critical}; !maps.Equal(got, want) {
		t.Errorf("problems of %v, want %v", got, want)
	}
}
