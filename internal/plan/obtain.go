package plan

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// obtain decides how the certificate comes into being: by adoption, by
// publishing a version that is held already, or by an order per key type.
func (d *decision) obtain() {
	if d.known.Damage != "" {
		// Adoption sets the damaged record aside and begins a fresh one
		// from what the target serves.
		d.add(Step{Kind: KindAdopt, Urgent: true, Reason: Reason{ReasonDamaged, d.known.Damage}})
		return
	}
	if d.restore() {
		return
	}
	if d.want.Static() {
		d.takeIn()
		return
	}
	if !d.has && d.publishHeld(Reason{ReasonFits, "nothing is published"}) {
		return
	}
	if !d.has && len(d.want.Targets) > 0 && !d.known.Looked {
		d.add(Step{Kind: KindAdopt, Urgent: true, Reason: Reason{ReasonMissing, "nothing is stored; a valid pair at the target would be taken over"}})
		d.takeOver()
		return
	}
	if !d.has && d.takeOver() {
		return
	}
	if d.has && d.letsGo() && d.publishNewer() {
		return
	}
	base := d.base()
	for _, keyType := range d.want.KeyTypes {
		at, reason := d.due(base, keyType)
		if changed(reason.Code) && d.publishHeld(reason) {
			return
		}
		if !d.want.NoIssue {
			d.orders(keyType, at, reason)
		}
	}
	d.gather(base)
}

// publishHeld publishes the newest stored version other than the current one
// that satisfies what is wanted and is not itself due: a config that went back
// gets its certificate back.
func (d *decision) publishHeld(why Reason) bool {
	if d.clockIsBehind() {
		return false
	}
	for _, v := range slices.Backward(d.known.Versions) {
		if d.known.withdrawn() && v.ID == d.known.Withdrawn {
			return false // what is older is on keys that are gone, or was given up before
		}
		if v.ID == d.current.ID || !d.satisfies(v) {
			continue
		}
		d.addPublish(Step{Kind: KindPublish, Version: v.ID, Urgent: d.urgent, Reason: Reason{ReasonFits, "a stored version fits: " + why.Words}})
		return true
	}
	return false
}

// clockIsBehind reports whether what is known of a certificate that is served has not
// happened yet by this machine's clock. Then nobody can tell which of the
// earlier versions have ended, and the served one stays until a CA was asked,
// which says what time it is.
func (d *decision) clockIsBehind() bool {
	if !d.has || d.current.Broken != "" {
		return false // nothing is lost by showing what may have ended
	}
	begins := func(p Pair) bool { return ahead(p.NotBefore, d.now) }
	for _, told := range d.known.Advice {
		if ahead(told.Asked, d.now) {
			return true
		}
	}
	return ahead(d.current.Created, d.now) || slices.ContainsFunc(d.current.Pairs, begins)
}

// publishNewer ends what is left of a hold: a released certificate goes back
// to the newest version that fits.
func (d *decision) publishNewer() bool {
	for _, v := range slices.Backward(d.known.Versions) {
		if v.ID == d.current.ID {
			return false
		}
		if d.satisfies(v) {
			d.addPublish(Step{Kind: KindPublish, Version: v.ID, Urgent: d.urgent, Reason: Reason{ReasonFits, "a newer stored version fits"}})
			return true
		}
	}
	return false
}

// satisfies reports whether v could be served for what is wanted, and need
// not be renewed yet.
func (d *decision) satisfies(v Version) bool {
	for _, keyType := range d.want.KeyTypes {
		if at, _ := d.due(v, keyType); !at.After(d.now) {
			return false
		}
	}
	return v.ID != "" && len(v.Pairs) > 0
}

// changed reports whether a reason speaks of the config, so that an earlier
// version may be the answer.
func changed(code ReasonCode) bool {
	switch code {
	case ReasonKeyType, ReasonKey, ReasonUnreadable:
		return true
	}
	return asksOtherwise(code)
}

// asksOtherwise reports whether a reason says that a CA is to be asked for
// something else than before.
func asksOtherwise(code ReasonCode) bool {
	switch code {
	case ReasonNames, ReasonCommonName, ReasonProfile, ReasonMustStaple, ReasonCSR, ReasonIssuer:
		return true
	}
	return false
}

