package plan

import (
	"slices"
	"time"
)

// A revocation may withdraw what it revokes: its files go away, and its TLSA
// records, and the keys that it is on are used no more. The next run then
// issues on the keys that were kept ready. Else a certificate is replaced first,
// and its files are never missing.

// Withdraw takes what is published out of service, once nothing of it is valid
// any more. One that took its place meanwhile stays.
func (k *KnownCert) Withdraw(now time.Time) {
	version, ok := k.Version(k.Published)
	if !ok || slices.ContainsFunc(version.Pairs, func(p Pair) bool { return !p.Revoked && p.NotAfter.After(now) }) {
		return
	}
	k.Withdrawn, k.Published, k.Held = k.Published, "", false
}

// withdrawn reports whether what was published last was withdrawn, and nothing
// has taken its place.
func (k *KnownCert) withdrawn() bool { return k.Published == "" && k.Withdrawn != "" }

// Revoke takes note that a person had what is on the primary keys withdrawn:
// others take their place.
func (k *KnownKeys) Revoke(now time.Time) {
	for keyType, set := range k.Keys {
		if !set.Primary.IsZero() && set.Primary.Revoked.IsZero() {
			set.Primary.Revoked = now
			k.Keys[keyType] = set
		}
	}
}

// withdraw takes away the files of a version that was withdrawn, at each target
// by itself. Those of a placeholder stay.
func (d *decision) withdraw() {
	if !d.known.withdrawn() || d.known.Damage != "" {
		return
	}
	for _, target := range slices.Concat(d.want.Targets, d.want.Companions) {
		if fact := d.known.Targets[target.Name]; fact.holds() {
			d.add(withdrawal(d.now, target.Name, fact, d.known.Withdrawn))
		}
	}
}

// holds reports whether files of a version or of keys may be at a target.
func (t Target) holds() bool { return len(t.Files) > 0 && t.Spare == nil }

func withdrawal(now time.Time, target string, fact Target, version string) Step {
	step := Step{Kind: KindWithdraw, Target: target, Version: version, Asked: true, Reason: Reason{ReasonRevoke, "what was revoked is to be withdrawn"}}
	if wait := fact.Tries.WaitsUntil(now); fact.Tries.Count > 0 && wait.After(now) {
		step.At = wait
		step.Reason.Words += "; waits after " + failures(fact.Tries.Count)
	}
	return step
}

// withdraw takes away the files of keys on which nothing is served any more,
// but for those that are kept ready.
func (k *keyDecision) withdraw() {
	if k.want.Shared == nil || !k.known.Shared.holds() || !k.revoked() {
		return
	}
	if slices.ContainsFunc(k.certs, func(d *decision) bool { return d.has }) {
		return
	}
	k.add(withdrawal(k.now, k.want.Shared.Name, k.known.Shared, KeysVersion(k.want.KeyTypes, k.known)))
}

// revoked reports whether what is on the primary keys was withdrawn.
func (k *keyDecision) revoked() bool {
	return slices.ContainsFunc(k.want.KeyTypes, func(t string) bool { return !k.known.Keys[t].Primary.Revoked.IsZero() })
}
