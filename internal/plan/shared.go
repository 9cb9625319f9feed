package plan

import (
	"slices"
	"strings"
)

// Files of keys that several certificates share are switched together with the
// files of all these certificates: nobody may read one beside another key.

// share installs the files of the keys, and with them those targets of the
// certificates that are shared. Certificates that are on another key, as one
// that has just been put on these, are left as they are until they are issued
// on it.
func (k *keyDecision) share() {
	if k.want.Shared == nil {
		return
	}
	served, together := k.served()
	if !together || len(served) == 0 {
		return // some are published on the new keys, some not yet
	}
	if k.keysStand(served) {
		for _, d := range served {
			k.shareOne(d)
		}
		return
	}
	why, behind := k.sharedLags(served)
	if !behind {
		return
	}
	fact := k.known.Shared
	version := Version{ID: k.sharedVersion(served)}
	step := Step{Kind: KindInstall, Target: k.want.Shared.Name, Version: version.ID, Reason: why}
	if fact.refuses(*k.want.Shared, version) {
		if wait := fact.waitsUntil(k.now); wait.After(k.now) && !k.skipsBackoff(fact.Tries) {
			step.At = wait
			step.Reason.Words += "; waits after " + failures(fact.Tries.Count)
		}
	}
	for _, d := range served {
		step.Certs = append(step.Certs, d.want.Name)
		step.Asked = step.Asked || d.skipsBackoff(fact.Tries)
	}
	step.At = later(step.At, k.now)
	maintainShared(&step, served)
	k.add(step)
}

// keysStand reports whether the files of the keys are as they are to be, and
// those of each certificate are on them. Then a certificate is installed by
// itself: what hinders another one is none of its concern.
func (k *keyDecision) keysStand(served []*decision) bool {
	if _, behind := k.keyFilesLag(); behind || len(k.missing()) > 0 {
		return false
	}
	return !slices.ContainsFunc(served, func(d *decision) bool { return !d.installedOn((*KnownKeys).Primary) })
}

// shareOne installs the files of one certificate that are shared.
func (k *keyDecision) shareOne(d *decision) {
	for _, target := range d.want.Targets {
		if !target.Shared {
			continue
		}
		if step, behind := d.installStep(target, d.current.ID); behind {
			step.Cert, step.Certs, step.Target = d.want.Name, []string{d.want.Name}, k.want.Shared.Name
			step.Version = k.sharedVersion([]*decision{d})
			k.add(step)
		}
	}
}

// skipsBackoff reports whether a person asked for one of the certificates
// since the last attempt.
func (k *keyDecision) skipsBackoff(t Tries) bool {
	for _, d := range k.certs {
		if d.skipsBackoff(t) {
			return true
		}
	}
	return false
}

// served are the certificates whose published version is on the keys that all
// of them are on. It is not together while some wait for their new version.
func (k *keyDecision) served() (served []*decision, together bool) {
	for _, set := range k.certs {
		switch {
		case !set.has:
		case set.current.Broken != "" && !set.installedOn((*KnownKeys).Primary):
			return nil, false // its files are on another key than the one that would be written
		case set.current.Broken != "": // they stay as they are, and hold up no other
		case set.on((*KnownKeys).Primary):
			served = append(served, set)
		case set.held(set.current): // in a folder of its own, as long as a person wants that
		case set.on((*KnownKeys).previous):
			return nil, false
		}
	}
	return served, true
}

// on reports whether the published version has a pair of each type on the key
// that pick names.
func (d *decision) on(pick func(*KnownKeys, string) string) bool {
	for _, keyType := range d.want.KeyTypes {
		if pair, ok := d.current.Pair(keyType); !ok || pair.Key == "" || pair.Key != pick(d.keys, keyType) {
			return false
		}
	}
	return true
}

// installedOn reports whether the files that are shared, if any are there, are
// on the key that pick names.
func (d *decision) installedOn(pick func(*KnownKeys, string) string) bool {
	for _, target := range d.want.Targets {
		fact := d.known.Targets[target.Name]
		if !target.Shared || fact.Version == "" {
			continue
		}
		there, ok := d.known.Version(fact.Version)
		if !ok || slices.ContainsFunc(there.Serving(d.want.KeyTypes).Pairs, func(p Pair) bool { return p.Key != pick(d.keys, p.KeyType) }) {
			return false
		}
	}
	return true
}

// previous is the key of a type before the last rollover.
func (k *KnownKeys) previous(keyType string) string { return k.Keys[keyType].Previous.SHA256 }

// KeysVersion is what Target.Version says of files that hold the primary keys.
func KeysVersion(keyTypes []string, known *KnownKeys) string {
	var words []string
	for _, keyType := range keyTypes {
		words = append(words, keyType+"="+short(known.Keys[keyType].Primary))
	}
	return strings.Join(words, " ")
}

// keyFilesLag says why the files of the keys are not in place, if they are not.
func (k *keyDecision) keyFilesLag() (Reason, bool) {
	keys := decision{now: k.now, want: WantedCert{KeyTypes: k.want.KeyTypes}, keys: k.known}
	return keys.lags(k.known.Shared, *k.want.Shared, Version{ID: KeysVersion(k.want.KeyTypes, k.known)})
}

// sharedVersion names what the shared files are made of.
func (k *keyDecision) sharedVersion(served []*decision) string {
	words := []string{KeysVersion(k.want.KeyTypes, k.known)}
	for _, d := range served {
		words = append(words, d.want.Name+"="+d.current.ID)
	}
	return strings.Join(words, " ")
}

// sharedLags says why the shared files are not in place, if they are not.
func (k *keyDecision) sharedLags(served []*decision) (Reason, bool) {
	if len(k.missing()) > 0 {
		return Reason{}, false
	}
	if why, behind := k.keyFilesLag(); behind {
		return why, true
	}
	for _, d := range served {
		for _, target := range d.want.Targets {
			if !target.Shared {
				continue
			}
			fact := d.known.Targets[target.Name]
			if why, behind := d.lags(fact, target, d.current); behind {
				return why, true
			}
			if lacks := (Step{}); d.lacking(&lacks, target, fact) && lacks.Due(k.now) {
				return lacks.Reason, true
			}
		}
	}
	return Reason{}, false
}

// inspect looks at the files of the keys, at once after a start: what the
// administrator put there is followed, and what was provided is read.
func (k *keyDecision) inspect() {
	if k.want.Shared == nil {
		return
	}
	step := Step{Kind: KindInspect, Target: k.want.Shared.Name, Reason: Reason{ReasonRoutine, "files of keys may have been altered"}}
	if last := k.known.Inspected; !last.IsZero() && !ahead(last, k.now) {
		step.At = InspectAgain(last, k.want.Name)
		if k.known.Closed != "" {
			step.At = k.retryAt()
		}
	}
	k.add(step)
}
