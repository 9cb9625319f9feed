package main

import (
	"strings"
	"testing"
	"time"
)

func TestClockVerdict(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		ahead time.Duration
		known bool
		want  verdict
		words string
	}{
		{0, false, verdictOK, "does not say"},
		{time.Minute, true, verdictOK, "agrees"},
		{3 * time.Minute, true, verdictWarning, "3 minutes behind that of issuer ca"},
		{-3 * time.Minute, true, verdictWarning, "3 minutes ahead of that of issuer ca"},
		{-11 * time.Minute, true, verdictProblem, "nothing is ordered"},
	} {
		got := clockVerdict("ca", c.ahead, c.known)
		if got.Verdict != c.want || !strings.Contains(got.Words, c.words) || (got.Remedy == "") != (c.want == verdictOK) {
			t.Errorf("%s, %t: %+v, want %s and %q", c.ahead, c.known, got, c.want, c.words)
		}
	}
}

func TestExitOf(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		verdict verdict
		strict  bool
		want    int
	}{{verdictOK, true, exitOK}, {verdictWarning, false, exitOK}, {verdictWarning, true, exitFailed}, {verdictProblem, false, exitFailed}} {
		if got := exitOf([]checked{{Verdict: verdictOK}, {Verdict: c.verdict}}, c.strict); got != c.want {
			t.Errorf("%s, strict %t: exit code %d, want %d", c.verdict, c.strict, got, c.want)
		}
	}
}
