package plan_test

import (
	"slices"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
)

// doomed is a quiet scene whose certificate a person wants revoked.
func doomed(first bool) *scene {
	s := quiet()
	s.v1().SHA256 = "sha-v1"
	s.known.Revoke(s.now, plan.Revocation{Reason: plan.RevokeSuperseded, First: first}, nil)
	s.ask(plan.AskRevoke, s.now)
	return s
}

// replacement publishes a second version, which is installed as far as state
// says.
func (s *scene) replacement(t plan.Target) {
	p := pair(s.want, ec, s.now, days(90))
	p.SHA256 = "sha-v2"
	s.known.Versions = append(s.known.Versions, version("v2", s.now, p))
	s.known.Published = "v2"
	s.known.Advice = map[string]plan.Advice{ec: {CertID: "id-v2", Asked: s.now, AskAgain: s.now.Add(6 * time.Hour)}}
	s.known.Targets["default"] = t
}

// TestRevokesOnceReplaced: the CA is asked only when nobody is served the old
// certificate any more.
func TestRevokesOnceReplaced(t *testing.T) {
	t.Parallel()
	wrong := verified("v2", day(10))
	wrong.State, wrong.Verify.Results = plan.TargetReloaded, []plan.Result{{Endpoint: "127.0.0.1:443", Verdict: plan.VerdictWrong}}
	unknown := verified("v2", day(10))
	unknown.State, unknown.Verify.Results = plan.TargetReloaded, []plan.Result{{Endpoint: "127.0.0.1:443", Verdict: plan.VerdictUnknown}}
	reloaded := verified("v2", day(10))
	reloaded.State, reloaded.Verify = plan.TargetReloaded, plan.VerifyFact{}
	for name, c := range map[string]struct {
		target plan.Target
		want   bool
	}{
		"old one installed":     {verified("v1", day(10)), false},
		"new one not shown":     {reloaded, false},
		"another one is served": {wrong, false},
		"nobody answers":        {unknown, true},
		"shown":                 {verified("v2", day(10)), true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := doomed(false)
			if got := s.due(); !slices.Equal(got, []plan.Kind{plan.KindIssue}) {
				t.Fatalf("due are %v, want the replacement first", got)
			}
			if step := s.the(t, plan.KindIssue); step.Reason.Code != plan.ReasonRevoke || !step.Asked {
				t.Errorf("step is %+v", step)
			}
			s.replacement(c.target)
			if got := slices.Contains(s.due(), plan.KindRevoke); got != c.want {
				t.Errorf("to be revoked is %t, want %t\n%v", got, c.want, s.steps())
			}
			if !c.want {
				return
			}
			step := s.the(t, plan.KindRevoke)
			if step.Version != "v1" || step.KeyType != ec || step.Issuer != "le" || step.Revocation != plan.RevokeSuperseded {
				t.Errorf("step is %+v", step)
			}
			s.known.WasRevoked("sha-v1")
			if !s.v1().Revoked || s.known.Revocations != nil {
				t.Errorf("known = %+v", s.known)
			}
			if got := s.due(); slices.Contains(got, plan.KindRevoke) || slices.Contains(got, plan.KindIssue) {
				t.Errorf("due are %v", got)
			}
		})
	}
}

func TestRevokesFirstWhereThatIsAsked(t *testing.T) {
	t.Parallel()
	s := doomed(true)
	if got := s.due(); !slices.Equal(got, []plan.Kind{plan.KindRevoke, plan.KindIssue}) {
		t.Fatalf("due are %v", got)
	}
	// Whatever becomes of it, the replacement does not wait.
	s.known.TryRevoke(s.now, 0, s.known.Revocations[0], "le")
	s.known.Revoking("sha-v1", func(tries plan.Tries) plan.Tries {
		return tries.Failed(s.now, plan.Fault{Code: plan.CodeNetwork, Words: "nobody answers"}, time.Time{})
	})
	s.now = s.now.Add(time.Second)
	s.ask(plan.AskRevoke, s.now.Add(-time.Minute))
	if got := s.due(); !slices.Equal(got, []plan.Kind{plan.KindIssue}) {
		t.Errorf("due are %v", got)
	}
	at(t, s.the(t, plan.KindRevoke), s.now.Add(time.Minute-time.Second))
	if !slices.ContainsFunc(s.problems(), func(p plan.Problem) bool { return p.Code == plan.CodeNetwork }) {
		t.Errorf("problems are %+v", s.problems())
	}
}

// TestRevokingAgainSparesTheReplacement: a person who asks twice, since the
// first answer was lost, does not revoke what took the place.
func TestRevokingAgainSparesTheReplacement(t *testing.T) {
	t.Parallel()
	s := doomed(false)
	s.replacement(verified("v1", day(10)))
	s.known.Revoke(s.now, plan.Revocation{Reason: plan.RevokeCessation, First: true}, nil)
	if r := s.known.Revocations; len(r) != 1 || r[0].SHA256 != "sha-v1" || r[0].Reason != plan.RevokeCessation || !r[0].First {
		t.Errorf("revocations are %+v", r)
	}
}

