package plan_test

import (
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
)

// ordering is a scene in its window with an order that the CA knows.
func ordering() *scene {
	s := quiet()
	s.now = day(61)
	s.known.Orders = map[string]plan.Order{ec: {
		Issuer: "le", Key: "k", Request: s.want.Request(), URL: "https://ca.example/order/1",
		Created: day(60.9), Expires: day(67),
	}}
	return s
}

func change(s *scene, f func(*plan.Order)) {
	o := s.known.Orders[ec]
	f(&o)
	s.known.Orders[ec] = o
}

func TestOpenOrder(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		disturb func(*scene)
		resumed bool
	}{
		{"still wanted", func(*scene) {}, true},
		{"without an end", func(s *scene) { change(s, func(o *plan.Order) { o.Expires = time.Time{} }) }, true},
		{"at the second issuer", func(s *scene) { change(s, func(o *plan.Order) { o.Issuer = "corp" }) }, true},
		{"order of names changed", func(s *scene) {
			s.want.Names, s.want.CommonName = []string{"smtp.example", "mail.example"}, "smtp.example"
		}, true},
		{"killed", func(s *scene) { s.tries(plan.Tries{}.Begin(s.now, 0)) }, true},
		{"its CA failed twice", func(s *scene) { blamed(s, 2, plan.BlameCA, "le", time.Time{}) }, true},
		{"three failures that were ours", func(s *scene) { blamed(s, 3, plan.BlameAdmin, "le", time.Time{}) }, true},

		{"its CA failed three times", func(s *scene) { blamed(s, 3, plan.BlameNetwork, "le", time.Time{}) }, false},
		{"never reached the CA", func(s *scene) { change(s, func(o *plan.Order) { o.URL = "" }) }, false},
		{"expired", func(s *scene) { change(s, func(o *plan.Order) { o.Expires = s.now }) }, false},
		{"issuer not listed", func(s *scene) { s.want.Issuers = []string{"corp"} }, false},
		{"name added", func(s *scene) { s.want.Names = append(s.want.Names, "new.example") }, false},
		{"name removed", func(s *scene) { s.want.Names = []string{"mail.example"} }, false},
		{"profile", func(s *scene) { s.want.Profile = "shortlived" }, false},
		{"must-staple", func(s *scene) { s.want.MustStaple = true }, false},
		{"CSR", func(s *scene) { s.want.CSR = "abc" }, false},
		{"common name given", func(s *scene) { s.want.CommonName, s.want.CommonNameGiven = "smtp.example", true }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := ordering()
			c.disturb(s)
			kind, other := plan.KindIssue, plan.KindResume
			if c.resumed {
				kind, other = other, kind
			}
			step := s.the(t, kind)
			if found := s.all(other); len(found) != 0 {
				t.Errorf("also %v", found)
			}
			if c.resumed && (step.Issuer != s.known.Orders[ec].Issuer || step.Reason.Code != plan.ReasonOrder) {
				t.Errorf("step %+v, want the order's CA asked", step)
			}
		})
	}
}

// An order that nobody needs any more is left to expire.
func TestOpenOrderOfWhatIsNotDue(t *testing.T) {
	t.Parallel()
	s := ordering()
	s.now = day(10)
	s.none(t, plan.KindResume)
	if step := s.the(t, plan.KindIssue); step.Due(s.now) {
		t.Errorf("step %+v", step)
	}
}

func TestResumeWaits(t *testing.T) {
	t.Parallel()
	s := ordering()
	s.tries(failed(2, s.now))
	at(t, s.the(t, plan.KindResume), s.now.Add(10*time.Minute))
	s.issuers["le"] = plan.KnownIssuer{At: s.now, NotBefore: s.now.Add(time.Hour)}
	at(t, s.the(t, plan.KindResume), s.now.Add(time.Hour))
}

// Nothing published and an order open, as after a kill: the order counts, a
// look at the target comes first all the same.
func TestFirstOrderAfterAKill(t *testing.T) {
	t.Parallel()
	s := ordering()
	s.known.Published, s.known.Looked = "", false
	if step := s.the(t, plan.KindAdopt); step.Reason.Code != plan.ReasonMissing {
		t.Errorf("step %+v", step)
	}
	s.known.Looked = true
	s.the(t, plan.KindResume)
	s.known.Looked, s.want.Targets = false, nil
	s.the(t, plan.KindResume) // no target, nothing to adopt from
}

// An order that was open when another CA was asked is gone on with when its
// CA's turn comes again; a third CA's order begins anew.
func TestOrderPutAside(t *testing.T) {
	t.Parallel()
	s := ordering()
	s.want.Issuers = []string{"le", "corp", "third"}
	aside := s.known.Orders[ec]
	s.known.Begin(ec, plan.Order{Issuer: "corp", Request: aside.Request, Created: s.now})
	for count, want := range map[int]plan.Step{3: {Kind: plan.KindIssue, Issuer: "corp"}, 4: {Kind: plan.KindIssue, Issuer: "third"}, 5: {Kind: plan.KindResume, Issuer: "le"}} {
		blamed(s, count, plan.BlameCA, "corp", time.Time{})
		if got := s.the(t, want.Kind); got.Issuer != want.Issuer {
			t.Errorf("after %d failures: %s at %s, want %s", count, got.Kind, got.Issuer, want.Issuer)
		}
	}
	if o, ok := s.known.OrderAt(ec, "le"); !ok || o.URL != aside.URL {
		t.Errorf("the order at le: %+v", o)
	}
	s.known.Begin(ec, aside)
	s.known.DropOrders(ec)
	if len(s.known.Orders) != 0 {
		t.Errorf("left: %+v", s.known.Orders)
	}
}
