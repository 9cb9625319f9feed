package plan_test

import (
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
)

// withResponse is two certificates on files of shared keys, the first with an
// OCSP response that has yet to be written.
func withResponse() *shared {
	k := quietShared()
	k.want.Shared = &plan.WantedTarget{Name: "keys", Config: "c1"}
	k.known.Shared = plan.Target{Version: plan.KeysVersion([]string{ec}, &k.known), State: plan.TargetReloaded, Config: "c1"}
	k.known.Inspected = k.now
	for _, s := range k.certs {
		s.want.Targets[0].Shared = true
	}
	a := k.certs[0]
	a.want.OCSP = &plan.WantedOCSP{Config: "o1"}
	a.want.Companions = []plan.WantedTarget{{Name: plan.CompanionOCSP, Config: "c1", Services: []string{"nginx"}}}
	a.v1().SHA256 = leaf1
	a.known.OCSP = map[string]plan.Staple{ec: {
		Leaf: leaf1, Config: "o1", SHA256: der1, Responder: "http://o", ThisUpdate: day(8), Ends: day(16), Asked: day(8), AskAgain: day(12),
	}}
	return k
}

// TestCompanionsGoWithSharedFiles: what stands beside a certificate on files of
// shared keys waits for these, so that services are told once.
func TestCompanionsGoWithSharedFiles(t *testing.T) {
	t.Parallel()
	failed := plan.Tries{}.Begin(day(10), 0).Failed(day(10), plan.Fault{Code: plan.CodeDeploy}, time.Time{})
	for name, c := range map[string]struct {
		change func(*shared, *scene)
		want   []string
	}{
		"installed": {func(*shared, *scene) {}, []string{"ocsp-file a"}},
		"not installed yet": {func(_ *shared, a *scene) {
			a.known.Targets = map[string]plan.Target{}
		}, []string{"install aboth"}},
		"keys not installed either": {func(k *shared, _ *scene) {
			k.known.Shared = plan.Target{}
			for _, s := range k.certs {
				s.known.Targets = map[string]plan.Target{}
			}
		}, []string{"install both"}},
		"only the other one is behind": {func(k *shared, _ *scene) {
			k.certs[1].known.Targets = map[string]plan.Target{}
		}, []string{"install bboth", "ocsp-file a"}},
		"refused, and not tried again yet": {func(_ *shared, a *scene) {
			before := pair(a.want, ec, day(-90), days(90))
			before.Key = "k1"
			a.known.Versions = append(a.known.Versions, version("v0", day(-90), before))
			a.target(func(t *plan.Target) {
				t.Version, t.Tries, t.Refused = "v0", failed, &plan.Refused{Version: "v1", Config: "c1"}
			})
		}, []string{"ocsp-file a"}},
		"files of its own": {func(k *shared, a *scene) {
			a.known.Targets, a.want.Targets[0].Shared = map[string]plan.Target{}, false
		}, []string{"install a", "ocsp-file a"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := withResponse()
			c.change(k, k.certs[0])
			k.wants(t, c.want...)
			steps := plan.CompanionsWithKeys(k.now, k.world(), k.certs[0].want)
			if len(steps) != 1 || steps[0].Kind != plan.KindOCSPFile || !steps[0].Due(k.now) {
				t.Errorf("to be written with the files of the keys: %+v", steps)
			}
		})
	}
}
