package plan_test

import (
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
)

// renewed is a scene in which v1 was renewed by v2 on day 60.
func renewed() *scene {
	s := quiet()
	s.now = day(61)
	s.known.Versions = append(s.known.Versions, version("v2", day(60.5), pair(s.want, ec, day(60.5), days(90))))
	s.publish("v2", s.now)
	return s
}

// publish points the scene at a version that is installed and verified.
func (s *scene) publish(id string, now time.Time) {
	s.known.Published = id
	s.known.Advice = map[string]plan.Advice{ec: {CertID: "id-" + id, Asked: now, AskAgain: now.Add(6 * time.Hour)}}
	s.known.Inspected = now
	s.target(func(t *plan.Target) { *t = verified(id, now) })
}

// restore does what a restore ask leads to.
func (s *scene) restore(id string) {
	s.publish(id, s.now)
	s.known.Held, s.known.HeldAt = true, s.now
	delete(s.known.Asks, plan.AskRestore)
}

func askRestore(s *scene, id string) {
	s.known.Asks = map[plan.AskKind]plan.Ask{plan.AskRestore: {At: s.now, Version: id}}
}

func TestRestore(t *testing.T) {
	t.Parallel()
	s := renewed()
	askRestore(s, "v1")
	step := s.the(t, plan.KindPublish)
	if step.Version != "v1" || !step.Asked || step.Reason.Code != plan.ReasonAsked || !step.Due(s.now) {
		t.Errorf("step %+v, want v1 published as asked", step)
	}
	s.restore("v1")
	if due := s.due(); len(due) != 0 {
		t.Errorf("due while held: %v", s.steps())
	}
	if p := problem(t, s, plan.CodeHeld); p.Severity != plan.Warning {
		t.Errorf("problem %+v", p)
	}
}

// Restoring what is published has it held.
func TestRestoreOfThePublishedVersion(t *testing.T) {
	t.Parallel()
	s := renewed()
	askRestore(s, "v2")
	if step := s.the(t, plan.KindPublish); step.Version != "v2" {
		t.Errorf("step %+v", step)
	}
	s.known.Held, s.known.HeldAt = true, s.now
	s.none(t, plan.KindPublish)
	if step := s.the(t, plan.KindAnswer); len(step.Drop) != 1 {
		t.Errorf("step %+v, want the ask dropped", step)
	}
}

// An ask that can no longer be granted is dropped, and keeps the certificate
// from nothing.
func TestRestoreOfWhatCannotBeServed(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*scene){
		"pruned":     func(s *scene) { s.known.Versions = s.known.Versions[1:] },
		"unreadable": func(s *scene) { s.known.Versions[0].Broken = "gone" },
		"revoked":    func(s *scene) { s.v1().Revoked = true },
		"ended":      func(s *scene) { s.v1().NotAfter = s.now },
		"no pairs":   func(s *scene) { s.known.Versions[0].Pairs = nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := renewed()
			askRestore(s, "v1")
			spoil(s)
			s.none(t, plan.KindPublish)
			if step := s.the(t, plan.KindAnswer); step.Drop[0] != string(plan.AskRestore) {
				t.Errorf("step %+v", step)
			}
			s.now = day(140)
			if step := s.the(t, plan.KindIssue); !step.Due(s.now) {
				t.Errorf("the ask keeps the renewal back: %+v", step)
			}
		})
	}
}

// A hold lasts until our own window, unless that was open already when the
// version was restored: then until a tenth of its life is left.
func TestHoldEnds(t *testing.T) {
	t.Parallel()
	own := day(90).Add(-33 * days(90) / 100)
	for _, c := range []struct {
		name     string
		restored time.Time
		ends     time.Time
	}{
		{"restored before its window", day(40), own},
		{"restored in its window", day(61), day(81)},
		{"not known when", time.Time{}, own},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := quiet()
			s.now = day(61)
			s.restore("v1")
			s.known.HeldAt = c.restored
			at(t, s.the(t, plan.KindIssue), later(s.now, c.ends))
		})
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// A held version ignores what the config and the CA's advice say meanwhile.
func TestHeldIgnores(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*scene){
		"a name added":     func(s *scene) { s.want.Names = append(s.want.Names, "new.example") },
		"a profile":        func(s *scene) { s.want.Profile = "shortlived" },
		"a key type added": func(s *scene) { s.want.KeyTypes = []string{ec, rsa} },
		"another issuer":   func(s *scene) { s.want.Issuers = []string{"corp"} },
		"the CA's advice": func(s *scene) {
			s.known.Advice[ec] = plan.Advice{CertID: "id-v1", Start: day(1), End: day(2), At: day(1), Asked: s.now, AskAgain: s.now.Add(time.Hour)}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := renewed()
			s.restore("v1")
			change(s)
			s.none(t, plan.KindIssue)
			s.none(t, plan.KindPublish)
		})
	}
}

