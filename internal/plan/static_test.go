package plan_test

import (
	"strings"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
)

// given is a scene of a certificate that somebody else makes: v1 was taken in,
// and its files were looked at a moment ago.
func given() *scene {
	s := quiet()
	s.want.Mode, s.want.Issuers, s.want.Renew = plan.ModeStatic, nil, plan.RenewPolicy{}
	s.v1().Issuer = ""
	s.known.Advice = nil
	s.known.Given = &plan.Given{Version: "v1"}
	s.looked(s.now)
	return s
}

func (s *scene) looked(at time.Time) {
	s.known.GivenLooked, s.known.GivenNext = at, plan.LookAgainAt(at)
}

// v2 is another version that was put into the files.
func (s *scene) put() {
	s.known.Versions = append(s.known.Versions, version("v2", s.now, pair(s.want, ec, s.now, days(90))))
	s.known.Given, s.known.Ready = &plan.Given{Version: "v2"}, "v2"
}

// What somebody else makes is never ordered, whatever becomes of it; its files
// are looked at, and what was good there is published.
func TestStaticIsNeverOrdered(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		disturb  func(*scene)
		looks    bool // now
		publish  string
		problem  plan.Code // "" for none
		severity plan.Severity
	}{
		{"nothing happened", func(*scene) {}, false, "", "", ""},
		{"an hour later", func(s *scene) { s.now = s.now.Add(time.Hour) }, true, "", "", ""},
		{"a new process", func(s *scene) { s.known.GivenLooked = time.Time{} }, true, "", "", ""},
		{"asked to look", func(s *scene) { s.now = s.now.Add(time.Minute); s.ask(plan.AskApply, s.now) }, true, "", "", ""},
		{"asked to renew", func(s *scene) { s.now = s.now.Add(time.Minute); s.ask(plan.AskRenew, s.now) }, true, "", "", ""},
		{"the clock was set back", func(s *scene) { s.looked(s.now.Add(time.Hour)) }, true, "", "", ""},
		{"another one was put there", (*scene).put, false, "v2", "", ""},
		{"another one, which cannot be read any more", func(s *scene) { s.put(); s.known.Versions[1].Broken = "gone" }, false, "", "", ""},
		{"another one, and a restored one is held", func(s *scene) {
			s.put()
			s.known.Held, s.known.HeldAt = true, s.now
		}, false, "", plan.CodeHeld, plan.Warning},
		{"a broken one was put there", func(s *scene) {
			s.known.Given.Fault = &plan.Fault{Code: plan.CodeGiven, Words: "it is for another key", At: s.now}
		}, false, "", plan.CodeGiven, plan.Warning},
		{"a broken one, and little is left", func(s *scene) {
			s.now = day(88)
			s.known.Given.Fault = &plan.Fault{Code: plan.CodeGiven, Words: "it is for another key", At: s.now}
		}, true, "", plan.CodeGiven, plan.Critical},
		{"nothing was ever there", func(s *scene) { s.known = plan.KnownCert{} }, true, "", plan.CodeMissing, plan.Critical},
		{"due by the renewal window", func(s *scene) { s.now = day(61); s.looked(s.now) }, false, "", "", ""},
		{"ending", func(s *scene) { s.now = day(82) }, true, "", plan.CodeGivenExpiring, plan.Warning},
		{"ending soon", func(s *scene) { s.now = day(88) }, true, "", plan.CodeGivenExpiring, plan.Critical},
		{"ended", func(s *scene) { s.now = day(91) }, true, "", plan.CodeGivenExpired, plan.Critical},
		{"revoked", func(s *scene) { s.v1().Revoked = true }, false, "", plan.CodeGivenRevoked, plan.Critical},
		{"a name was added", func(s *scene) { s.want.Names = append(s.want.Names, "new.example") }, false, "", "", ""},
		{"this node orders nothing", func(s *scene) { s.now = day(61); s.looked(s.now); s.want.NoIssue = true }, false, "", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := given()
			c.disturb(s)
			looks, publish := false, ""
			for _, step := range s.steps() {
				switch step.Kind {
				case plan.KindIssue, plan.KindResume, plan.KindAdopt, plan.KindTakeOver, plan.KindAdvice:
					t.Errorf("planned: %+v", step)
				case plan.KindTakeIn:
					looks = step.Due(s.now)
				case plan.KindPublish:
					publish = step.Version
				}
			}
			if looks != c.looks || publish != c.publish {
				t.Errorf("looks: %t, want %t; publishes %q, want %q", looks, c.looks, publish, c.publish)
			}
			if _, due := plan.Gathered(s.now, s.world(), s.want); due {
				t.Error("what waits is published beside the plan")
			}
			if c.problem == "" {
				if got := s.problems(); len(got) > 0 {
					t.Errorf("problems %+v", got)
				}
				return
			}
			if p := problem(t, s, c.problem); p.Severity != c.severity || strings.Contains(p.Remedy, "replaced at once") {
				t.Errorf("told %+v, want severity %q", p, c.severity)
			}
		})
	}
}

// An ask for what nobody here can do is answered, not kept.
func TestStaticAnswersAsks(t *testing.T) {
	t.Parallel()
	s := given()
	s.ask(plan.AskRenew, s.now.Add(-time.Minute))
	if step := s.the(t, plan.KindAnswer); len(step.Drop) != 1 || step.Drop[0] != string(plan.AskRenew) {
		t.Errorf("answered %v", step.Drop)
	}
}

// What ends and nobody renews is told of as any other that ends: daily.
func TestStaticEndIsTold(t *testing.T) {
	t.Parallel()
	channel := plan.WantedChannel{Name: "mail", Events: []string{"expiring", "revoked"}, Limit: 10}
	for _, code := range []plan.Code{plan.CodeGivenExpiring, plan.CodeGivenExpired, plan.CodeGivenRevoked} {
		s := given()
		sending, _ := plan.Tell(s.now, channel, plan.KnownChannel{}, []plan.Problem{{Code: code, Severity: plan.Warning, Cert: "mail"}})
		if sending == nil || sending.Message.Count != 1 || sending.Message.Groups[0].Remedy != code.Remedy() {
			t.Errorf("%s: told %+v", code, sending)
		}
	}
}
