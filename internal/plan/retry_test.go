package plan_test

import (
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
)

func TestBackoff(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]time.Duration{
		-1: 0, 0: 0, 1: time.Minute, 2: 10 * time.Minute, 3: 100 * time.Minute, 4: 24 * time.Hour, 5: 24 * time.Hour, 1000: 24 * time.Hour,
	} {
		if got := plan.Backoff(n, 0); got != want {
			t.Errorf("after %d failures %s, want %s", n, got, want)
		}
		most := want + want/5
		if got := plan.Backoff(n, 0.999999); got < want || got > most {
			t.Errorf("after %d failures with jitter %s, want up to %s", n, got, most)
		}
	}
}

func fault(blame plan.Blame) plan.Fault {
	return plan.Fault{Code: plan.CodeCAError, Words: "the CA has trouble", Blame: blame}
}

// failed is the n-th failure in a row at an instant, blamed on nobody else.
func failed(n int, now time.Time) plan.Tries {
	return plan.Tries{Count: n - 1}.Begin(now, 0).Failed(now, fault(plan.BlameAdmin), time.Time{})
}

func TestAttemptsAreCountedBeforeTheyAreMade(t *testing.T) {
	t.Parallel()
	tries := plan.Tries{}.Begin(day0(), 0)
	if tries.Count != 1 || !tries.Open || !tries.Last.Equal(day0()) {
		t.Errorf("begun: %+v", tries)
	}
	ended := day0().Add(3 * time.Second)
	tries = tries.Failed(ended, fault(plan.BlameCA), time.Time{})
	if tries.Count != 1 || tries.Open || tries.Fault == nil || tries.Fault.Blame != plan.BlameCA {
		t.Errorf("failed: %+v", tries)
	}
	if got, want := tries.WaitsUntil(ended), ended.Add(time.Minute); !got.Equal(want) {
		t.Errorf("waits until %s, want %s", got, want)
	}
}

// An attempt that took longer than its backoff is not repeated at once.
func TestBackoffRunsFromTheEnd(t *testing.T) {
	t.Parallel()
	tries := plan.Tries{Count: 1}.Begin(day0(), 0.5)
	ended := day0().Add(45 * time.Minute)
	tries = tries.Failed(ended, fault(plan.BlameAdmin), time.Time{})
	if got, want := tries.WaitsUntil(ended), ended.Add(11*time.Minute); !got.Equal(want) {
		t.Errorf("waits until %s, want %s", got, want)
	}
}

// A kill is made up for at once the first time; a crash loop backs off.
func TestCrashes(t *testing.T) {
	t.Parallel()
	now := day0()
	tries := plan.Tries{}
	for n, want := range []time.Duration{0, 10 * time.Minute, 100 * time.Minute, 24 * time.Hour, 24 * time.Hour} {
		tries = tries.Begin(now, 0)
		got := max(0, tries.WaitsUntil(now).Sub(now))
		if got != want {
			t.Errorf("killed %d times in a row: waits %s, want %s", n+1, got, want)
		}
		now = now.Add(got)
	}
	tries = tries.Failed(now, fault(plan.BlameAdmin), time.Time{})
	if tries.Crashed != 0 {
		t.Errorf("an attempt that reported left %d crashes", tries.Crashed)
	}
	tries = tries.Begin(now, 0)
	if wait := tries.WaitsUntil(now); wait.After(now) {
		t.Errorf("the first kill after a report waits until %s", wait)
	}
}

func TestCrashInThePlan(t *testing.T) {
	t.Parallel()
	s := quiet()
	s.now = day(61)
	s.tries(plan.Tries{}.Begin(s.now, 0))
	at(t, s.the(t, plan.KindIssue), s.now)
	s.tries(s.known.Tries[ec].Begin(s.now, 0))
	at(t, s.the(t, plan.KindIssue), s.now.Add(10*time.Minute))
}

func TestClockSetBack(t *testing.T) {
	t.Parallel()
	ahead := day(375)
	began := plan.Tries{Count: 5, ImposedBy: "le", Issuer: "le"}.Begin(ahead, 0)
	reported := plan.Tries{Count: 5, Issuer: "le"}.Begin(day(10), 0).Failed(ahead, fault(plan.BlameCA), ahead.Add(days(3)))
	for name, tries := range map[string]plan.Tries{
		"while it was ahead an attempt began":     began,
		"while it was ahead an attempt failed":    began.Failed(ahead, fault(plan.BlameCA), ahead.Add(days(3))),
		"it went ahead while an attempt was made": reported,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := quiet()
			s.now = day(61)
			s.tries(tries)
			if wait := tries.WaitsUntil(s.now); wait.After(s.now) {
				t.Errorf("waits until %s", wait)
			}
			at(t, s.the(t, plan.KindIssue), s.now)
		})
	}
	meanwhile := plan.Tries{Issuer: "le"}.Begin(ahead, 0).Failed(day(10), fault(plan.BlameCA), day(13))
	if wait := meanwhile.WaitsUntil(day(10)); !wait.Equal(day(13)) {
		t.Errorf("the clock was set back during an attempt: waits until %s, want what the CA said then", wait)
	}
	small := plan.Tries{}.Begin(day0(), 0).Failed(day0(), fault(plan.BlameAdmin), time.Time{})
	if wait := small.WaitsUntil(day0().Add(-30 * time.Second)); !wait.Equal(day0().Add(time.Minute)) {
		t.Errorf("a correction of half a minute ends the backoff: %s", wait)
	}
}

