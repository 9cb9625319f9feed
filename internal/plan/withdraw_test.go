package plan_test

import (
	"slices"
	"testing"

	"github.com/certkeep/certkeep/internal/plan"
)

// withdrawing has a person withdraw all on the shared key, for a reason that
// says nothing against the key.
func withdrawing(k *shared) {
	k.known.Revoke(k.now)
	k.want.Shared = &plan.WantedTarget{Name: "_keys", Config: "c1"}
	k.known.Shared = plan.Target{Version: "ecdsa-p256=k1", State: plan.TargetReloaded, Config: "c1", Files: []plan.File{{Path: "/key.pem"}}}
	k.known.Inspected = k.now
	for _, s := range k.certs {
		s.v1().SHA256 = "sha-" + s.want.Name
		s.known.Revoke(k.now, plan.Revocation{Reason: plan.RevokeUnspecified, First: true, Withdraw: true}, nil)
		s.ask(plan.AskRevoke, k.now)
		s.target(func(t *plan.Target) { t.Files = []plan.File{{Path: "/" + s.want.Name + ".pem"}} })
	}
}

// wasWithdrawn is what the engine stores after the CA's answer.
func wasWithdrawn(k *shared, s *scene) {
	s.known.WasRevoked("sha-" + s.want.Name)
	s.known.Withdraw(k.now)
}

// of are those of some steps that are of a kind.
func (k *shared) of(kind plan.Kind) []plan.Step {
	return slices.DeleteFunc(plan.Make(k.now, k.world()), func(s plan.Step) bool { return s.Kind != kind })
}

// TestWithdraw goes through acmebot's order of things: the CA, the files, and
// then the key that was ready, however young it is.
func TestWithdraw(t *testing.T) {
	t.Parallel()
	k := quietShared()
	k.want.MinBackupAge = days(100)
	withdrawing(k)
	if got := k.of(plan.KindRevoke); len(got) != 2 || !got[0].Withdraw || got[0].Revocation != plan.RevokeUnspecified {
		t.Fatalf("revoked is %+v", got)
	}
	for _, s := range k.certs {
		wasWithdrawn(k, s)
		if s.known.Published != "" || s.known.Withdrawn != "v1" {
			t.Fatalf("known: %+v", s.known)
		}
	}
	if got := k.of(plan.KindWithdraw); len(got) != 3 {
		t.Fatalf("files that go: %+v", got)
	}
	if got := k.of(plan.KindIssue); len(got) > 0 {
		t.Errorf("on the revoked key is issued: %+v", got)
	}
	for _, s := range k.certs {
		delete(s.known.Targets, "default")
		s.known.Asks = nil // answered
	}
	k.known.Shared = plan.Target{}
	roll := k.of(plan.KindRoll)
	if len(roll) != 1 || !roll[0].Due(k.now) || roll[0].Roll[ec] != "k2" {
		t.Fatalf("a change of keys: %+v", roll)
	}
	k.known.Rolling = &plan.Rollover{At: k.now, Keys: roll[0].Roll, Reason: roll[0].Reason}
	k.wants(t, "switch-keys both")
	k.known.Switch(k.now)
	k.wants(t, "issue a on k2", "issue b on k2", "make-keys both, next")
	if pins := k.certs[0].known.Pins(k.certs[0].want, &k.known); slices.Contains(pins, "k1") {
		t.Errorf("pins are %q", pins)
	}
}

// TestWithdrawnIsReplacedMeanwhile: where the CA could not be asked, another
// certificate takes the place of what is to be revoked, on the next key, and
// its files stay.
func TestWithdrawnIsReplacedMeanwhile(t *testing.T) {
	t.Parallel()
	k := quietShared()
	withdrawing(k)
	k.known.Shared, k.want.Shared = plan.Target{}, nil
	k.rolling()
	k.wants(t, "issue a on k2, rolled", "issue b on k2, rolled", "revoke a", "revoke b")
	for _, s := range k.certs {
		s.rolled()
		s.known.Published = "r1"
		wasWithdrawn(k, s)
		if s.known.Published != "r1" || s.known.Withdrawn != "" {
			t.Errorf("known: %+v", s.known)
		}
	}
	if got := k.of(plan.KindWithdraw); len(got) > 0 {
		t.Errorf("files go: %+v", got)
	}
}

// TestNothingOldComesBack: what is older than what was withdrawn is not served
// in its place, though it would fit.
func TestNothingOldComesBack(t *testing.T) {
	t.Parallel()
	s := quiet()
	s.v1().SHA256, s.v1().Revoked = "sha-v1", true
	older := version("v0", day(-1), pair(s.want, ec, day(-1), days(90)))
	s.known.Versions = slices.Insert(s.known.Versions, 0, older)
	s.known.Withdraw(s.now)
	delete(s.known.Targets, "default")
	if got := s.due(); !slices.Equal(got, []plan.Kind{plan.KindIssue}) {
		t.Errorf("due are %v", got)
	}
	if p := s.problems(); len(p) != 1 || p[0].Code != plan.CodeWithdrawn || p[0].Severity != plan.Warning {
		t.Errorf("problems: %+v", p)
	}
	// Without files at a target, and with those of a placeholder, nothing goes.
	s.known.Targets["default"] = plan.Target{Files: []plan.File{{Path: "/x"}}, Spare: &plan.Placeholder{At: s.now}}
	s.none(t, plan.KindWithdraw)
	s.target(func(t *plan.Target) { t.Spare = nil })
	if step := s.the(t, plan.KindWithdraw); !step.Due(s.now) || step.Version != "v1" {
		t.Errorf("step is %+v", step)
	}
	// One that failed waits, and is told.
	s.target(func(t *plan.Target) {
		t.Tries = plan.Tries{}.Begin(s.now, 0).Failed(s.now, plan.Fault{Code: plan.CodeDeploy, At: s.now}, s.now)
	})
	s.none(t, plan.KindWithdraw)
	if !slices.ContainsFunc(s.problems(), func(p plan.Problem) bool { return p.Code == plan.CodeDeploy }) {
		t.Errorf("problems: %+v", s.problems())
	}
}
