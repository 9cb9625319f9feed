package plan_test

import (
	"testing"

	"github.com/certkeep/certkeep/internal/plan"
)

// filed is two certificates whose files are switched with those of their keys,
// after a change of these from k1 to k2.
func filed() *shared {
	k := quietShared()
	k.want.Shared = &plan.WantedTarget{Name: "keys", Config: "c1"}
	k.rolling()
	for _, s := range k.certs {
		s.rolled()
		s.want.Targets[0].Shared = true
	}
	k.known.Switch(k.now)
	k.known.Keys[ec] = plan.KeySet{Primary: k.known.Keys[ec].Primary, Previous: k.known.Keys[ec].Previous, Next: plan.Key{SHA256: "k3", Made: k.now}}
	k.known.Shared = plan.Target{Version: plan.KeysVersion([]string{ec}, &k.known), State: plan.TargetReloaded, Config: "c1"}
	for _, s := range k.certs {
		s.now = k.now
		s.publish("r1", k.now)
		s.known.Rolled = ""
	}
	return k
}

// TestRestoreOnFormerKeys: beside the files of shared keys no version on former
// ones can be served. Nobody holds one, and the other certificates go on.
func TestRestoreOnFormerKeys(t *testing.T) {
	t.Parallel()
	k := filed()
	k.wants(t)
	a := k.certs[0]
	askRestore(a, "v1")
	k.wants(t, "answer a")
	a.known.Asks = nil
	a.known.Published, a.known.Held, a.known.HeldAt = "v1", true, k.now // as before this was refused
	k.wants(t, "publish a")

	askRestore(a, "r1")
	k.wants(t, "publish a")
	a.restore("r1")
	k.wants(t)
	a.want.Targets[0].Shared = false // in a folder of its own it has its own key
	askRestore(a, "v1")
	k.wants(t, "publish a")
	a.restore("v1")
	k.wants(t)
	b := k.certs[1] // which goes on beside it
	b.known.Versions = append(b.known.Versions, version("r2", k.now, b.known.Versions[1].Pairs[0]))
	b.known.Published = "r2"
	k.wants(t, "install bboth")
}

// TestHeldUntilTheKeysChange: who rolls the keys over has all certificates on
// them change, also one that somebody restored.
func TestHeldUntilTheKeysChange(t *testing.T) {
	t.Parallel()
	k := filed()
	a := k.certs[0]
	a.restore("r1")
	k.rolling()
	k.known.Rolling.Keys[ec] = "k3"
	for _, s := range k.certs {
		p := pair(s.want, ec, k.now, days(90))
		p.Key = "k3"
		s.known.Versions = append(s.known.Versions, version("r2", k.now, p))
		s.known.Rolled = "r2"
	}
	k.known.Switch(k.now)
	k.wants(t, "make-keys both, next", "publish a", "publish b")
}

// TestRestoreBesideDamagedKeys: while nobody knows which keys are in use, a hold
// stays.
func TestRestoreBesideDamagedKeys(t *testing.T) {
	t.Parallel()
	k := filed()
	k.certs[0].restore("r1")
	k.known = plan.KnownKeys{Name: "both", Damage: "the record is damaged"}
	k.wants(t, "make-keys both")
}
