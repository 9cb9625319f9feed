package plan_test

import (
	"slices"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
)

func TestAnswers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		disturb  func(*scene)
		kind     plan.AskKind
		answered bool
	}{
		{"look, nothing to do", func(s *scene) { s.ask(plan.AskApply, s.now) }, plan.AskApply, true},
		{"look, something to do", func(s *scene) {
			s.ask(plan.AskApply, s.now)
			s.known.Inspected = time.Time{}
		}, plan.AskApply, false},
		{"look, and what is due waits for its CA", func(s *scene) {
			s.now = day(61)
			s.publish("v1", s.now)
			s.ask(plan.AskApply, s.now)
			s.want.Issuers = []string{"le"}
			s.issuers["le"] = plan.KnownIssuer{At: s.now, NotBefore: s.now.Add(time.Hour)}
		}, plan.AskApply, true},
		{"renew, not done", func(s *scene) { s.ask(plan.AskRenew, s.now) }, plan.AskRenew, false},
		{"renew, done", func(s *scene) {
			s.ask(plan.AskRenew, s.now)
			s.v1().Made = s.now.Add(time.Second)
			s.now = s.now.Add(time.Minute)
		}, plan.AskRenew, true},
		{"renew, done at the same instant", func(s *scene) {
			s.ask(plan.AskRenew, s.now)
			s.v1().Made = s.now
		}, plan.AskRenew, true},
		{"renew, failed", func(s *scene) {
			s.ask(plan.AskRenew, s.now.Add(-time.Minute))
			s.tries(failed(1, s.now))
		}, plan.AskRenew, false},
		{"renew, one of two key types done", func(s *scene) {
			s.want.KeyTypes = []string{ec, rsa}
			s.known.Versions[0].Pairs = append(s.known.Versions[0].Pairs, pair(s.want, rsa, s.now, days(90)))
			s.ask(plan.AskRenew, s.now.Add(-time.Minute))
			s.tries(failed(1, s.now))
		}, plan.AskRenew, false},
		{"renew, of what does not exist yet", func(s *scene) {
			s.known = plan.KnownCert{Looked: true}
			s.ask(plan.AskRenew, s.now.Add(-time.Minute))
			s.tries(failed(1, s.now))
		}, plan.AskRenew, false},
		{"verify, not done", func(s *scene) { s.ask(plan.AskVerify, s.now.Add(time.Second)); s.now = s.now.Add(time.Minute) }, plan.AskVerify, false},
		{"verify, done", func(s *scene) { s.ask(plan.AskVerify, s.now.Add(-time.Second)) }, plan.AskVerify, true},
		{"verify, done at the same instant", func(s *scene) { s.ask(plan.AskVerify, s.now) }, plan.AskVerify, true},
		{"verify, of nothing that can be asked", func(s *scene) {
			s.want.Targets[0].Verify = false
			s.ask(plan.AskVerify, s.now)
		}, plan.AskVerify, true},
		{"verify, of nothing that exists", func(s *scene) {
			s.known = plan.KnownCert{Looked: true}
			s.tries(failed(1, s.now))
			s.ask(plan.AskVerify, s.now)
		}, plan.AskVerify, true},
		{"release of what is not held", func(s *scene) { s.ask(plan.AskRelease, s.now) }, plan.AskRelease, true},
		{"unknown, from a later version", func(s *scene) { s.ask("dance", s.now) }, "dance", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := quiet()
			c.disturb(s)
			answered := slices.ContainsFunc(s.all(plan.KindAnswer), func(step plan.Step) bool {
				return slices.Contains(step.Drop, string(c.kind)) && step.Due(s.now)
			})
			if answered != c.answered {
				t.Errorf("answered %v, want %v; plan %v", answered, c.answered, s.steps())
			}
		})
	}
}

// Asks that are answered together are dropped together, in a fixed order.
func TestAnswersTogether(t *testing.T) {
	t.Parallel()
	s := quiet()
	for _, kind := range []plan.AskKind{plan.AskVerify, plan.AskApply, plan.AskRelease} {
		s.ask(kind, s.now)
	}
	if got := s.the(t, plan.KindAnswer).Drop; !slices.Equal(got, []string{"apply", "release", "verify"}) {
		t.Errorf("drops %v", got)
	}
}

// An ask stored while the clock was ahead would be newer than every certificate
// issued until the clock has caught up, and so be granted again and again.
func TestAskFromAClockThatWasAhead(t *testing.T) {
	t.Parallel()
	for _, kind := range []plan.AskKind{plan.AskRenew, plan.AskApply, plan.AskVerify} {
		s := quiet()
		s.ask(kind, s.now.Add(days(365)))
		for _, k := range []plan.Kind{plan.KindIssue, plan.KindVerify} {
			s.none(t, k)
		}
		at(t, s.the(t, plan.KindIssue), day(90).Add(-33*days(90)/100))
		if step := s.the(t, plan.KindAnswer); !slices.Equal(step.Drop, []string{string(kind)}) {
			t.Errorf("step %+v, want the ask to %s dropped", step, kind)
		}
	}
}

// A correction of the clock by seconds must not grant an ask twice: it waits
// until its own instant has come.
func TestAskAMomentAhead(t *testing.T) {
	t.Parallel()
	s := quiet()
	asked := s.now.Add(5 * time.Second)
	s.ask(plan.AskRenew, asked)
	step := s.the(t, plan.KindIssue)
	at(t, step, asked)
	if len(s.all(plan.KindAnswer)) != 0 {
		t.Error("the ask is dropped before it is granted")
	}
	s.ask(plan.AskApply, asked)
	s.now = day(61)
	s.known.Asks = map[plan.AskKind]plan.Ask{plan.AskApply: {At: s.now.Add(5 * time.Second)}}
	s.tries(failed(4, s.now))
	at(t, s.the(t, plan.KindIssue), day(62))
}

// What was made while the clock was ahead does not answer what is asked now.
func TestAskAfterAClockThatWasAhead(t *testing.T) {
	t.Parallel()
	s := quiet()
	s.v1().Made = day(375)
	s.ask(plan.AskRenew, s.now)
	at(t, s.the(t, plan.KindIssue), s.now)

	s = quiet()
	s.target(func(f *plan.Target) { f.Verify.At = day(375) })
	s.ask(plan.AskVerify, s.now)
	if step := s.the(t, plan.KindVerify); !step.Asked || !step.Due(s.now) {
		t.Errorf("step %+v", step)
	}
}
