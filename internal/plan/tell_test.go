package plan_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
)

// ear is a channel that hears, over time.
type ear struct {
	t     *testing.T
	now   time.Time
	want  plan.WantedChannel
	known plan.KnownChannel
}

func newEar(t *testing.T) *ear {
	return &ear{t: t, now: time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC), want: plan.WantedChannel{
		Name: "email", Limit: 6, Events: []string{"errored", "expiring", "verify-failed", "rolled-back", "revoked", "installed", "problem", "solved"},
	}}
}

// hear lets time go by and delivers what is told then.
func (e *ear) hear(after time.Duration, conditions ...plan.Problem) *plan.Message {
	e.t.Helper()
	e.now = e.now.Add(after)
	s, next := plan.Tell(e.now, e.want, e.known, conditions)
	if s == nil || next.After(e.now) {
		return nil
	}
	e.known = e.known.Delivered(e.now, *s)
	if s.Message.Count == 0 {
		return nil
	}
	return &s.Message
}

// says fails unless a message has just these groups, as "event change count".
func (e *ear) says(m *plan.Message, groups ...string) {
	e.t.Helper()
	var have []string
	if m != nil {
		for _, g := range m.Groups {
			have = append(have, fmt.Sprintf("%s %s %d", g.Event, g.Change, g.Count))
		}
	}
	if fmt.Sprint(have) != fmt.Sprint(groups) {
		e.t.Errorf("at %s it says %q, want %q", e.now.Format(time.DateTime), have, groups)
	}
}

func (e *ear) problem(code plan.Code, severity plan.Severity, cert string) plan.Problem {
	return plan.Problem{Code: code, Severity: severity, Cert: cert, Words: "it failed", Since: e.now}
}

func TestAConditionIsToldWhenItAppearsGrowsAndIsSolved(t *testing.T) {
	e := newEar(t)
	p := e.problem(plan.CodeChallenge, plan.Warning, "www")
	e.says(e.hear(0, p), "errored appeared 1")
	e.says(e.hear(5*time.Hour, p))
	p.Severity = plan.Critical
	e.says(e.hear(time.Minute, p), "errored grown 1")
	e.says(e.hear(time.Minute, p))
	e.says(e.hear(time.Minute), "solved solved 1")
	e.says(e.hear(time.Minute))
}

func TestFailuresAreToldHourlyAndTheEndDaily(t *testing.T) {
	e := newEar(t)
	ending := e.problem(plan.CodeExpiring, plan.Warning, "www")
	e.says(e.hear(0, ending, e.problem(plan.CodeChallenge, plan.Warning, "www")), "expiring appeared 1", "errored appeared 1")
	e.now = e.now.Add(10 * time.Minute)
	again := e.problem(plan.CodeChallenge, plan.Warning, "www")
	e.says(e.hear(10*time.Minute, ending, again))
	e.says(e.hear(time.Hour, ending, again), "errored lasting 1")
	e.says(e.hear(24*time.Hour, ending, again), "expiring lasting 1")
}

// TestFailuresAfterTheClockWentBack: those after it are told hourly as before,
// and the one that was told under the clock that was ahead is not told again.
func TestFailuresAfterTheClockWentBack(t *testing.T) {
	e := newEar(t)
	told := e.problem(plan.CodeChallenge, plan.Warning, "www")
	e.says(e.hear(0, told), "errored appeared 1")
	e.says(e.hear(-30*24*time.Hour, told))
	e.says(e.hear(time.Minute, e.problem(plan.CodeChallenge, plan.Warning, "www")), "errored lasting 1")
	e.says(e.hear(time.Minute, e.problem(plan.CodeChallenge, plan.Warning, "www")))
	e.says(e.hear(time.Hour, e.problem(plan.CodeChallenge, plan.Warning, "www")), "errored lasting 1")
}

// TestAConditionThatComesAndGoes: it is not told more often than hourly,
// and counts as told only once that was delivered.
func TestAConditionThatComesAndGoes(t *testing.T) {
	e := newEar(t)
	s, _ := plan.Tell(e.now, e.want, e.known, []plan.Problem{e.problem(plan.CodeDisk, plan.Warning, "www")})
	e.known = e.known.Begin(e.now, 0, *s).Refused(e.now, plan.Fault{Code: plan.CodeNotify}, time.Time{}, false, nil)
	if s, next := plan.Tell(e.now, e.want, e.known, nil); s == nil || !next.Equal(e.now.Add(time.Minute)) || s.Message.Count != 1 {
		t.Errorf("what was refused is %+v, sent again %s", s, next)
	}
	e.says(e.hear(time.Minute, e.problem(plan.CodeDisk, plan.Warning, "www")), "errored appeared 1")
	e.says(e.hear(time.Minute), "solved solved 1")
	e.says(e.hear(time.Minute, e.problem(plan.CodeDisk, plan.Warning, "www")))
	e.says(e.hear(time.Hour, e.problem(plan.CodeDisk, plan.Warning, "www")), "errored appeared 1")
}

