package plan

import (
	"slices"
	"time"
)

// restore publishes the version that a person asked for, and has it held.
func (d *decision) restore() bool {
	ask, ok := d.known.Asks[AskRestore]
	if !ok || !d.restorable(ask.Version) || d.restored(ask.Version) {
		return false
	}
	switch release, ok := d.known.Asks[AskRelease]; {
	case ok && release.At.Before(ask.At):
		// It ends an earlier hold. Answered later it would end this one.
		d.add(Step{Kind: KindAnswer, Drop: []string{string(AskRelease)}, Asked: true, Reason: Reason{ReasonAnswered, "a later restore begins a hold of its own"}})
		return true
	case ok:
		// The version waits for TLSA records or for a maintenance window. Put in
		// its place later, it would be held though nobody wants that any more.
		d.add(Step{Kind: KindAnswer, Drop: []string{string(AskRestore)}, Asked: true, Reason: Reason{ReasonAnswered, "it was released before it was restored"}})
		return true
	}
	d.addPublish(Step{Kind: KindPublish, Version: ask.Version, Asked: true, Reason: Reason{ReasonAsked, "restore of an archived version was asked for"}})
	return true
}

// restored reports whether the version is published and held already.
func (d *decision) restored(id string) bool { return d.known.Held && d.known.Published == id }

// restorable reports whether a version may be served. An ask for one that was
// pruned, ended or revoked since, or whose keys were changed, must not keep the
// certificate from its care.
func (d *decision) restorable(id string) bool {
	v, ok := d.known.Version(id)
	return ok && v.Broken == "" && v.NotAfter().After(d.now) && !OffKeys(d.want, d.keys, v) &&
		!slices.ContainsFunc(v.Pairs, func(p Pair) bool {
			_, doomed := d.doomed(p)
			return doomed
		})
}

// OffKeys reports whether a version cannot be put in place because the files of
// its certificate are switched with those of the keys that several share, and it
// has no pair on each of these keys.
func OffKeys(want WantedCert, keys *KnownKeys, v Version) bool {
	d := decision{want: want, keys: keys, current: v}
	return d.besideKeys() && !d.on((*KnownKeys).Primary)
}

// besideKeys reports whether files of the certificate are switched with those of
// its keys, and these are known.
func (d *decision) besideKeys() bool {
	return d.keys != nil && d.keys.Damage == "" && !d.keys.Newer &&
		slices.ContainsFunc(d.want.Targets, func(t WantedTarget) bool { return t.Shared })
}

// leftBehind reports whether a version is on keys that were changed, and could
// not be put in place any more.
func (d *decision) leftBehind(v Version) bool {
	return d.besideKeys() && slices.ContainsFunc(v.Serving(d.want.KeyTypes).Pairs, func(p Pair) bool { return p.Key != d.keys.Primary(p.KeyType) })
}

// held reports whether v is published by a person's restore that nobody has
// released. A change of keys ends that where files are switched with those of the
// keys: left on its own, v would keep them from all other certificates too.
func (d *decision) held(v Version) bool {
	if !d.known.Held || v.ID != d.known.Published || d.leftBehind(v) {
		return false
	}
	release, ok := d.known.Asks[AskRelease]
	return !ok || release.At.Before(d.known.HeldAt)
}

// holdEnds is when a restored version is due: at our own window, whatever the
// CA advises. Where that window had opened before the restore, as it has for
// the version before a renewal, the person knew, and it is held until the
// last moment.
func (d *decision) holdEnds(v Version) (time.Time, Reason) {
	var ends time.Time
	var why Reason
	for _, p := range v.Serving(d.want.KeyTypes).Pairs {
		at, reason := RenewAt(p, nil, d.want.Renew)
		if !d.known.HeldAt.IsZero() && !at.After(d.known.HeldAt) {
			at = lastMoment(p, at)
			reason.Words = "restored, and held until " + day(at)
		}
		if ends.IsZero() || at.Before(ends) {
			ends, why = at, reason
		}
	}
	return ends, why
}

// letsGo reports whether the published version may give way to a newer stored
// one: always, unless a person restored it and it is not due.
func (d *decision) letsGo() bool {
	if !d.held(d.current) {
		return true
	}
	return slices.ContainsFunc(d.want.KeyTypes, func(keyType string) bool {
		at, reason := d.due(d.current, keyType)
		return reason.Code != ReasonAsked && !at.After(d.now)
	})
}