func TestWaitingInThePlan(t *testing.T) {
	t.Parallel()
	s := quiet()
	s.now = day(61)
	for n, want := range map[int]time.Duration{1: time.Minute, 2: 10 * time.Minute, 3: 100 * time.Minute, 4: days(1), 9: days(1)} {
		s.tries(failed(n, s.now))
		at(t, s.the(t, plan.KindIssue), s.now.Add(want))
	}
}

// Backoff of attempts at something else, before the config was corrected, does
// not delay what is wanted now; a CA's Retry-After does.
func TestChangedRequestStartsAfresh(t *testing.T) {
	t.Parallel()
	s := quiet()
	tries := failed(6, s.now)
	wrong := s.want.Request()
	wrong.Names = []string{"mail.exmaple"}
	s.want.Names = append(s.want.Names, "new.example")
	tries.Request = &wrong
	s.tries(tries)
	at(t, s.the(t, plan.KindIssue), s.now)

	same := s.want.Request()
	tries.Request = &same
	s.tries(tries)
	at(t, s.the(t, plan.KindIssue), s.now.Add(days(1)))

	tries.Request, tries.Imposed = &wrong, s.now.Add(time.Hour)
	s.tries(tries)
	at(t, s.the(t, plan.KindIssue), s.now.Add(time.Hour))
}

// What starts afresh goes on so: the next attempt is the first one.
func TestAfreshForMoreThanOnce(t *testing.T) {
	t.Parallel()
	s := quiet()
	tries := failed(6, s.now)
	request := s.want.Request()
	s.want.Proof, tries.Request, tries.Proof = "mended", &request, "wrong"
	if got := tries.For(s.want).Begin(s.now, 0); got.Count != 1 {
		t.Errorf("counted %d", got.Count)
	}
	tries.Proof = "mended"
	if got := tries.For(s.want).Begin(s.now, 0); got.Count != 7 {
		t.Errorf("counted %d where nothing changed", got.Count)
	}
}

// A certificate from one CA does not make another CA's Retry-After void.
func TestSuccessKeepsAnothersWish(t *testing.T) {
	t.Parallel()
	s := quiet()
	s.want.Issuers = []string{"le", "other"}
	asked := plan.Tries{Issuer: "le"}.Begin(s.now, 0).Failed(s.now, fault(plan.BlameCA), s.now.Add(days(2)))
	for by, want := range map[string]time.Time{"other": s.now.Add(days(2)), "le": {}} {
		left := asked.Succeeded(s.now.Add(time.Minute), by)
		if left.Count != 0 || left.Open || left.Fault != nil || !left.Imposed.Equal(want) {
			t.Errorf("issued by %s: %+v", by, left)
		}
	}
	if left := asked.Succeeded(s.now.Add(days(3)), "other"); left != (plan.Tries{}) {
		t.Errorf("a wish that is over: %+v", left)
	}
}

// The same goes for other ways to prove the names: somebody mended them.
func TestChangedProofStartsAfresh(t *testing.T) {
	t.Parallel()
	s := quiet()
	request := s.want.Request()
	s.now, s.want.Proof = day(61), "now"
	for before, want := range map[string]time.Time{"now": s.now.Add(days(1)), "": s.now.Add(days(1)), "then": s.now} {
		tries := failed(6, s.now)
		tries.Request, tries.Proof = &request, before
		s.tries(tries)
		at(t, s.the(t, plan.KindIssue), want)
	}
}

// An ask skips our own backoff for one attempt.
func TestAskSkipsBackoffOnce(t *testing.T) {
	t.Parallel()
	for _, kind := range []plan.AskKind{plan.AskRenew, plan.AskApply} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			s := quiet()
			s.now = day(61)
			s.tries(failed(5, s.now.Add(-time.Hour)))
			s.ask(kind, s.now)
			step := s.the(t, plan.KindIssue)
			at(t, step, s.now)
			if !step.Asked {
				t.Error("the step does not say that it was asked for")
			}
			s.tries(s.known.Tries[ec].Begin(s.now, 0).Failed(s.now, fault(plan.BlameAdmin), time.Time{}))
			at(t, s.the(t, plan.KindIssue), s.now.Add(days(1)))
		})
	}
}

// A short-lived certificate is not left to end while the daily backoff runs.
func TestBackoffIsShortForShortLives(t *testing.T) {
	t.Parallel()
	s := quiet()
	tries := failed(6, s.now)
	for _, life := range []time.Duration{30 * time.Second, 6 * 24 * time.Hour} {
		pair := s.known.Versions[0].Pairs[0]
		pair.NotBefore, pair.NotAfter = s.now.Add(-life), s.now
		s.known.Versions[0].Pairs[0] = pair
		s.known.Tries = map[string]plan.Tries{pair.KeyType: tries}
		at(t, s.the(t, plan.KindIssue), s.now.Add(life/10))
	}
}