// TestAFloodIsOneMessage: 10,000 failing certificates are one message of
// bounded size, which names the first, counts the others, and says the remedy
// once.
func TestAFloodIsOneMessage(t *testing.T) {
	e := newEar(t)
	var all []plan.Problem
	for i := range 10_000 {
		all = append(all, e.problem(plan.CodeChallenge, plan.Warning, fmt.Sprintf("site%05d", i)), e.problem(plan.CodeMissing, plan.Critical, fmt.Sprintf("site%05d", i)))
	}
	m := e.hear(0, all...)
	e.says(m, "errored appeared 10000")
	if g := m.Groups[0]; len(g.Notices) != 10 || g.Notices[0].Cert != "site00000" || g.Remedy != plan.CodeChallenge.Remedy() || m.Count != 10_000 {
		t.Errorf("the flood is told as %+v", g)
	}
	e.says(e.hear(time.Minute, all...))
	e.says(e.hear(time.Minute), "solved solved 10000")
}

// TestMessagesAreFew: what comes one after another is told in a few messages,
// the rest waits for the next.
func TestMessagesAreFew(t *testing.T) {
	e := newEar(t)
	var all []plan.Problem
	messages, told := 0, 0
	for i := range 120 {
		all = append(all, e.problem(plan.CodeChallenge, plan.Warning, fmt.Sprintf("site%d", i)))
		if m := e.hear(time.Minute, all...); m != nil {
			messages++
			told += m.Count
		}
	}
	if m := e.hear(time.Hour, all...); m != nil {
		told += m.Count
	}
	if messages > 2*e.want.Limit || told != 120 {
		t.Errorf("120 failures in 2 hours made %d messages, which told %d", messages, told)
	}
}

func TestEventsAreToldDaily(t *testing.T) {
	e := newEar(t)
	installed := plan.Notice{Event: "installed", Cert: "www", At: e.now}
	e.known = e.known.Heard([]plan.Notice{installed, installed, {Event: "renewing", Cert: "www"}})
	e.says(e.hear(0), "installed  1")
	if len(e.known.Waiting) != 0 {
		t.Errorf("there still wait %v", e.known.Waiting)
	}
	e.known = e.known.Heard([]plan.Notice{installed})
	e.says(e.hear(time.Hour))
	e.known = e.known.Heard([]plan.Notice{installed})
	e.says(e.hear(24*time.Hour), "installed  1")
}

// TestEventsThatWaitAreBounded: beyond that they are counted.
func TestEventsThatWaitAreBounded(t *testing.T) {
	e := newEar(t)
	for range 3 {
		e.known = e.known.Heard(make([]plan.Notice, 500))
	}
	if len(e.known.Waiting) != 1000 || e.known.Missed != 500 {
		t.Errorf("%d wait, %d missed", len(e.known.Waiting), e.known.Missed)
	}
}

// TestOneByOne: a channel that takes notices one by one gets every one of
// them, a few at a time.
func TestOneByOne(t *testing.T) {
	e := newEar(t)
	e.want.Each = true
	var all []plan.Problem
	for i := range 95 {
		all = append(all, e.problem(plan.CodeChallenge, plan.Warning, fmt.Sprintf("site%d", i)))
	}
	heard := map[string]bool{}
	for m := e.hear(0, all...); m != nil; m = e.hear(0, all...) {
		for _, n := range m.Groups[0].Notices {
			heard[n.Cert] = true
		}
	}
	if len(heard) != 95 {
		t.Errorf("%d of 95 were told", len(heard))
	}
}

// TestAChannelDoesNotTellOfItself: the others do.
func TestAChannelDoesNotTellOfItself(t *testing.T) {
	e := newEar(t)
	failing := plan.Problem{Code: plan.CodeNotify, Severity: plan.Warning, Target: "email", Since: e.now}
	e.says(e.hear(0, failing))
	e.want.Name = "webhook"
	e.says(e.hear(0, failing), "problem appeared 1")
}

