package plan_test

import (
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
)

// What was presented and not taken away is taken away at once, after failures
// by and by, and where a person asks at once again.
func TestCleanUp(t *testing.T) {
	t.Parallel()
	s := quiet()
	left := plan.Presented{Type: "dns-01", Name: "*.example", Token: "t", KeyAuthorization: "t.k"}
	s.known.Present(left)
	at(t, s.the(t, plan.KindCleanUp), s.now)
	s.known.CleanUp = failed(3, s.now)
	at(t, s.the(t, plan.KindCleanUp), s.now.Add(100*time.Minute))
	s.now = s.now.Add(time.Minute)
	s.known.Asks = map[plan.AskKind]plan.Ask{plan.AskApply: {At: s.now}}
	at(t, s.the(t, plan.KindCleanUp), s.now)
}

// An answer is remembered once, and its failures are forgotten with the last.
func TestPresented(t *testing.T) {
	t.Parallel()
	one := plan.Presented{Type: "dns-01", Name: "a.example", Token: "1", KeyAuthorization: "1.k", At: day(1)}
	again, two := one, one
	again.At, two.Token = day(2), "2"
	var k plan.KnownCert
	k.Present(one)
	k.Present(again)
	k.Present(two)
	k.Noted(again, "how")
	if k.Presented[0].Note != "how" || k.Presented[1].Note != "" {
		t.Errorf("noted: %+v", k.Presented)
	}
	k.CleanUp = plan.Tries{Count: 3}
	if len(k.Presented) != 2 {
		t.Fatalf("presented: %+v", k.Presented)
	}
	k.TakenAway([]plan.Presented{again})
	if len(k.Presented) != 1 || k.Presented[0] != two || k.CleanUp.Count != 3 {
		t.Errorf("left: %+v, %+v", k.Presented, k.CleanUp)
	}
	k.TakenAway([]plan.Presented{two})
	if k.Presented != nil || k.CleanUp.Count != 0 {
		t.Errorf("left: %+v, %+v", k.Presented, k.CleanUp)
	}
	for i := range 1200 {
		one.At, one.Token = day(float64(i)), day(float64(i)).String()
		k.Present(one)
	}
	if n := len(k.Presented); n != 1000 || k.Presented[n-1].Token != one.Token {
		t.Errorf("%d are remembered, the last %+v", n, k.Presented[n-1])
	}
}
