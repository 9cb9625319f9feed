package plan_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
)

// A change of keys for their age that a person gave up is not begun again at
// once, but it is a month later, and is told of meanwhile.
func TestRolloverByAgeGivenUp(t *testing.T) {
	t.Parallel()
	k := quietShared()
	k.want.Expires, k.want.AutoRollover = days(365), true
	k.now = day(400)
	for _, s := range k.certs {
		s.v1().NotBefore, s.v1().NotAfter, s.v1().Made = day(390), day(480), day(390)
	}
	k.wants(t, "rollover both")
	k.rolling()
	k.known.Rolling.Reason = plan.Reason{Code: plan.ReasonKeyAge}
	k.known.Ask = &plan.AskedRollover{At: k.now, Cancel: true}
	k.wants(t, "rollover both")
	k.known.GiveUp(k.now)
	k.wants(t)
	problems := plan.Problems(k.now, k.world())
	if !slices.ContainsFunc(problems, func(p plan.Problem) bool {
		return p.Code == plan.CodeKeyAge && strings.Contains(p.Words, "400 days") && strings.Contains(p.Words, "2028-03-06")
	}) {
		t.Errorf("problems: %+v", problems)
	}
	k.known.Ask = &plan.AskedRollover{At: k.now}
	k.wants(t, "rollover both")
	k.known.Ask = nil
	k.now = day(429)
	k.wants(t)
	k.now = day(430)
	k.wants(t, "rollover both")

	k.now, k.known.PutOff = day(400), day(4000) // under a clock that was ahead
	k.wants(t, "rollover both")
	k.want.Expires, k.known.PutOff = days(7), day(392)
	k.wants(t, "rollover both")
	k.rolling()
	if k.known.Switch(k.now); !k.known.PutOff.IsZero() {
		t.Error("the keys that follow are put off too")
	}
}

// What was asked for of keys that are provided, before they were, is given up:
// it would never come, and every certificate would be ordered on the key that
// it leads to.
func TestProvidedWhileRolling(t *testing.T) {
	t.Parallel()
	k := quietShared()
	k.want.Provided, k.want.Backup = true, false
	k.rolling()
	k.wants(t, "issue a on k2, rolled", "issue b on k2, rolled", "rollover both")
	if first := plan.Make(k.now, k.world())[0]; first.Kind != plan.KindRoll || first.Reason.Code != plan.ReasonCancelled {
		t.Errorf("first comes %+v", first)
	}
	k.known.GiveUp(k.now)
	k.wants(t)
	k.known.Ask = &plan.AskedRollover{At: k.now}
	k.wants(t, "rollover both")
	k.known.GiveUp(k.now.Add(time.Second))
	k.wants(t)
}
