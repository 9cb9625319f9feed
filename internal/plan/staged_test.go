package plan_test

import (
	"strings"
	"testing"

	"github.com/certkeep/certkeep/internal/plan"
)

// staged is a scene whose services are restarted by somebody else. Version v2
// was published on day 10.
func staged() *scene {
	s := quiet()
	s.want.Targets[0].Staged = true
	s.known.Versions = append(s.known.Versions, version("v2", s.now, pair(s.want, ec, s.now, days(90))))
	s.known.Published = "v2"
	return s
}

// awaiting is staged once the files of v2 were written.
func awaiting() *scene {
	s := staged()
	s.target(func(f *plan.Target) {
		f.Version, f.State, f.Awaits = "v2", plan.TargetWritten, &plan.Restart{Since: s.now, Serves: "v1"}
		f.Verify = plan.VerifyFact{Version: "v2", At: s.now, Results: []plan.Result{{Endpoint: "e", Verdict: plan.VerdictWrong, Words: "serves v1"}}}
	})
	s.known.Advice = map[string]plan.Advice{ec: {CertID: "id-v2", Asked: s.now, AskAgain: s.now.Add(days(1))}}
	return s
}

func TestActivationIsLeftToOthers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		disturb func(*scene)
		staged  bool
	}{
		{"valid", func(*scene) {}, true},
		{"little is left", func(s *scene) { s.now = day(88) }, true},
		{"what is served has ended", func(s *scene) { s.now = day(91) }, false},
		{"what is served was revoked", func(s *scene) { s.v1().Revoked = true }, false},
		{"nothing is installed", func(s *scene) { s.target(func(f *plan.Target) { *f = plan.Target{} }) }, false},
		{"not wanted", func(s *scene) { s.want.Targets[0].Staged = false }, false},
	} {
		s := staged()
		c.disturb(s)
		step := s.the(t, plan.KindInstall)
		if step.Staged != c.staged || c.staged != (step.Serves == "v1") || c.staged != strings.Contains(step.Reason.Words, "restarts") || !step.Due(s.now) {
			t.Errorf("%s: %+v", c.name, step)
		}
	}
}

// While the restart is awaited nothing is installed again, it is looked hourly,
// and there is no problem until little is left of what is served.
func TestARestartIsAwaited(t *testing.T) {
	t.Parallel()
	s := awaiting()
	s.none(t, plan.KindInstall)
	at(t, s.the(t, plan.KindVerify), s.now.Add(days(1.0/24)))
	if problems := s.problems(); len(problems) != 0 {
		t.Errorf("problems %v", problems)
	}
	s.now = day(82)
	if p := problem(t, s, plan.CodeRestart); p.Severity != plan.Warning {
		t.Errorf("in the warning window: %+v", p)
	}
	s.now = day(88)
	if p := problem(t, s, plan.CodeRestart); p.Severity != plan.Critical {
		t.Errorf("near its end: %+v", p)
	}
	s.none(t, plan.KindInstall)
	s.now = day(91)
	if step := s.the(t, plan.KindInstall); step.Staged || !step.Due(s.now) {
		t.Errorf("ended: %+v", step)
	}
}

// A further version keeps in mind what is served, and that is not pruned.
func TestWhatIsServedIsRemembered(t *testing.T) {
	t.Parallel()
	s := awaiting()
	s.known.Versions = append(s.known.Versions, version("v3", s.now, pair(s.want, ec, s.now, days(90))))
	s.known.Published = "v3"
	if step := s.the(t, plan.KindInstall); !step.Staged || step.Serves != "v1" {
		t.Errorf("step %+v", step)
	}
	s.target(func(f *plan.Target) { f.Version, f.Verify.Version = "v3", "v3" })
	s.want.Keep = 2
	if step := s.the(t, plan.KindPrune); len(step.Drop) != 1 || step.Drop[0] != "v2" {
		t.Errorf("pruned: %v", step.Drop)
	}
}
