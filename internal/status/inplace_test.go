package status_test

import (
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/status"
)

func TestInPlace(t *testing.T) {
	t.Parallel()
	at := func(state plan.TargetState, version string) func(*plan.WantedCert, *plan.KnownCert) {
		return func(_ *plan.WantedCert, k *plan.KnownCert) {
			target := k.Targets["default"]
			target.State, target.Version = state, version
			k.Targets["default"] = target
		}
	}
	proven := func(of map[string]plan.Authorized) func(*plan.WantedCert, *plan.KnownCert) {
		return func(w *plan.WantedCert, k *plan.KnownCert) {
			*k = plan.KnownCert{Name: "mail", Authorized: of}
			w.Authorize, w.Targets = true, nil
		}
	}
	for name, c := range map[string]struct {
		world plan.World
		want  bool
	}{
		"verified":             {world(), true},
		"written, nobody told": {world(at(plan.TargetWritten, "V1")), true},
		"another is served":    {world(verified(plan.VerdictWrong)), true},
		"a renewal fails":      {world(left(20*day), failed(plan.CodeChallenge)), true},
		"half written":         {world(at(plan.TargetPending, "V1")), false},
		"an older version":     {world(at(plan.TargetVerified, "V0")), false},
		"a placeholder": {world(nothing, func(_ *plan.WantedCert, k *plan.KnownCert) {
			k.Targets = map[string]plan.Target{"default": {State: plan.TargetPending}}
		}), false},
		"nothing":                  {world(nothing), false},
		"ended":                    {world(left(-time.Hour)), false},
		"unreadable":               {world(func(_ *plan.WantedCert, k *plan.KnownCert) { k.Damage = "torn" }), false},
		"a name is not proven":     {world(proven(nil)), false},
		"all names are proven":     {world(proven(map[string]plan.Authorized{"mail.example.com": {Issuer: "letsencrypt", Expires: now.Add(time.Hour)}})), true},
		"installed nowhere at all": {world(func(w *plan.WantedCert, _ *plan.KnownCert) { w.Targets = nil }), true},
	} {
		if got := status.Of(now, c.world).InPlace(); got != c.want {
			t.Errorf("%s: in place: %t", name, got)
		}
	}
}
