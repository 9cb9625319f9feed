package plan_test

import (
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
)

// blamed is n failures in a row at the scene's time, the last one blamed.
func blamed(s *scene, n int, blame plan.Blame, issuer string, retryAfter time.Time) {
	s.tries(plan.Tries{Count: n - 1, Issuer: issuer}.Begin(s.now, 0).Failed(s.now, fault(blame), retryAfter))
}

// faults are three failures at the first CA that are not its fault.
func faults(code plan.Code) func(*scene) {
	return func(s *scene) {
		blamed(s, 3, plan.BlameAdmin, "le", time.Time{})
		tries := s.known.Tries[ec]
		tries.Fault.Code = code
		s.tries(tries)
	}
}

func TestFailover(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		disturb func(*scene)
		want    string
	}{
		{"the first listed", func(*scene) {}, "le"},
		{"after two failures of the CA", func(s *scene) { blamed(s, 2, plan.BlameCA, "le", time.Time{}) }, "le"},
		{"after three", func(s *scene) { blamed(s, 3, plan.BlameCA, "le", time.Time{}) }, "corp"},
		{"after three for which nobody had proven the names there", faults(plan.CodeNotProven), "corp"},
		{"after three that a CAA record forbade", faults(plan.CodeCAA), "corp"},
		{"after three that a policy forbade", faults(plan.CodeRejected), "corp"},
		{"after three without the account that it wants", faults(plan.CodeEAB), "corp"},
		{"after three for want of a profile", faults(plan.CodeProfile), "corp"},
		{"after three failed proofs", faults(plan.CodeChallenge), "le"},
		{"after three of the network", func(s *scene) { blamed(s, 3, plan.BlameNetwork, "le", time.Time{}) }, "corp"},
		{"after four", func(s *scene) { blamed(s, 4, plan.BlameCA, "corp", time.Time{}) }, "third"},
		{"after five", func(s *scene) { blamed(s, 5, plan.BlameCA, "third", time.Time{}) }, "le"},
		{"after six", func(s *scene) { blamed(s, 6, plan.BlameCA, "le", time.Time{}) }, "corp"},
		{"after many that were ours", func(s *scene) { blamed(s, 9, plan.BlameAdmin, "le", time.Time{}) }, "le"},
		{"a defect of ours", func(s *scene) { blamed(s, 4, plan.BlameUs, "le", time.Time{}) }, "le"},
		{"the first asks to wait", func(s *scene) {
			s.issuers["le"] = plan.KnownIssuer{At: s.now, NotBefore: s.now.Add(time.Hour)}
		}, "corp"},
		{"the first asked to wait, and that is over", func(s *scene) {
			s.issuers["le"] = plan.KnownIssuer{At: s.now.Add(-time.Hour), NotBefore: s.now}
		}, "le"},
		{"the first asked to wait while the clock was ahead", func(s *scene) {
			s.issuers["le"] = plan.KnownIssuer{At: day(400), NotBefore: day(401)}
		}, "le"},
		{"the first refuses this certificate for a while", func(s *scene) { blamed(s, 1, plan.BlameCA, "le", s.now.Add(days(2))) }, "corp"},
		{"all ask to wait: the one that is free first", func(s *scene) {
			s.issuers["le"] = plan.KnownIssuer{At: s.now, NotBefore: s.now.Add(3 * time.Hour)}
			s.issuers["corp"] = plan.KnownIssuer{At: s.now, NotBefore: s.now.Add(2 * time.Hour)}
			s.issuers["third"] = plan.KnownIssuer{At: s.now, NotBefore: s.now.Add(4 * time.Hour)}
		}, "corp"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := quiet()
			s.want.Issuers = []string{"le", "corp", "third"}
			s.now = day(61)
			c.disturb(s)
			if got := s.the(t, plan.KindIssue).Issuer; got != c.want {
				t.Errorf("asks %q, want %q", got, c.want)
			}
		})
	}
}

func TestNoIssuer(t *testing.T) {
	t.Parallel()
	s := quiet()
	s.want.Issuers = nil
	if got := s.the(t, plan.KindIssue).Issuer; got != "" {
		t.Errorf("asks %q", got)
	}
}

