package plan_test

import (
	"slices"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
)

func TestSearchForParameters(t *testing.T) {
	key := quiet().known.Versions[0].Pairs[0].Key
	for name, test := range map[string]struct {
		want plan.WantedDH
		have *plan.DHParams
		due  bool
	}{
		"none wanted":                      {plan.WantedDH{}, nil, false},
		"none wanted any more":             {plan.WantedDH{}, &plan.DHParams{Bits: 2048}, false},
		"none there":                       {plan.WantedDH{Bits: 2048}, nil, true},
		"there":                            {plan.WantedDH{Bits: 2048}, &plan.DHParams{Bits: 2048, Key: "old"}, false},
		"another size":                     {plan.WantedDH{Bits: 3072}, &plan.DHParams{Bits: 2048}, true},
		"for this key":                     {plan.WantedDH{Bits: 2048, WithKey: true}, &plan.DHParams{Bits: 2048, Key: key}, false},
		"for another key, which counts":    {plan.WantedDH{Bits: 2048, WithKey: true}, &plan.DHParams{Bits: 2048, Key: "old"}, true},
		"for another key, which is no one": {plan.WantedDH{Bits: 2048}, &plan.DHParams{Bits: 2048, Key: "old"}, false},
	} {
		s := quiet()
		s.want.DH, s.known.DH = test.want, test.have
		steps := s.all(plan.KindParams)
		if len(steps) > 0 != test.due || test.due && !steps[0].Due(s.now) {
			t.Errorf("%s: %+v, want due: %v", name, steps, test.due)
		}
	}
	s := quiet()
	s.want.DH, s.known.Published = plan.WantedDH{Bits: 2048}, ""
	if steps := s.all(plan.KindParams); len(steps) > 0 {
		t.Errorf("before anything is published: %+v", steps)
	}
}

// A search that goes on keeps neither an ask open nor old versions.
func TestSearchHoldsUpNothing(t *testing.T) {
	s := quiet()
	s.want.DH, s.want.Keep = plan.WantedDH{Bits: 4096}, 1
	s.known.Asks = map[plan.AskKind]plan.Ask{plan.AskApply: {At: day(5)}}
	s.known.Versions = append([]plan.Version{version("v0", day(-80), pair(s.want, ec, day(-80), days(90)))}, s.known.Versions...)
	if len(s.all(plan.KindPrune)) != 1 {
		t.Error("old versions are kept")
	}
	s.want.Keep = 3
	if len(s.all(plan.KindAnswer)) != 1 {
		t.Error("the ask is not answered")
	}
}

// What was found is written where files hold it, and what is missing is looked
// for once a day.
func TestTargetsThatLackSomething(t *testing.T) {
	found := &plan.DHParams{Bits: 2048, ID: "dh1"}
	lacks := &plan.Fault{Code: plan.CodeRoot, Words: "without the root", At: day(9.5)}
	for name, test := range map[string]struct {
		change func(s *scene, target *plan.Target)
		want   time.Time // of the install; zero where there is none
	}{
		"nothing":           {func(*scene, *plan.Target) {}, time.Time{}},
		"found":             {func(s *scene, _ *plan.Target) { s.known.DH = found }, day(10)},
		"found and written": {func(s *scene, target *plan.Target) { s.known.DH, target.DH = found, "dh1" }, time.Time{}},
		"found again":       {func(s *scene, target *plan.Target) { s.known.DH, target.DH = found, "dh0" }, day(10)},
		"of another size":   {func(s *scene, target *plan.Target) { s.known.DH = &plan.DHParams{Bits: 3072, ID: "dh1"} }, time.Time{}},
		"in no file":        {func(s *scene, _ *plan.Target) { s.known.DH, s.want.Targets[0].DH = found, false }, time.Time{}},
		"no root":           {func(_ *scene, target *plan.Target) { target.Lacks = lacks }, day(10.5)},
		"no root, and asked": {func(s *scene, target *plan.Target) {
			target.Lacks, s.known.Asks = lacks, map[plan.AskKind]plan.Ask{plan.AskApply: {At: day(9.7)}}
		}, day(10)},
		"no root, and asked before": {func(s *scene, target *plan.Target) {
			target.Lacks, s.known.Asks = lacks, map[plan.AskKind]plan.Ask{plan.AskApply: {At: day(9.3)}}
		}, day(10.5)},
		"no root, by a clock set back": {func(_ *scene, target *plan.Target) {
			target.Lacks = &plan.Fault{Code: plan.CodeRoot, At: day(99)}
		}, day(10)},
		"found, and refused before": {func(s *scene, target *plan.Target) {
			s.known.DH, target.Refused = found, &plan.Refused{Version: "v1", Config: "c1"}
			target.Tries = plan.Tries{Count: 1, Last: day(9.99), Ended: day(9.99), NotBefore: day(10.1), Fault: lacks}
		}, day(10.1)},
	} {
		s := quiet()
		s.want.DH, s.want.Targets[0].DH = plan.WantedDH{Bits: 2048}, true
		target := s.known.Targets["default"]
		test.change(s, &target)
		s.known.Targets["default"] = target
		steps := s.all(plan.KindInstall)
		switch {
		case test.want.IsZero() != (len(steps) == 0):
			t.Errorf("%s: %+v", name, steps)
		case len(steps) > 0 && !steps[0].At.Equal(test.want):
			t.Errorf("%s: at %v, want %v", name, steps[0].At, test.want)
		}
	}
	s := quiet()
	target := s.known.Targets["default"]
	target.Lacks = lacks
	s.known.Targets["default"] = target
	if got := plan.CertProblems(s.now, s.world(), s.want); len(got) != 1 || got[0].Code != plan.CodeRoot || got[0].Severity != plan.Warning {
		t.Errorf("problems %+v", got)
	}
}

// Files that are switched with those of keys get what was found, too.
func TestSharedTargetsThatLackSomething(t *testing.T) {
	k := quietShared()
	k.want.Shared = &plan.WantedTarget{Name: "keys", Config: "c9"}
	k.certs[1].want.Targets[0].Shared = true
	steps := plan.Keys(k.now, k.world(), k.want)
	if !slices.ContainsFunc(steps, func(s plan.Step) bool { return s.Kind == plan.KindInstall }) {
		t.Fatalf("nothing is installed: %+v", steps)
	}
	k.known.Shared = plan.Target{Version: plan.KeysVersion(k.want.KeyTypes, &k.known), State: plan.TargetReloaded, Config: "c9"}
	k.wants(t)
	k.certs[1].want.DH, k.certs[1].want.Targets[0].DH = plan.WantedDH{Bits: 2048}, true
	k.certs[1].known.DH = &plan.DHParams{Bits: 2048, ID: "dh1"}
	k.wants(t, "install bboth")
	target := k.certs[1].known.Targets["default"]
	target.DH, target.Lacks = "dh1", &plan.Fault{Code: plan.CodeRoot, At: day(9.5)}
	k.certs[1].known.Targets["default"] = target
	k.wants(t)
	k.now = day(10.6)
	k.wants(t, "install bboth")
}
