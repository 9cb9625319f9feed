package plan

// PinsInPlace names the public key pins that services are to answer with. It
// is "" where too few keys are known, and until the header that holds them is
// in place and services were told. A header that somebody else writes, or
// another certificate on the same keys, is taken to be in place.
func (k *KnownCert) PinsInPlace(want WantedCert, keys *KnownKeys) string {
	version, fact := k.CompanionVersion(want, keys, CompanionHPKP), k.Targets[CompanionHPKP]
	companion, ok := want.Companion(CompanionHPKP)
	if !ok {
		return version
	}
	if fact.Version != version || fact.Config != companion.Config || len(fact.Altered) > 0 || fact.State != TargetReloaded {
		return ""
	}
	return version
}

// pinsUnshown reports whether pins are in place at a target that no answer of
// its services was compared with.
func (d *decision) pinsUnshown(target WantedTarget, fact Target) bool {
	if !target.Pins {
		return false
	}
	pins := d.known.PinsInPlace(d.want, d.keys)
	return pins != "" && pins != fact.Verify.Pins
}