// TestBannedKey: every version on the key is revoked, none of them is used
// again, and the ban alone asks for it.
func TestBannedKey(t *testing.T) {
	t.Parallel()
	s := quiet()
	s.v1().SHA256 = "sha-v1"
	old := pair(s.want, ec, day(-5), days(90))
	old.SHA256, old.Key = "sha-v0", s.v1().Key
	other := pair(s.want, ec, day(-6), days(90))
	other.SHA256 = "sha-other"
	s.known.Versions = append([]plan.Version{version("other", day(-6), other), version("v0", day(-5), old)}, s.known.Versions...)
	world := s.world()
	world.Known.Banned = map[string]plan.Ban{old.Key: {At: s.now}}
	step := func(kind plan.Kind) (found []plan.Step) {
		for _, step := range plan.Make(s.now, world) {
			if step.Kind == kind && step.Due(s.now) {
				found = append(found, step)
			}
		}
		return found
	}
	if issue := step(plan.KindIssue); len(issue) != 1 || issue[0].Reason.Code != plan.ReasonBanned || !issue[0].Urgent {
		t.Fatalf("issues are %+v", issue)
	}
	if revoke := step(plan.KindRevoke); len(revoke) != 1 || revoke[0].Version != "v0" {
		t.Errorf("revocations are %+v, want the one that is not served", revoke)
	}
	if !slices.ContainsFunc(plan.Problems(s.now, world), func(p plan.Problem) bool { return p.Code == plan.CodeBanned }) {
		t.Error("no problem says that a compromised key is served")
	}
	s.replacement(verified("v2", s.now))
	if revoke := step(plan.KindRevoke); len(revoke) != 2 {
		t.Errorf("revocations are %+v, want both versions on the key", revoke)
	}
	s.ask(plan.AskRestore, s.now)
	s.known.Asks[plan.AskRestore] = plan.Ask{At: s.now, Version: "v1"}
	if publish := step(plan.KindPublish); len(publish) != 0 {
		t.Errorf("a version on a banned key is restored: %+v", publish)
	}
	s.known.Asks[plan.AskRestore] = plan.Ask{At: s.now, Version: "other"}
	if publish := step(plan.KindPublish); len(publish) != 1 {
		t.Errorf("publishes are %+v, want the version on another key", publish)
	}
}

// TestWhatEndedIsNotRevoked: the CA is not asked about what is over. Whether it
// is shows what a CA signed later, not this machine's clock, which may be years
// ahead for a while.
func TestWhatEndedIsNotRevoked(t *testing.T) {
	t.Parallel()
	s := doomed(false)
	s.replacement(verified("v2", s.now))
	s.want.Keep = 1
	right := s.now
	s.now = day(3650)
	s.none(t, plan.KindRevoke)
	s.none(t, plan.KindPrune)
	s.now = right
	if step := s.the(t, plan.KindRevoke); step.Version != "v1" {
		t.Errorf("step is %+v", step)
	}

	s.now = day(95)
	s.none(t, plan.KindRevoke)
	s.known.Versions = append(s.known.Versions, version("v3", s.now, pair(s.want, ec, s.now, days(90))))
	step := s.the(t, plan.KindRevoke)
	if !slices.Equal(step.Drop, []string{"sha-v1"}) || step.Issuer != "" {
		t.Errorf("step is %+v", step)
	}
}

// TestPruneSparesWhatIsToBeRevoked: its certificate and key are still needed.
func TestPruneSparesWhatIsToBeRevoked(t *testing.T) {
	t.Parallel()
	s := doomed(false)
	s.want.Keep = 1
	s.replacement(verified("v2", s.now))
	s.known.Asks = nil
	s.known.TryRevoke(s.now, 0, s.known.Revocations[0], "le")
	s.known.Revoking("sha-v1", func(tries plan.Tries) plan.Tries {
		return tries.Failed(s.now, plan.Fault{Code: plan.CodeNetwork}, time.Time{})
	})
	s.none(t, plan.KindPrune)
	s.known.WasRevoked("sha-v1")
	if got := s.due(); !slices.Equal(got, []plan.Kind{plan.KindPrune}) {
		t.Errorf("due are %v", got)
	}
}

// TestFoundCertificateIsTriedAtEachCA: who issued it is not known.
func TestFoundCertificateIsTriedAtEachCA(t *testing.T) {
	t.Parallel()
	s := doomed(true)
	s.v1().Issuer = ""
	var asked []string
	for range 3 {
		asked = append(asked, s.the(t, plan.KindRevoke).Issuer)
		s.known.TryRevoke(s.now, 0, s.known.Revocations[0], asked[len(asked)-1])
		s.known.Revoking("sha-v1", func(tries plan.Tries) plan.Tries {
			return tries.Failed(s.now, plan.Fault{Code: plan.CodeRejected}, time.Time{})
		})
	}
	if !slices.Equal(asked, []string{"le", "corp", "le"}) {
		t.Errorf("asked were %q", asked)
	}
}
