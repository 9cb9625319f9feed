package plan

import (
	"slices"
	"time"
)

// orders adds the orders for a pair of keyType, which is due at an instant.
//
// A certificate on keys that outlive it is issued on the primary one. While a
// rollover is under way it is issued on the new one too, and what comes of that
// waits. What else becomes due meanwhile is left to the rollover for a while: it
// brings a new certificate anyway.
func (d *decision) orders(keyType string, at time.Time, reason Reason) {
	n := need{keyType: keyType, at: at, reason: reason, key: d.keys.Primary(keyType)}
	if d.want.Keys == "" {
		d.order(n)
		return
	}
	if d.keys.Damage != "" || d.keys.Newer {
		return // which key to use is not known
	}
	if d.banned(n.key) || !d.keys.Keys[keyType].Primary.Revoked.IsZero() {
		n.key = "" // a rollover brings another one
	}
	r, due := d.keys.Rolling, !at.After(d.now)
	cancelled := d.keys.Ask != nil && d.keys.Ask.Cancel
	rolling := r != nil && r.Keys[keyType] != "" && !cancelled
	atOnce := due && n.key != "" && (!d.has || d.urgent && !d.alone(keyType) || reason.Code == ReasonAsked && !d.want.FreshKey)
	switch {
	case atOnce: // no rollover is waited for
	case rolling && d.has:
		d.prepare(r, keyType)
		if d.alone(keyType) {
			return
		}
		n.at = later(n.at, d.leftUntil(r, reason))
	case d.want.FreshKey && d.has && due && d.onPrimary(keyType):
		return // the steps of the keys begin a rollover, once each type is on its primary key
	}
	if n.key != "" {
		d.order(n)
	}
	// Without a key it is made first, by the steps of the keys.
}

// quickRollover is how long a change of what a person wants is left to a
// rollover. One that takes longer waits for another certificate, whose CA may be
// down for weeks.
const quickRollover = time.Hour

// leftUntil is until when what is due is left to a rollover: a renewal until
// what is served is near its end, another request for an hour.
func (d *decision) leftUntil(r *Rollover, why Reason) time.Time {
	nearEnd := WarnAt(d.current.Serving(d.want.KeyTypes), d.want.Warn)
	if d.want.FreshKey || !asksOtherwise(why.Code) {
		return nearEnd
	}
	if ahead(r.At, d.now) {
		return d.now // it began under a clock that was ahead
	}
	if quick := r.At.Add(quickRollover); quick.Before(nearEnd) {
		return quick
	}
	return nearEnd
}

// alone reports whether a rollover that brings the certificate anyway waits for
// nothing but its own order, so that another one on the old key gains nothing.
func (d *decision) alone(keyType string) bool {
	r := d.keys.Rolling
	if !d.want.FreshKey || r == nil || slices.Contains(d.behind(r), keyType) {
		return d.want.FreshKey
	}
	var next Step
	d.awaitTLSA(&next)
	return !next.At.After(d.now)
}

// onPrimary reports whether the pair of a type that is published is on the
// primary key.
func (d *decision) onPrimary(keyType string) bool {
	pair, ok := d.current.Pair(keyType)
	return ok && pair.Key == d.keys.Primary(keyType)
}

// prepare adds the order on the key that a rollover leads to, if it is due.
func (d *decision) prepare(r *Rollover, keyType string) {
	at, reason := d.dueOn(d.rolled(), keyType, r.Keys[keyType])
	if at.After(d.now) {
		return
	}
	if reason.Code == ReasonKey || reason.Code == ReasonKeyType {
		reason = Reason{ReasonRolled, "for the next key: " + r.Reason.Words}
	}
	d.order(need{keyType: keyType, at: at, reason: reason, key: r.Keys[keyType], rolled: true})
}

// keysWords names the keys beside the primary ones that files may hold. Where
// it differs from what is stored of a target, those files are behind.
func (d *decision) keysWords() string { return KeysWords(d.want.KeyTypes, d.keys) }

// KeysWords is what Target.Keys says of files that follow what is known now.
func KeysWords(keyTypes []string, known *KnownKeys) string {
	words := ""
	for _, keyType := range keyTypes {
		set := known.Keys[keyType]
		words += keyType + " next=" + short(set.Next) + " previous=" + short(set.Previous) + "; "
	}
	return words
}

// short is enough of a fingerprint to tell keys apart.
func short(k Key) string { return k.SHA256[:min(len(k.SHA256), 16)] }
