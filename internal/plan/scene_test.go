package plan_test

import (
	"slices"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
)

// scene is a small world around one certificate, quiet at the beginning: it
// is issued, installed and verified, and nothing is due. A test disturbs it
// and looks at what follows.
type scene struct {
	now     time.Time
	want    plan.WantedCert
	known   plan.KnownCert
	issuers map[string]plan.KnownIssuer
}

const (
	ec  = "ecdsa-p256"
	rsa = "rsa-2048"
)

// day0 is when the first certificate of a scene was issued.
func day0() time.Time { return time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC) }

// days is a length of time.
func days(n float64) time.Duration { return time.Duration(n * 24 * float64(time.Hour)) }

// day is the instant n days after day0.
func day(n float64) time.Time { return day0().Add(days(n)) }

func quiet() *scene {
	now := day(10)
	want := plan.WantedCert{
		Name: "mail", Names: []string{"mail.example", "smtp.example"}, CommonName: "mail.example",
		Issuers: []string{"le", "corp"}, KeyTypes: []string{ec}, Renew: plan.RenewPolicy{ARI: true}, Keep: 3,
		Targets: []plan.WantedTarget{{Name: "default", Config: "c1", Services: []string{"nginx"}, Hooks: []string{"installed"}, Verify: true}},
	}
	s := &scene{now: now, want: want, issuers: map[string]plan.KnownIssuer{}}
	s.known = plan.KnownCert{
		Name: "mail", Published: "v1", Versions: []plan.Version{version("v1", day0(), pair(want, ec, day0(), days(90)))},
		Advice:    map[string]plan.Advice{ec: {CertID: "id-v1", Asked: now, AskAgain: now.Add(6 * time.Hour)}},
		Targets:   map[string]plan.Target{"default": verified("v1", now)},
		Inspected: now, Looked: true,
	}
	return s
}

// pair is what the CA gave for want at an instant.
func pair(want plan.WantedCert, keyType string, made time.Time, life time.Duration) plan.Pair {
	return plan.Pair{
		KeyType: keyType, Key: "key-" + keyType + made.String(), Issuer: "le", Made: made, Request: want.Request(),
		NotBefore: made, NotAfter: made.Add(life),
	}
}

// version holds pairs; their ids for renewal information follow from its own.
func version(id string, created time.Time, pairs ...plan.Pair) plan.Version {
	for i := range pairs {
		if pairs[i].CertID == "" {
			pairs[i].CertID = "id-" + id
		}
	}
	return plan.Version{ID: id, Created: created, Pairs: pairs}
}

func verified(id string, at time.Time) plan.Target {
	return plan.Target{
		Version: id, State: plan.TargetVerified, Config: "c1", At: at,
		Verify: plan.VerifyFact{Version: id, At: at, Results: []plan.Result{{Endpoint: "127.0.0.1:443", Verdict: plan.VerdictRight}}},
	}
}

func (s *scene) world() plan.World {
	return plan.World{
		Wanted: plan.Wanted{Node: "n", Certs: []plan.WantedCert{s.want}},
		Known:  plan.Known{Certs: map[string]*plan.KnownCert{s.want.Name: &s.known}, Issuers: s.issuers},
	}
}

func (s *scene) steps() []plan.Step       { return plan.Make(s.now, s.world()) }
func (s *scene) problems() []plan.Problem { return plan.Problems(s.now, s.world()) }

// due lists the kinds of the steps to be done now, in their order.
func (s *scene) due() []plan.Kind {
	var kinds []plan.Kind
	for _, step := range s.steps() {
		if step.Due(s.now) {
			kinds = append(kinds, step.Kind)
		}
	}
	return kinds
}

// all returns the steps of a kind.
func (s *scene) all(kind plan.Kind) []plan.Step {
	return slices.DeleteFunc(s.steps(), func(step plan.Step) bool { return step.Kind != kind })
}

// the returns the only step of a kind.
func (s *scene) the(t *testing.T, kind plan.Kind) plan.Step {
	t.Helper()
	found := s.all(kind)
	if len(found) != 1 {
		t.Fatalf("%d steps of kind %s, want one of\n%v", len(found), kind, s.steps())
	}
	return found[0]
}

// none fails when a step of a kind is due.
func (s *scene) none(t *testing.T, kind plan.Kind) {
	t.Helper()
	if slices.Contains(s.due(), kind) {
		t.Errorf("%s is due, want none:\n%v", kind, s.steps())
	}
}

func (s *scene) v1() *plan.Pair { return &s.known.Versions[0].Pairs[0] }

func (s *scene) tries(t plan.Tries) { s.known.Tries = map[string]plan.Tries{ec: t} }

func (s *scene) ask(kind plan.AskKind, at time.Time) {
	if s.known.Asks == nil {
		s.known.Asks = map[plan.AskKind]plan.Ask{}
	}
	s.known.Asks[kind] = plan.Ask{At: at}
}

// target changes the facts of the scene's target.
func (s *scene) target(change func(*plan.Target)) {
	t := s.known.Targets["default"]
	change(&t)
	s.known.Targets["default"] = t
}

// at fails unless a step is due at an instant.
func at(t *testing.T, step plan.Step, want time.Time) {
	t.Helper()
	if !step.At.Equal(want) {
		t.Errorf("%s is due at %s, want %s (%s)", step.Kind, step.At, want, step.Reason.Words)
	}
}

func TestNothingIsDueWhereAllIsWell(t *testing.T) {
	t.Parallel()
	s := quiet()
	if due := s.due(); len(due) != 0 {
		t.Errorf("due: %v", due)
	}
	if problems := s.problems(); len(problems) != 0 {
		t.Errorf("problems: %v", problems)
	}
	if next := plan.Next(s.now, s.steps()); !next.After(s.now) {
		t.Errorf("the next step comes at %s, not after now", next)
	}
}