// An issuer that is gone is the reason, not the profile that went with it.
func TestIssuerIsGone(t *testing.T) {
	t.Parallel()
	s := quiet()
	s.want.Issuers, s.want.Profile = []string{"corp"}, "server"
	if step := s.the(t, plan.KindIssue); step.Reason.Code != plan.ReasonIssuer || step.Issuer != "corp" {
		t.Errorf("step %+v, want an order at corp because le is not listed", step)
	}
}

// A CA's Retry-After binds everybody, people too.
func TestRetryAfterBindsAsks(t *testing.T) {
	t.Parallel()
	for _, kind := range []plan.AskKind{"", plan.AskRenew, plan.AskApply} {
		t.Run("asked to "+string(kind), func(t *testing.T) {
			t.Parallel()
			s := quiet()
			s.now, s.want.Issuers = day(61), []string{"le"}
			blamed(s, 1, plan.BlameCA, "le", s.now.Add(days(5)))
			if kind != "" {
				s.ask(kind, s.now)
			}
			at(t, s.the(t, plan.KindIssue), day(66))

			s.known.Tries = nil
			s.issuers["le"] = plan.KnownIssuer{At: s.now, NotBefore: s.now.Add(time.Hour)}
			at(t, s.the(t, plan.KindIssue), s.now.Add(time.Hour))
		})
	}
}

// What one CA imposed neither stops another from being asked nor is forgotten
// while it is.
func TestImposedBelongsToItsCA(t *testing.T) {
	t.Parallel()
	s := quiet()
	s.now = day(61)
	until := s.now.Add(days(5))
	blamed(s, 1, plan.BlameCA, "le", until)
	step := s.the(t, plan.KindIssue)
	if step.Issuer != "corp" {
		t.Fatalf("asks %s", step.Issuer)
	}
	at(t, step, s.now.Add(time.Minute))

	s.now = step.At
	tries := s.known.Tries[ec].Begin(s.now, 0)
	tries.Issuer = "corp"
	s.tries(tries.Failed(s.now, fault(plan.BlameAdmin), time.Time{}))
	if step = s.the(t, plan.KindIssue); step.Issuer != "corp" {
		t.Errorf("asks %s, which asked to wait until %s", step.Issuer, until)
	}

	s.now = step.At
	tries = s.known.Tries[ec].Begin(s.now, 0)
	tries.Issuer = "corp"
	s.tries(tries.Failed(s.now, fault(plan.BlameCA), s.now.Add(days(1))))
	step = s.the(t, plan.KindIssue)
	if step.At.Before(until) {
		t.Errorf("both asked to wait, the later until %s; asks %s at %s", until, step.Issuer, step.At)
	}

	s.now = until
	s.tries(s.known.Tries[ec].Begin(s.now, 0))
	if got := s.known.Tries[ec]; !got.Imposed.IsZero() || got.ImposedBy != "" {
		t.Errorf("what is over is still known: %+v", got)
	}
}

// A shorter Retry-After than our own backoff changes nothing.
func TestShortRetryAfter(t *testing.T) {
	t.Parallel()
	s := quiet()
	s.now, s.want.Issuers = day(61), []string{"le"}
	blamed(s, 4, plan.BlameCA, "le", s.now.Add(time.Second))
	at(t, s.the(t, plan.KindIssue), day(62))
}

// What a CA asked for under a clock that was years ahead does not bind once
// the clock is right, also when the CA asks for something anew then.
func TestPauseFromAnotherClock(t *testing.T) {
	now := day(0)
	wrong := plan.KnownIssuer{At: day(1000), NotBefore: day(1001)}
	if got := wrong.Paused(now, now.Add(time.Hour), plan.Fault{}).WaitsUntil(now); !got.Equal(now.Add(time.Hour)) {
		t.Errorf("asked to wait an hour, it waits until %v", got)
	}
	right := plan.KnownIssuer{At: now, NotBefore: now.Add(2 * time.Hour)}
	if got := right.Paused(now, now.Add(time.Hour), plan.Fault{}).WaitsUntil(now); !got.Equal(now.Add(2 * time.Hour)) {
		t.Errorf("asked for two hours, and then for one, it waits until %v", got)
	}
}
