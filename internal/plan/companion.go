package plan

import (
	"maps"
	"slices"
	"strings"
)

// The companions of a certificate: files beside its own that hold what others
// say of it, or what follows from its keys. They are brought to their places
// as a target's are. Their facts lie among those of the targets, under names
// that no target of the config has.
const (
	CompanionOCSP = "_ocsp" // a response for each key type
	CompanionSCT  = "_sct"  // receipts of logs
	CompanionHPKP = "_hpkp" // headers that pin a site to its keys
)

// CompanionKind is the kind of step that writes a companion.
func CompanionKind(name string) Kind {
	switch name {
	case CompanionOCSP:
		return KindOCSPFile
	case CompanionSCT:
		return KindSCTFile
	}
	return KindHPKP
}

// WritesCompanion reports whether steps of a kind write a companion.
func (k Kind) WritesCompanion() bool {
	return k == KindOCSPFile || k == KindSCTFile || k == KindHPKP
}

// AsksOthers reports whether steps of a kind ask somebody who is no issuer and
// may take long to answer.
func (k Kind) AsksOthers() bool { return k == KindOCSP || k == KindSCT || k == KindCRL }

// companions has the companions written whose content changed.
func (d *decision) companions() {
	if d.known.Damage != "" {
		return
	}
	if !d.withKeys() {
		d.companionFiles()
	}
	for _, c := range d.want.Companions {
		d.hooks(c, d.known.Targets[c.Name])
	}
}

// companionFiles writes them.
func (d *decision) companionFiles() {
	for _, c := range d.want.Companions {
		version := d.known.CompanionVersion(d.want, d.keys, c.Name)
		if version == "" {
			continue
		}
		if step, behind := d.installStep(c, version); behind {
			step.Kind = CompanionKind(c.Name)
			if step.Reason.Code == ReasonBehind {
				step.Reason.Words = "its content changed"
			}
			step.At = later(step.At, d.putOff())
			d.add(step)
		}
	}
}

// CompanionVersion names what a companion is to hold, so that another content
// has another name; "" where there is nothing to write. What was there before
// stays then.
func (k *KnownCert) CompanionVersion(want WantedCert, keys *KnownKeys, name string) string {
	var parts []string
	part := func(sha256 string) {
		if sha256 != "" {
			parts = append(parts, sha256[:min(len(sha256), 16)])
		}
	}
	if name == CompanionHPKP {
		if pins := k.Pins(want, keys); len(pins) >= leastPins {
			for _, pin := range pins {
				part(pin)
			}
		}
		return strings.Join(parts, "+")
	}
	published, _ := k.Version(k.Published)
	for _, p := range published.Serving(want.KeyTypes).Pairs {
		if name == CompanionOCSP {
			parts = append(parts, k.stapled(p)...)
			continue
		}
		for _, log := range want.logs() {
			part(k.ReceiptsOf(p).Logs[log].SHA256)
		}
	}
	return strings.Join(parts, "+")
}

// stapled names what the file of a pair's OCSP response is to hold: the
// response that is kept, else what it holds already of this certificate, else
// that there is none, where the file holds that of another certificate.
func (k *KnownCert) stapled(p Pair) []string {
	if staple := k.StapleOf(p); staple.SHA256 != "" {
		return []string{stapleMark(p) + staple.SHA256[:min(len(staple.SHA256), 16)]}
	}
	if k.Unstapled(p) {
		return []string{"none"}
	}
	for part := range strings.SplitSeq(k.Targets[CompanionOCSP].Version, "+") {
		if strings.HasPrefix(part, stapleMark(p)) {
			return []string{part}
		}
	}
	return nil
}

// stapleMark begins the name of a response for a pair's certificate.
func stapleMark(p Pair) string { return p.SHA256[:min(len(p.SHA256), 16)] + "." }

// Unstapled reports whether the file of a pair's OCSP response holds that of
// another certificate, or one that was given up, and there is none to put in its
// place. Clients refuse a server that staples it.
func (k *KnownCert) Unstapled(p Pair) bool {
	installed, staple := k.Targets[CompanionOCSP].Version, k.StapleOf(p)
	return staple.SHA256 == "" && installed != "" && (staple.GivenUp || !strings.Contains(installed, stapleMark(p)))
}

// WantedAt is what a target or companion is to hold.
func (k *KnownCert) WantedAt(want WantedCert, keys *KnownKeys, target string) string {
	if _, ok := want.Companion(target); ok {
		return k.CompanionVersion(want, keys, target)
	}
	return k.Published
}

// logs are the logs that the certificate is handed to.
func (w WantedCert) logs() []string {
	if w.SCT == nil {
		return nil
	}
	return w.SCT.Logs
}

// leastPins is how many keys a header has to name (RFC 7469 section 2.5).
const leastPins = 2

// Pins are the fingerprints of the keys that a client is to remember: those in
// use, then those that are kept ready or about to be used, then those that were
// used before. Keys is what is known of the keys that outlive the certificate;
// it may be nil.
func (k *KnownCert) Pins(want WantedCert, keys *KnownKeys) []string {
	var pins []string
	pin := func(fingerprint string) {
		if fingerprint != "" && !slices.Contains(pins, fingerprint) {
			pins = append(pins, fingerprint)
		}
	}
	published, _ := k.Version(k.Published)
	for _, p := range published.Serving(want.KeyTypes).Pairs {
		pin(p.Key)
	}
	if keys == nil || len(pins) == 0 {
		return pins
	}
	keyTypes := keys.typesFrom(want.KeyTypes)
	for _, keyType := range keyTypes {
		set := keys.Keys[keyType]
		for _, key := range []Key{set.Primary, set.Next} {
			if key.Usable() {
				pin(key.SHA256)
			}
		}
		if keys.Rolling != nil {
			pin(keys.Rolling.Keys[keyType])
		}
	}
	for _, keyType := range keyTypes {
		if previous := keys.Keys[keyType].Previous; previous.Revoked.IsZero() {
			pin(previous.SHA256)
		}
	}
	return pins
}

// typesFrom are the key types that there are keys of: those of one certificate
// first, then those that only others on the same keys use. A header speaks for
// all of them.
func (k *KnownKeys) typesFrom(first []string) []string {
	all := slices.Clone(first)
	for _, keyType := range slices.Sorted(maps.Keys(k.Keys)) {
		if !slices.Contains(all, keyType) {
			all = append(all, keyType)
		}
	}
	return all
}

// Companion returns the wanted companion of a name.
func (w WantedCert) Companion(name string) (WantedTarget, bool) {
	i := slices.IndexFunc(w.Companions, func(c WantedTarget) bool { return c.Name == name })
	if i < 0 {
		return WantedTarget{}, false
	}
	return w.Companions[i], true
}
