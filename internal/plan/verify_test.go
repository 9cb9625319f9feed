package plan_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
)

func TestVerifySchedule(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		disturb func(*scene, *plan.Target)
		wait    time.Duration
		reason  plan.ReasonCode
		asked   bool
	}{
		{"right", func(*scene, *plan.Target) {}, days(1), plan.ReasonRoutine, false},
		{"right, a day ago", func(s *scene, f *plan.Target) { f.Verify.At = s.now.Add(-days(1)) }, 0, plan.ReasonRoutine, false},
		{"right, while the clock was ahead", func(_ *scene, f *plan.Target) { f.Verify.At = day(400) }, 0, plan.ReasonRoutine, false},
		{"just reloaded", func(_ *scene, f *plan.Target) {
			f.State, f.Verify = plan.TargetReloaded, plan.VerifyFact{Version: "v0", At: day(9)}
		}, 0, plan.ReasonUnverified, false},
		{"never looked", func(_ *scene, f *plan.Target) {
			f.State, f.Verify = plan.TargetReloaded, plan.VerifyFact{}
		}, 0, plan.ReasonUnverified, false},
		{"not shown, third time", func(s *scene, f *plan.Target) {
			f.State, f.Verify.Tries = plan.TargetReloaded, failed(3, s.now)
		}, 100 * time.Minute, plan.ReasonUnverified, false},
		{"not shown, asked to look now", func(s *scene, f *plan.Target) {
			f.State, f.Verify.Tries, f.Verify.At = plan.TargetReloaded, failed(3, day(9)), day(9)
			s.ask(plan.AskApply, s.now)
		}, 0, plan.ReasonAsked, true},
		{"right, asked to look now", func(s *scene, f *plan.Target) {
			f.Verify.At = s.now.Add(-time.Hour)
			s.ask(plan.AskApply, s.now)
		}, 23 * time.Hour, plan.ReasonRoutine, false},
		{"right, asked to verify", func(s *scene, f *plan.Target) {
			f.Verify.At = s.now.Add(-time.Hour)
			s.ask(plan.AskVerify, s.now)
		}, 0, plan.ReasonAsked, true},
		{"behind, asked to verify", func(s *scene, f *plan.Target) {
			f.Version, f.Verify.At = "v0", s.now.Add(-time.Hour)
			f.Refused, f.Tries = &plan.Refused{Version: "v1", Config: "c1"}, failed(4, s.now)
			s.ask(plan.AskVerify, s.now)
		}, 0, plan.ReasonAsked, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := quiet()
			s.target(func(f *plan.Target) { c.disturb(s, f) })
			step := s.the(t, plan.KindVerify)
			at(t, step, s.now.Add(c.wait))
			if step.Reason.Code != c.reason || step.Asked != c.asked || step.Version != "v1" {
				t.Errorf("step %+v, want reason %s, asked %v", step, c.reason, c.asked)
			}
		})
	}
	s := quiet()
	s.want.Targets[0].Verify = false
	if found := s.all(plan.KindVerify); len(found) != 0 {
		t.Errorf("verifies what cannot be asked: %v", found)
	}
}

func TestInspectSchedule(t *testing.T) {
	t.Parallel()
	s := quiet()
	step := s.the(t, plan.KindInspect)
	if wait := step.At.Sub(s.now); wait < 3*time.Hour || wait > 6*time.Hour {
		t.Errorf("inspects in %s", wait)
	}
	s.known.Inspected = time.Time{} // after a start
	at(t, s.the(t, plan.KindInspect), s.now)
	s.known.Inspected = day(400) // the clock was ahead
	at(t, s.the(t, plan.KindInspect), s.now)
	s.want.Targets = nil
	if found := s.all(plan.KindInspect); len(found) != 0 {
		t.Errorf("inspects nothing: %v", found)
	}
}

// Inspections of a fleet do not come all at once, nor do they wake the daemon
// once for each certificate.
func TestInspectionsAreSpread(t *testing.T) {
	t.Parallel()
	s := quiet()
	s.want.Targets[0].Verify = false
	s.want.Renew.ARI = false
	w := plan.World{Known: plan.Known{Certs: map[string]*plan.KnownCert{}}}
	const fleet = 1000
	for i := range fleet {
		want, known := s.want, s.known
		want.Name = fmt.Sprintf("c%03d.example", i)
		known.Inspected = s.now.Add(time.Duration(i) * time.Millisecond)
		w.Wanted.Certs = append(w.Wanted.Certs, want)
		w.Known.Certs[want.Name] = &known
	}
	instants := map[time.Time]int{}
	for _, step := range plan.Make(s.now, w) {
		if step.Kind == plan.KindInspect {
			instants[step.At]++
		}
	}
	if len(instants) < 12 || len(instants) > 48 {
		t.Errorf("%d wake-ups for %d inspections", len(instants), fleet)
	}
	for at, n := range instants {
		if n > fleet/10 {
			t.Errorf("%d of %d inspections at %s", n, fleet, at)
		}
	}
}

// TestInspectionsStayTogether: a week of a daemon with twenty certificates wakes
// as often for their inspections at its end as on its first day. Their periods
// differed once, so that each certificate came to wake it alone.
func TestInspectionsStayTogether(t *testing.T) {
	t.Parallel()
	s := quiet()
	s.want.Targets[0].Verify = false
	s.want.Renew.ARI = false
	for i := range 20 {
		known, now := s.known, s.now
		want := s.want
		want.Name = fmt.Sprintf("c%d.example", i)
		known.Inspected = now.Add(time.Duration(i) * time.Minute)
		instants := map[time.Duration]bool{}
		for range 28 {
			w := plan.World{Wanted: plan.Wanted{Certs: []plan.WantedCert{want}}, Known: plan.Known{Certs: map[string]*plan.KnownCert{want.Name: &known}}}
			for _, step := range plan.Cert(known.Inspected, w, want) {
				if step.Kind == plan.KindInspect {
					instants[step.At.Sub(step.At.Truncate(6*time.Hour))] = true
					known.Inspected = step.At.Add(time.Second)
				}
			}
		}
		if len(instants) != 1 {
			t.Errorf("%s is inspected at %d instants of a quarter of a day", want.Name, len(instants))
		}
	}
}
