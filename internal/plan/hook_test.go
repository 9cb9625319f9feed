package plan_test

import (
	"slices"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
)

func TestHooks(t *testing.T) {
	t.Parallel()
	s := quiet()
	s.target(func(f *plan.Target) { f.Hooks = []string{"installed"} })
	step := s.the(t, plan.KindHook)
	if step.Hook != "installed" || step.Target != "default" || step.Version != "v1" || step.Reason.Code != plan.ReasonHook {
		t.Errorf("step %+v", step)
	}
	at(t, step, s.now)

	s.target(func(f *plan.Target) { f.HookTries = map[string]plan.Tries{"installed": failed(2, s.now)} })
	at(t, s.the(t, plan.KindHook), s.now.Add(10*time.Minute))
	s.target(func(f *plan.Target) {
		t := f.HookTries["installed"]
		t.Last = s.now.Add(-time.Second)
		f.HookTries["installed"] = t
	})
	s.ask(plan.AskApply, s.now)
	at(t, s.the(t, plan.KindHook), s.now)
}

// A hook that was taken out of the config waits for nothing: it is dropped.
func TestHookTakenOut(t *testing.T) {
	t.Parallel()
	s := quiet()
	s.target(func(f *plan.Target) {
		f.Hooks, f.HookTries = []string{"gone"}, map[string]plan.Tries{"gone": failed(5, s.now)}
	})
	at(t, s.the(t, plan.KindHook), s.now)
}

// A hook that fails never stops another.
func TestHooksAreIndependent(t *testing.T) {
	t.Parallel()
	s := quiet()
	s.want.Targets[0].Hooks = []string{"installed", "verified"}
	s.target(func(f *plan.Target) {
		f.Hooks = []string{"installed", "verified"}
		*f = f.HookFailed("installed", s.now, 0, fault(plan.BlameAdmin)).HookFailed("installed", s.now, 0, fault(plan.BlameAdmin))
	})
	steps := s.all(plan.KindHook)
	if len(steps) != 2 || steps[0].Hook != "verified" || steps[1].Hook != "installed" {
		t.Fatalf("steps %v", steps)
	}
	at(t, steps[0], s.now)
	at(t, steps[1], s.now.Add(10*time.Minute))
	if p := problem(t, s, plan.CodeCAError); p.Target != "default" {
		t.Errorf("problem %+v", p)
	}

	before := s.known.Targets["default"]
	s.target(func(f *plan.Target) { *f = f.HookDone("verified") })
	at(t, s.the(t, plan.KindHook), s.now.Add(10*time.Minute))
	s.target(func(f *plan.Target) { *f = f.HookDone("installed") })
	if len(s.all(plan.KindHook)) != 0 || len(s.problems()) != 0 {
		t.Errorf("left %v, problems %v", s.all(plan.KindHook), s.problems())
	}
	if len(before.Hooks) != 2 || before.HookTries["installed"].Count != 2 {
		t.Errorf("the facts of before were changed: %+v", before)
	}
}

// A hook tells of what happened, also where the installation waits for its
// next try, and where nothing could be issued yet.
func TestHooksOfATargetThatLags(t *testing.T) {
	t.Parallel()
	s := quiet()
	s.want.Targets[0].Hooks = []string{"errored", "rolled-back"}
	s.target(func(f *plan.Target) {
		f.Version, f.State, f.Hooks = "v0", plan.TargetReloaded, []string{"rolled-back"}
		f.Refused, f.Tries = &plan.Refused{Version: "v1", Config: "c1", RolledBack: true}, failed(1, s.now)
	})
	at(t, s.the(t, plan.KindHook), s.now)

	s = quiet()
	s.want.Targets[0].Hooks = []string{"errored", "rolled-back"}
	s.known = plan.KnownCert{Looked: true, Targets: map[string]plan.Target{"default": {Hooks: []string{"errored"}}}}
	s.tries(failed(1, s.now))
	at(t, s.the(t, plan.KindHook), s.now)
}

// Where both are due, the installation comes first.
func TestInstallBeforeHook(t *testing.T) {
	t.Parallel()
	s := quiet()
	s.target(func(f *plan.Target) { f.Version, f.Hooks = "v0", []string{"installed"} })
	if due := s.due(); !slices.Equal(due, []plan.Kind{plan.KindInstall, plan.KindHook}) {
		t.Errorf("due %v", due)
	}
}

// TestExpiringIsTold: once a day while too little life is left, whatever keeps
// the certificate from being renewed.
func TestExpiringIsTold(t *testing.T) {
	warnAt := day(81) // a tenth of ninety days before the end
	for name, c := range map[string]struct {
		change func(*scene)
		at     time.Time // zero: never
	}{
		"long before":     {func(s *scene) { s.now = day(10) }, warnAt},
		"no such hook":    {func(s *scene) { s.want.Targets[0].Hooks = []string{"installed"} }, time.Time{}},
		"no certificate":  {func(s *scene) { s.known.Published = "" }, time.Time{}},
		"within":          {func(*scene) {}, warnAt},
		"by hand":         {func(s *scene) { s.want.Mode = plan.ModeManual }, warnAt},
		"may not order":   {func(s *scene) { s.want.NoIssue = true }, warnAt},
		"ended":           {func(s *scene) { s.now = day(95) }, warnAt},
		"a longer window": {func(s *scene) { s.want.Warn = plan.Span{Fixed: days(30)} }, day(60)},
		"told":            {func(s *scene) { s.target(func(f *plan.Target) { f.Warned = day(84.5) }) }, day(85.5)},
		"told under a clock that was ahead": {func(s *scene) {
			s.target(func(f *plan.Target) { f.Warned = day(100) })
		}, warnAt},
		"an order failed": {func(s *scene) {
			s.known.Tries = map[string]plan.Tries{ec: plan.Tries{}.Begin(day(84.9), 0).Failed(day(84.9), plan.Fault{Code: plan.CodeNetwork}, day(86))}
		}, warnAt},
		"it failed": {func(s *scene) {
			s.target(func(f *plan.Target) {
				*f = f.HookFailed(plan.HookExpiring, day(85), 0, plan.Fault{Code: plan.CodeHook})
			})
		}, day(85).Add(time.Minute)},
		"it is to run anyway": {func(s *scene) {
			s.target(func(f *plan.Target) { f.Hooks, f.Warned = []string{plan.HookExpiring}, day(84.9) })
		}, day(85)},
	} {
		s := quiet()
		s.now = day(85)
		s.want.Targets[0].Hooks = []string{plan.HookExpiring}
		c.change(s)
		steps := s.all(plan.KindHook)
		switch {
		case c.at.IsZero() && len(steps) > 0:
			t.Errorf("%s: %+v", name, steps)
		case !c.at.IsZero() && (len(steps) != 1 || steps[0].Hook != plan.HookExpiring):
			t.Errorf("%s: %+v", name, steps)
		case !c.at.IsZero() && !steps[0].At.Equal(c.at) && (steps[0].At.After(s.now) || c.at.After(s.now)):
			t.Errorf("%s: at %s, want %s", name, steps[0].At, c.at)
		}
	}
}
