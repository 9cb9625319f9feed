package plan_test

import (
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
)

func TestAdviceSchedule(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		disturb func(*scene, *plan.Advice)
		at      time.Time
	}{
		{"as the CA said", func(*scene, *plan.Advice) {}, day(10.25)},
		{"time has come", func(s *scene, _ *plan.Advice) { s.now = day(11) }, day(11)},
		{"never asked", func(s *scene, _ *plan.Advice) { s.known.Advice = nil }, day(10)},
		// Going back and forth between versions must not undercut what the CA said of each.
		{"asked for another version", func(_ *scene, a *plan.Advice) { a.CertID = "id-v0" }, day(10.25)},
		{"a long Retry-After", func(_ *scene, a *plan.Advice) { a.AskAgain = day(40) }, day(11)},
		{"a long Retry-After, seen later", func(s *scene, a *plan.Advice) { a.AskAgain, s.now = day(40), day(10.9) }, day(11)},
		{"no Retry-After", func(_ *scene, a *plan.Advice) { a.AskAgain = time.Time{} }, day(10).Add(time.Minute)},
		{"a Retry-After of no time", func(_ *scene, a *plan.Advice) { a.AskAgain = a.Asked }, day(10).Add(time.Minute)},
		{"the CA offers none", func(_ *scene, a *plan.Advice) { a.Missing, a.AskAgain = true, day(40) }, day(17)},
		{"asked while the clock was ahead", func(_ *scene, a *plan.Advice) { a.Asked, a.AskAgain = day(400), day(401) }, day(10)},
		{"not known when", func(_ *scene, a *plan.Advice) { a.Asked = time.Time{} }, day(10.25)},
		{"not known when, a long Retry-After", func(_ *scene, a *plan.Advice) { a.Asked, a.AskAgain = time.Time{}, day(40) }, day(11)},
		{"the CA wants to be left alone", func(s *scene, _ *plan.Advice) {
			s.issuers["le"] = plan.KnownIssuer{At: s.now, NotBefore: day(12)}
		}, day(12)},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := quiet()
			a := s.known.Advice[ec]
			c.disturb(s, &a)
			if s.known.Advice != nil {
				s.known.Advice[ec] = a
			}
			step := s.the(t, plan.KindAdvice)
			at(t, step, c.at)
			if step.Issuer != "le" || step.KeyType != ec || step.Version != "v1" {
				t.Errorf("step %+v", step)
			}
		})
	}
}

func TestNoAdviceAsked(t *testing.T) {
	t.Parallel()
	for name, disturb := range map[string]func(*scene){
		"switched off":              func(s *scene) { s.want.Renew.ARI = false },
		"nothing published":         func(s *scene) { s.known.Published = "" },
		"the pair has no id":        func(s *scene) { s.v1().CertID = "" },
		"revoked":                   func(s *scene) { s.v1().Revoked = true },
		"ended":                     func(s *scene) { s.now = day(90); s.tries(failed(4, s.now)) },
		"issuer not listed":         func(s *scene) { s.want.Issuers = []string{"corp"} },
		"of an adopted certificate": func(s *scene) { s.v1().Issuer = "" },
		"a new one is on its way":   func(s *scene) { s.now = day(61) },
		"key type not wanted": func(s *scene) {
			s.want.KeyTypes = []string{rsa}
			s.known.Versions[0].Pairs = append(s.known.Versions[0].Pairs, plan.Pair{KeyType: rsa, NotAfter: day(90)})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := quiet()
			s.known.Advice = nil
			disturb(s)
			if found := s.all(plan.KindAdvice); len(found) != 0 {
				t.Errorf("asks %v", found)
			}
		})
	}
	// While a renewal waits after failures, the CA's advice still counts.
	s := quiet()
	s.now = day(61)
	s.tries(failed(4, s.now))
	s.the(t, plan.KindAdvice)
}

// A CA that moves a window into the past wants the certificate replaced at once.
// One that is over, since nobody renewed, was not moved.
func TestRecall(t *testing.T) {
	t.Parallel()
	now, hour := day(50), time.Hour
	before := plan.Advice{CertID: "id", Start: day(60), End: day(62)}
	for name, c := range map[string]struct {
		before, after plan.Advice
		recalled      bool
	}{
		"moved into the past":      {before, plan.Advice{CertID: "id", Start: now.Add(-2 * hour), End: now.Add(-hour)}, true},
		"moved to now":             {before, plan.Advice{CertID: "id", Start: now.Add(-hour), End: now.Add(hour)}, false},
		"the same":                 {before, before, false},
		"over":                     {plan.Advice{CertID: "id", Start: day(40), End: day(42)}, plan.Advice{CertID: "id", Start: day(40), End: day(42)}, false},
		"of another certificate":   {plan.Advice{CertID: "other", Start: day(60), End: day(62)}, plan.Advice{CertID: "id", Start: day(1), End: day(2)}, false},
		"nothing was known before": {plan.Advice{}, plan.Advice{CertID: "id", Start: day(1), End: day(2)}, false},
	} {
		k := plan.KnownCert{Versions: []plan.Version{{ID: "v", Pairs: []plan.Pair{{KeyType: ec, CertID: "id"}, {KeyType: rsa, CertID: "other"}}}}}
		k.Recall(c.before, c.after, now)
		if got := k.Versions[0].Pairs; got[0].Recalled != c.recalled || got[1].Recalled {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
