package plan_test

import (
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
)

// A CA is told of another contact once, with the usual backoff; nothing waits
// for it.
func TestContactIsToldOnce(t *testing.T) {
	t.Parallel()
	const old, next = "old@example.com", "new@example.com"
	failed := func(wish string, at time.Time) *plan.Contact {
		fault := plan.Fault{Code: plan.CodeAccount, Words: "no such domain", At: at}
		return &plan.Contact{Email: old, Wish: wish, Tries: plan.Tries{}.Begin(at, 0).Failed(at, fault, time.Time{})}
	}
	for _, c := range []struct {
		name    string
		email   string
		known   func(s *scene) plan.KnownIssuer
		at      time.Duration // from now; negative for no step
		problem bool
	}{
		{"no account yet", next, func(*scene) plan.KnownIssuer { return plan.KnownIssuer{} }, -1, false},
		{"the same", old, func(*scene) plan.KnownIssuer { return plan.KnownIssuer{Contact: &plan.Contact{Email: old}} }, -1, false},
		{"another", next, func(*scene) plan.KnownIssuer { return plan.KnownIssuer{Contact: &plan.Contact{Email: old}} }, 0, false},
		{"none any more", "", func(*scene) plan.KnownIssuer { return plan.KnownIssuer{Contact: &plan.Contact{Email: old}} }, 0, false},
		{"one for the first time", next, func(*scene) plan.KnownIssuer { return plan.KnownIssuer{Contact: &plan.Contact{}} }, 0, false},
		{"it failed", next, func(s *scene) plan.KnownIssuer { return plan.KnownIssuer{Contact: failed(next, s.now)} }, time.Minute, true},
		{"an earlier wish failed", next, func(s *scene) plan.KnownIssuer {
			return plan.KnownIssuer{Contact: failed("typo@example.con", s.now)}
		}, 0, false},
		{"the change was taken back after it failed", old, func(s *scene) plan.KnownIssuer { return plan.KnownIssuer{Contact: failed(next, s.now)} }, -1, false},
		{"the CA asked to be left alone", next, func(s *scene) plan.KnownIssuer {
			return plan.KnownIssuer{Contact: &plan.Contact{Email: old}, NotBefore: s.now.Add(time.Hour), At: s.now}
		}, time.Hour, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := quiet()
			s.want.Contacts = []plan.WantedContact{{Issuer: "le", Email: c.email}}
			s.issuers["le"] = c.known(s)
			steps := s.all(plan.KindContact)
			if c.at < 0 {
				if len(steps) > 0 {
					t.Errorf("planned %+v", steps)
				}
			} else if step := s.the(t, plan.KindContact); step.Issuer != "le" || !step.At.Equal(s.now.Add(c.at)) {
				t.Errorf("planned %+v, want it in %s", step, c.at)
			}
			told := false
			for _, p := range s.problems() {
				told = told || p.Code == plan.CodeContact && p.Severity == plan.Warning
			}
			if told != c.problem {
				t.Errorf("told as a problem: %t", told)
			}
			s.want.NoIssue = true
			if len(s.all(plan.KindContact)) > 0 {
				t.Error("a node that orders nothing tells CAs")
			}
		})
	}
}

// An order is made first, and a failure to tell of a contact delays none.
func TestContactComesBehindOrders(t *testing.T) {
	t.Parallel()
	s := quiet()
	s.now = day(61)
	s.want.Contacts = []plan.WantedContact{{Issuer: "le", Email: "new@example.com"}}
	s.issuers["le"] = plan.KnownIssuer{Contact: &plan.Contact{}}
	var kinds []plan.Kind
	for _, step := range plan.Cert(s.now, s.world(), s.want) {
		if step.Kind == plan.KindIssue || step.Kind == plan.KindContact {
			kinds = append(kinds, step.Kind)
		}
	}
	if len(kinds) != 2 || kinds[0] != plan.KindIssue {
		t.Errorf("in the order %v", kinds)
	}
}
