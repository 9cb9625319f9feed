package plan_test

import (
	"testing"

	"github.com/certkeep/certkeep/internal/plan"
)

// twoTypes is a certificate of two key types of which nothing exists yet.
func twoTypes() *scene {
	s := quiet()
	s.want.KeyTypes = []string{ec, rsa}
	s.known.Published, s.known.Versions, s.known.Targets = "", nil, map[string]plan.Target{}
	return s
}

// obtained adds a version with pairs of some key types that waits.
func (s *scene) obtained(id string, keyTypes ...string) {
	var pairs []plan.Pair
	for _, keyType := range keyTypes {
		pairs = append(pairs, pair(s.want, keyType, s.now, days(90)))
	}
	s.known.Versions = append(s.known.Versions, version(id, s.now, pairs...))
	s.known.Ready = id
}

// second looks at the order that comes after the first one of two.
func (s *scene) second(t *testing.T) {
	t.Helper()
	for _, step := range s.all(plan.KindIssue) {
		if step.Due(s.now) != (step.KeyType == rsa) || step.Gather {
			t.Errorf("after the first: %+v", step)
		}
	}
}

// Pairs that are due together are published together: the first waits.
func TestGather(t *testing.T) {
	t.Parallel()
	s := twoTypes()
	steps := s.all(plan.KindIssue)
	if len(steps) != 2 || !steps[0].Gather || steps[1].Gather {
		t.Fatalf("steps: %+v", steps)
	}
	s.obtained("v1", ec)
	s.second(t)
	s.none(t, plan.KindInstall)
	s.none(t, plan.KindPublish)
}

// One that fails holds up no other.
func TestGatherFails(t *testing.T) {
	t.Parallel()
	s := twoTypes()
	s.obtained("v1", ec)
	s.known.Tries = map[string]plan.Tries{rsa: failed(1, s.now)}
	if step := s.the(t, plan.KindPublish); step.Version != "v1" || !step.Due(s.now) {
		t.Errorf("publish: %+v", step)
	}
	s.publish("v1", s.now)
	s.known.Ready = ""
	s.none(t, plan.KindPublish)
}

// A renewal of both leaves the former version in place until both are there,
// and what waits is not pruned.
func TestGatherRenewal(t *testing.T) {
	t.Parallel()
	s := twoTypes()
	s.obtained("v1", ec, rsa)
	s.publish("v1", s.now)
	s.known.Ready, s.want.Keep = "", 1
	s.ask(plan.AskRenew, s.now.Add(1))
	s.now = s.now.Add(2)
	if steps := s.all(plan.KindIssue); len(steps) != 2 || !steps[0].Gather {
		t.Fatalf("steps: %+v", steps)
	}
	old, _ := s.known.Version("v1")
	kept, _ := old.Pair(rsa)
	s.known.Versions = append(s.known.Versions, version("v2", s.now, pair(s.want, ec, s.now, days(90)), kept))
	s.known.Ready = "v2"
	s.second(t)
	s.none(t, plan.KindPrune)
	// Gone back to by a person, the published one is what counts.
	s.known.Held, s.known.Ready, s.known.HeldAt = true, "", s.now
	s.none(t, plan.KindPublish)
}

// Who finds that the other orders are not made now has what waits published.
func TestGathered(t *testing.T) {
	t.Parallel()
	s := twoTypes()
	if step, ok := plan.Gathered(s.now, s.world(), s.want); ok {
		t.Errorf("nothing waits: %+v", step)
	}
	s.obtained("v1", ec)
	if step, ok := plan.Gathered(s.now, s.world(), s.want); !ok || step.Kind != plan.KindPublish || step.Version != "v1" {
		t.Errorf("step %+v, %v", step, ok)
	}
	s.publish("v1", s.now)
	if step, ok := plan.Gathered(s.now, s.world(), s.want); ok {
		t.Errorf("it is published: %+v", step)
	}
}