// due says when version v needs a new pair of keyType, and why. An instant
// that is not after now means now.
func (d *decision) due(v Version, keyType string) (time.Time, Reason) {
	return d.dueOn(v, keyType, d.keys.Primary(keyType))
}

// dueOn is due where the pair has to be on a key; "" is any.
func (d *decision) dueOn(v Version, keyType, key string) (time.Time, Reason) {
	var atOnce time.Time
	pair, ok := v.Pair(keyType)
	held := d.held(v)
	switch {
	case len(v.Pairs) == 0:
		return atOnce, Reason{ReasonMissing, "no certificate exists"}
	case v.Broken != "":
		return atOnce, Reason{ReasonUnreadable, v.Broken}
	case !ok && !held:
		return atOnce, Reason{ReasonKeyType, fmt.Sprintf("no %s certificate exists", keyType)}
	}
	if reason, doomed := d.doomed(pair); doomed && ok {
		return atOnce, reason
	}
	if reason, differs := d.differs(pair); differs && !held {
		return atOnce, reason
	}
	if key != "" && pair.Key != key && !held {
		return atOnce, Reason{ReasonKey, fmt.Sprintf("the %s key of %s is another one", keyType, d.want.Keys)}
	}
	if v.ID == d.known.Published || v.ID == d.known.Ready {
		if at, asked := d.renewAsked(pair.Made); asked {
			return at, Reason{ReasonAsked, "renewal was asked for"}
		}
	}
	switch {
	case held:
		return d.holdEnds(v)
	case !pair.NotAfter.After(d.now):
		return atOnce, Reason{ReasonExpired, "the certificate ended on " + day(pair.NotAfter)}
	}
	return RenewAt(pair, d.advised(pair), d.want.Renew)
}

// differs compares what was asked for pair with what is wanted. A removed
// name changes nothing until the next renewal; the order of names never
// counts, nor does a common name that nobody chose.
func (d *decision) differs(pair Pair) (Reason, bool) {
	r, w := pair.Request, d.want
	if missing := without(w.Names, r.Names); len(missing) > 0 {
		return Reason{ReasonNames, "added: " + strings.Join(missing, ", ")}, true
	}
	switch {
	case pair.Issuer != "" && !slices.Contains(w.Issuers, pair.Issuer):
		// Before the profile, which the other issuer may well have changed.
		return Reason{ReasonIssuer, fmt.Sprintf("issuer %s is no longer listed", pair.Issuer)}, true
	case w.CommonNameGiven && w.CommonName != r.CommonName:
		return Reason{ReasonCommonName, fmt.Sprintf("common name is to be %q, was %q", w.CommonName, r.CommonName)}, true
	case w.Profile != r.Profile:
		return Reason{ReasonProfile, "profile is to be " + profileWords(w.Profile) + ", was " + profileWords(r.Profile)}, true
	case w.MustStaple != r.MustStaple:
		return Reason{ReasonMustStaple, fmt.Sprintf("must-staple is to be %t", w.MustStaple)}, true
	case w.CSR != r.CSR:
		return Reason{ReasonCSR, "the signing request changed"}, true
	}
	return Reason{}, false
}

func profileWords(name string) string {
	if name == "" {
		return "the CA's choice"
	}
	return fmt.Sprintf("%q", name)
}

// Request is what an order for the certificate asks of a CA.
func (w WantedCert) Request() Request {
	return Request{Names: Sorted(w.Names), CommonName: w.CommonName, Profile: w.Profile, MustStaple: w.MustStaple, CSR: w.CSR}
}

// asks reports whether w still asks a CA for r.
func (w WantedCert) asks(r Request) bool {
	return slices.Equal(r.Names, Sorted(w.Names)) && (!w.CommonNameGiven || r.CommonName == w.CommonName) &&
		r.Profile == w.Profile && r.MustStaple == w.MustStaple && r.CSR == w.CSR
}

// Sorted returns a sorted copy.
func Sorted(names []string) []string {
	sorted := slices.Clone(names)
	slices.Sort(sorted)
	return sorted
}

// without returns the elements of a that b lacks.
func without(a, b []string) []string {
	var missing []string
	for _, s := range a {
		if !slices.Contains(b, s) {
			missing = append(missing, s)
		}
	}
	return missing
}
