package plan_test

import (
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
)

func TestTargetLags(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change func(*plan.Target)
		reason plan.ReasonCode
	}{
		{"nothing known", func(f *plan.Target) { *f = plan.Target{} }, plan.ReasonBehind},
		{"another version", func(f *plan.Target) { f.Version = "v0" }, plan.ReasonBehind},
		{"config changed", func(f *plan.Target) { f.Config = "c0" }, plan.ReasonConfig},
		{"altered", func(f *plan.Target) { f.Altered = []string{"/etc/ssl/key.pem"} }, plan.ReasonAltered},
		{"pending", func(f *plan.Target) { f.State = plan.TargetPending }, plan.ReasonBehind},
		{"no state", func(f *plan.Target) { f.State = "" }, plan.ReasonBehind},
		{"written", func(f *plan.Target) { f.State = plan.TargetWritten }, plan.ReasonUntold},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := quiet()
			s.target(c.change)
			step := s.the(t, plan.KindInstall)
			if step.Reason.Code != c.reason || step.Target != "default" || step.Version != "v1" || step.Urgent {
				t.Errorf("step %+v, want reason %s", step, c.reason)
			}
			at(t, step, s.now)
			s.none(t, plan.KindVerify) // nothing to look at before
			s.none(t, plan.KindHook)
		})
	}
	for _, state := range []plan.TargetState{plan.TargetReloaded, plan.TargetVerified} {
		s := quiet()
		s.target(func(f *plan.Target) { f.State = state })
		s.none(t, plan.KindInstall)
	}
}

// Every target goes its own way.
func TestTargetsAreIndependent(t *testing.T) {
	t.Parallel()
	s := quiet()
	other := s.want.Targets[0]
	other.Name = "app"
	s.want.Targets = append(s.want.Targets, other)
	step := s.the(t, plan.KindInstall)
	if step.Target != "app" {
		t.Errorf("step %+v", step)
	}
	s.target(func(f *plan.Target) {
		f.State, f.Refused = plan.TargetPending, &plan.Refused{Version: "v1", Config: "c1"}
		f.Tries = failed(4, s.now)
	})
	steps := s.all(plan.KindInstall)
	if len(steps) != 2 || steps[0].Target != "app" || !steps[0].Due(s.now) || steps[1].Due(s.now) {
		t.Errorf("a target that fails stops the other: %v", steps)
	}
}

func TestRefusedInstall(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		disturb func(*scene, *plan.Target)
		wait    time.Duration
		asked   bool
	}{
		{"first failure", func(*scene, *plan.Target) {}, time.Minute, false},
		{"fourth failure", func(s *scene, f *plan.Target) { f.Tries = failed(4, s.now) }, days(1), false},
		{"rolled back", func(_ *scene, f *plan.Target) { f.Refused.RolledBack = true }, days(1), false},
		{"rolled back for the fifth time", func(s *scene, f *plan.Target) {
			f.Refused.RolledBack, f.Tries = true, failed(5, s.now)
		}, days(1), false},
		{"rolled back, then another version", func(_ *scene, f *plan.Target) { f.Refused.RolledBack, f.Refused.Version = true, "v0" }, 0, false},
		{"rolled back, then another config", func(_ *scene, f *plan.Target) { f.Refused.RolledBack, f.Refused.Config = true, "c0" }, 0, false},
		{"rolled back, asked since", func(s *scene, f *plan.Target) {
			f.Refused.RolledBack = true
			s.ask(plan.AskApply, s.now)
			f.Tries.Last = s.now.Add(-time.Minute)
		}, 0, true},
		{"rolled back, asked before", func(s *scene, f *plan.Target) {
			f.Refused.RolledBack = true
			s.ask(plan.AskApply, s.now.Add(-time.Minute))
		}, days(1), false},
		{"rolled back while the clock was ahead", func(_ *scene, f *plan.Target) {
			f.Refused.RolledBack, f.Tries = true, failed(1, day(400))
		}, 0, false},
		{"killed during the try", func(s *scene, f *plan.Target) {
			f.Refused.RolledBack, f.Tries = true, f.Tries.Begin(s.now, 0)
		}, 0, false},
		{"killed again and again", func(s *scene, f *plan.Target) {
			f.Tries = plan.Tries{}.Begin(s.now, 0).Begin(s.now, 0)
		}, 10 * time.Minute, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := quiet()
			s.target(func(f *plan.Target) {
				f.State, f.Version = plan.TargetReloaded, "v0"
				f.Refused, f.Tries = &plan.Refused{Version: "v1", Config: "c1"}, failed(1, s.now)
				c.disturb(s, f)
			})
			step := s.the(t, plan.KindInstall)
			at(t, step, s.now.Add(c.wait))
			if step.Asked != c.asked {
				t.Errorf("asked %v", step.Asked)
			}
		})
	}
}

func TestPlaceholder(t *testing.T) {
	t.Parallel()
	vacant := func() *scene {
		s := quiet()
		s.known = plan.KnownCert{Looked: true, Vacant: map[string]bool{"default": true}}
		return s
	}
	for _, kind := range []plan.AskKind{"", plan.AskApply, plan.AskRenew} {
		s := vacant()
		if kind != "" {
			s.ask(kind, s.now)
		}
		steps := s.steps()
		if len(steps) != 2 || steps[0].Kind != plan.KindSpare || steps[1].Kind != plan.KindIssue {
			t.Fatalf("asked %q: %v, want the placeholder before the order", kind, steps)
		}
		if steps[0].Target != "default" || steps[0].Reason.Code != plan.ReasonNoFile || !steps[0].Due(s.now) {
			t.Errorf("step %+v", steps[0])
		}
	}
	for name, change := range map[string]func(*scene){
		"no service is named":  func(s *scene) { s.want.Targets[0].Services = nil },
		"files are there":      func(s *scene) { s.known.Vacant = nil },
		"other files are away": func(s *scene) { s.known.Vacant = map[string]bool{"app": true} },
		"a version exists":     func(s *scene) { s.known = quiet().known; s.known.Vacant = map[string]bool{"default": true} },
	} {
		s := vacant()
		change(s)
		if found := s.all(plan.KindSpare); len(found) != 0 {
			t.Errorf("%s: %v", name, found)
		}
	}
}