// What makes a held version useless ends the hold; a newer one that fits is
// better than a new order.
func TestHoldIsOver(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*scene){
		"unreadable": func(s *scene) { s.known.Versions[0].Broken = "gone" },
		"revoked":    func(s *scene) { s.v1().Revoked = true },
		"due":        func(s *scene) { s.now = day(81) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := renewed()
			s.restore("v1")
			change(s)
			if step := s.the(t, plan.KindPublish); step.Version != "v2" || step.Reason.Code == plan.ReasonAsked {
				t.Errorf("step %+v, want v2 published", step)
			}
		})
	}
	s := renewed()
	s.restore("v1")
	s.now, s.want.Profile = day(81), "shortlived" // which the newer one does not have
	if step := s.the(t, plan.KindIssue); !step.Due(s.now) {
		t.Errorf("step %+v, want an order", step)
	}
	s = renewed()
	s.restore("v1")
	s.ask(plan.AskRenew, s.now)
	if step := s.the(t, plan.KindIssue); step.Reason.Code != plan.ReasonAsked || !step.Due(s.now) {
		t.Errorf("step %+v, want an order although held", step)
	}
}

func TestRelease(t *testing.T) {
	t.Parallel()
	s := renewed()
	s.restore("v1")
	s.now = s.now.Add(time.Hour)
	s.ask(plan.AskRelease, s.now)
	if step := s.the(t, plan.KindPublish); step.Version != "v2" || step.Asked {
		t.Errorf("step %+v, want v2 published", step)
	}
	s.publish("v2", s.now)
	s.known.Held = false
	if step := s.the(t, plan.KindAnswer); step.Drop[0] != string(plan.AskRelease) {
		t.Errorf("step %+v", step)
	}

	// Where nothing newer is stored, the config counts again at once.
	s = quiet()
	s.restore("v1")
	s.want.Names = append(s.want.Names, "new.example")
	s.ask(plan.AskRelease, s.now)
	if step := s.the(t, plan.KindIssue); step.Reason.Code != plan.ReasonNames || !step.Due(s.now) {
		t.Errorf("step %+v, want the new name ordered", step)
	}
}

// TestReleaseBeforeItIsRestored: who releases a version that waits for its turn
// does not want it any more.
func TestReleaseBeforeItIsRestored(t *testing.T) {
	t.Parallel()
	s := renewed()
	askRestore(s, "v1")
	s.ask(plan.AskRelease, s.now.Add(time.Second))
	step := s.the(t, plan.KindAnswer)
	if len(step.Drop) != 1 || step.Drop[0] != string(plan.AskRestore) || !step.Due(s.now) {
		t.Errorf("step %+v, want the restore dropped", step)
	}
	s.none(t, plan.KindPublish)
}

// A release that was asked for before a restore does not end the hold.
func TestReleaseBeforeRestore(t *testing.T) {
	t.Parallel()
	s := renewed()
	askRestore(s, "v1")
	s.ask(plan.AskRelease, s.now.Add(-time.Second))
	step := s.the(t, plan.KindAnswer)
	if len(step.Drop) != 1 || step.Drop[0] != string(plan.AskRelease) || !step.Due(s.now) {
		t.Errorf("step %+v, want the release dropped first", step)
	}
	s.none(t, plan.KindPublish)
	delete(s.known.Asks, plan.AskRelease)
	if step := s.the(t, plan.KindPublish); step.Version != "v1" {
		t.Errorf("step %+v", step)
	}
}
