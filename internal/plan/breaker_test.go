package plan_test

import (
	"strings"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
)

// unreached is n failures in a row to reach a CA.
func unreached(n int, now time.Time) plan.KnownIssuer {
	var k plan.KnownIssuer
	for range n {
		k = k.Troubled(now, "other", plan.Fault{Code: plan.CodeNetwork, Blame: plan.BlameNetwork, Words: "le: connection refused"}, k.Breaker.Failures >= 3)
	}
	return k
}

// A CA that fails three times in a row is left to one order at a time, ever
// more seldom.
func TestBreakerOpens(t *testing.T) {
	t.Parallel()
	now := day(61)
	for failures, wait := range map[int]time.Duration{0: 0, 2: 0, 3: time.Minute, 4: 2 * time.Minute, 6: 8 * time.Minute, 9: time.Hour, 1000: time.Hour} {
		k := unreached(failures, now)
		last := now
		if _, admitted, probe := k.Admit(last, false); admitted != (wait == 0) || probe {
			t.Errorf("after %d failures: admitted %t, as a probe %t", failures, admitted, probe)
		}
		if wait == 0 {
			continue
		}
		later := last.Add(wait)
		if _, admitted, _ := k.Admit(later.Add(-time.Second), false); admitted {
			t.Errorf("after %d failures it is tried before %s", failures, wait)
		}
		k, admitted, probe := k.Admit(later, false)
		if !admitted || !probe {
			t.Errorf("after %d failures it is not tried after %s", failures, wait)
		}
		if _, second, _ := k.Admit(later.Add(time.Second), true); second {
			t.Error("a second order is let through while the first tries the CA")
		}
		if _, killed, _ := k.Admit(later.Add(11*time.Minute), false); !killed {
			t.Error("a process that was killed holds the CA back for ever")
		}
		if _, free, probe := k.Worked(later).Admit(later, false); !free || probe {
			t.Error("a CA that works is not asked freely")
		}
	}
}

// A person's wish tries the CA at once, if nobody else does.
func TestBreakerAndAsks(t *testing.T) {
	t.Parallel()
	now := day(61)
	k := unreached(9, now).Unprobed(now)
	if _, admitted, probe := k.Admit(now.Add(9*time.Minute), true); !admitted || !probe {
		t.Errorf("admitted %t, as a probe %t", admitted, probe)
	}
	s := quiet()
	s.now, s.want.Issuers = now.Add(9*time.Minute), []string{"le"}
	s.issuers["le"] = unreached(9, now)
	if step := s.the(t, plan.KindIssue); !step.At.After(s.now) || !strings.Contains(step.Reason.Words, "le does not work since") {
		t.Errorf("step %+v", step)
	}
	s.ask(plan.AskRenew, s.now)
	at(t, s.the(t, plan.KindIssue), s.now)
}

// What was under way when the breaker opened, and one certificate that a CA
// answers badly again and again, say nothing of the CA.
func TestBreakerCountsOnce(t *testing.T) {
	t.Parallel()
	now := day(61)
	k := unreached(3, now)
	if again := k.Troubled(now, "late", plan.Fault{Code: plan.CodeNetwork, Blame: plan.BlameNetwork}, false); again.Breaker != k.Breaker {
		t.Errorf("breaker %+v, was %+v", again.Breaker, k.Breaker)
	}
	var poisoned plan.KnownIssuer
	for range 10 {
		poisoned = poisoned.Troubled(now, "mail", plan.Fault{Code: plan.CodeCAError, Blame: plan.BlameCA}, false)
	}
	if !poisoned.Breaker.Since.IsZero() {
		t.Error("one certificate has opened the breaker alone")
	}
	for _, cert := range []string{"a", "b"} {
		poisoned = poisoned.Troubled(now, cert, plan.Fault{Code: plan.CodeCAError, Blame: plan.BlameCA}, false)
	}
	if poisoned.Breaker.Since.IsZero() || !poisoned.Breaker.Orders {
		t.Errorf("three certificates have not opened it: %+v", poisoned.Breaker)
	}
}

// A clock that was ahead closes nothing for ever.
func TestBreakerFromTheFuture(t *testing.T) {
	t.Parallel()
	if _, admitted, probe := unreached(9, day(400)).Admit(day(61), false); !admitted || probe {
		t.Errorf("admitted %t, as a probe %t", admitted, probe)
	}
}

// While a CA does not work the next one listed is asked, at once; a failure
// that was the CA's does not make anybody wait once it works.
func TestBreakerFailsOver(t *testing.T) {
	t.Parallel()
	s := quiet()
	s.now = day(61)
	s.issuers["le"] = unreached(3, s.now)
	if step := s.the(t, plan.KindIssue); step.Issuer != "corp" || !step.Due(s.now) {
		t.Errorf("asks %s at %s", step.Issuer, step.At)
	}
	s.want.Issuers = []string{"le"}
	tries := plan.Tries{Count: 5, Issuer: "le"}.Begin(s.now, 0)
	tries.Issuer = "le"
	s.tries(tries.Failed(s.now, plan.Fault{Code: plan.CodeNetwork, Blame: plan.BlameNetwork}, time.Time{}))
	s.now = s.now.Add(time.Hour)
	s.issuers["le"] = unreached(3, day(61)).Worked(s.now)
	at(t, s.the(t, plan.KindIssue), s.now)
}

// A certificate that is due, and has not asked a CA that does not work, says
// why nothing comes of it.
func TestBreakerIsToldOf(t *testing.T) {
	t.Parallel()
	s := quiet()
	s.now, s.want.Issuers = day(61), []string{"le"}
	s.issuers["le"] = unreached(3, s.now)
	problems := s.problems()
	if len(problems) != 1 || problems[0].Code != plan.CodeNetwork || !strings.Contains(problems[0].Words, "connection refused") {
		t.Errorf("problems %+v", problems)
	}
	s.now = day(30)
	if problems := s.problems(); len(problems) != 0 {
		t.Errorf("problems %+v of a certificate that is not due", problems)
	}
}

// What was set under a clock that was years ahead holds no order back.
func TestBreakerUnderAClockThatWasAhead(t *testing.T) {
	t.Parallel()
	now := day(61)
	for name, k := range map[string]plan.KnownIssuer{
		"a probe that told nothing": unreached(4, now).Unprobed(now.AddDate(6, 0, 0)),
		"opened there":              unreached(4, now.AddDate(6, 0, 0)),
	} {
		if _, admitted, _ := k.Admit(now.Add(time.Hour), false); !admitted {
			t.Errorf("%s: the CA is not tried", name)
		}
	}
}