// TestWhatCannotBeDeliveredIsMadeAnew: a day later the message tells how
// things are then, and the events are still in it.
func TestWhatCannotBeDeliveredIsMadeAnew(t *testing.T) {
	e := newEar(t)
	e.known = e.known.Heard([]plan.Notice{{Event: "installed", Cert: "www", At: e.now}})
	s, _ := plan.Tell(e.now, e.want, e.known, []plan.Problem{e.problem(plan.CodeDisk, plan.Warning, "www")})
	for range 10 {
		e.known = e.known.Begin(e.now, 0, *s).Refused(e.now, plan.Fault{Code: plan.CodeNotify}, time.Time{}, false, nil)
		if wait := e.known.Tries.WaitsUntil(e.now).Sub(e.now); wait > time.Hour {
			t.Errorf("it is tried again in %s only", wait)
		}
	}
	e.says(e.hear(25*time.Hour), "installed  1")
}

// What became of an attempt to send a message.
const (
	refused = "refused"
	unknown = "unknown" // it may have arrived
	killed  = "killed"  // with the process
)

// try makes attempts to send one message, the first of them after some time.
func (e *ear) try(after time.Duration, conditions []plan.Problem, attempts ...string) {
	e.t.Helper()
	e.now = e.now.Add(after)
	for _, how := range attempts {
		s, _ := plan.Tell(e.now, e.want, e.known, conditions)
		if s == nil {
			e.t.Fatalf("at %s there is nothing to send", e.now.Format(time.DateTime))
		}
		if s.Message.ID == "" {
			s.Message.ID = e.now.String()
		}
		e.known = e.known.Begin(e.now, 0, *s)
		if how != killed {
			e.known = e.known.Refused(e.now, plan.Fault{Code: plan.CodeNotify}, time.Time{}, how == unknown, nil)
		}
		e.now = e.now.Add(time.Hour)
	}
}

// TestTheEndOfWhatMayHaveArrivedIsTold: of a message that is given up after a day,
// and of which nobody knows whether it arrived, the end of what stood in it is told.
func TestTheEndOfWhatMayHaveArrivedIsTold(t *testing.T) {
	for _, attempts := range [][]string{{killed}, {unknown}, {killed, refused}, {unknown, refused, refused}, {refused, unknown}} {
		e := newEar(t)
		p := []plan.Problem{e.problem(plan.CodeChallenge, plan.Warning, "www")}
		e.try(0, p, attempts...)
		e.says(e.hear(48*time.Hour), "solved solved 1")
		e.says(e.hear(48 * time.Hour))

		// What still stands is told, be it for the second time.
		e.try(0, p, attempts...)
		e.says(e.hear(48*time.Hour, p...), "errored appeared 1")

		// That it is no more may have been told as well.
		e.try(0, nil, attempts...)
		e.says(e.hear(48*time.Hour, p...), "errored appeared 1")
		e.try(0, nil, attempts...)
		e.says(e.hear(48*time.Hour), "solved solved 1")
		e.says(e.hear(48 * time.Hour))

		// The message that tells it is given up in its turn.
		e.try(0, p, attempts...)
		e.try(48*time.Hour, nil, refused, refused)
		e.says(e.hear(48*time.Hour), "solved solved 1")
		e.says(e.hear(48 * time.Hour))
	}

	e := newEar(t)
	e.try(0, []plan.Problem{e.problem(plan.CodeChallenge, plan.Warning, "www")}, refused, refused)
	e.says(e.hear(48 * time.Hour))
}

// Of a message of which a part was told, the rest is told again alone, and all
// of it counts once that is done.
func TestTheRestOfAMessageIsToldAgain(t *testing.T) {
	e := newEar(t)
	e.want.Each = true
	both := []plan.Problem{e.problem(plan.CodeChallenge, plan.Warning, "a"), e.problem(plan.CodeChallenge, plan.Warning, "b")}
	s, _ := plan.Tell(e.now, e.want, e.known, both)
	left := s.Message.Groups[0].Notices[1:]
	e.known = e.known.Begin(e.now, 0, *s).Refused(e.now, plan.Fault{Code: plan.CodeNotify}, time.Time{}, false, left)
	m := e.hear(time.Hour, both...)
	e.says(m, "errored appeared 1")
	if len(m.Groups[0].Notices) != 1 || m.Groups[0].Notices[0].Cert != left[0].Cert {
		t.Errorf("told is %+v", m.Groups)
	}
	e.says(e.hear(time.Minute, both...))
}
