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
		d.add(Step{Kind: KindAdopt, Reason: Reason{ReasonDamaged, d.known.Damage}})
		return
	}
	if d.restore() {
		return
	}
	cur, ok := d.published()
	if !ok && len(d.known.Orders) == 0 && d.publishHeld(cur, Reason{ReasonFits, "a stored version fits"}) {
		return
	}
	if !ok && len(d.want.Targets) > 0 && !d.known.Looked {
		d.add(Step{Kind: KindAdopt, Urgent: true, Reason: Reason{ReasonMissing, "nothing is stored; a valid pair at the target is taken over"}})
		return
	}
	if ok && !d.known.Held && d.publishNewer(cur) {
		return
	}
	for _, keyType := range d.want.KeyTypes {
		at, reason := d.due(cur, keyType)
		if changed(reason.Code) && d.publishHeld(cur, reason) {
			return
		}
		d.order(keyType, at, reason)
	}
}

// restore publishes the version that a person asked for.
func (d *decision) restore() bool {
	ask, ok := d.known.Asks[AskRestore]
	if !ok || d.known.Published == ask.Version {
		return false
	}
	d.add(Step{Kind: KindPublish, Version: ask.Version, Asked: true, Reason: Reason{ReasonAsked, "restore of an archived version was asked for"}})
	return true
}

// publishHeld publishes the newest stored version other than cur that
// satisfies what is wanted and is not itself due: a config that went back gets
// its certificate back.
func (d *decision) publishHeld(cur Version, why Reason) bool {
	for _, v := range slices.Backward(d.known.Versions) {
		if v.ID == cur.ID || !d.satisfies(v) {
			continue
		}
		d.add(Step{Kind: KindPublish, Version: v.ID, Urgent: d.urgent(), Reason: Reason{ReasonFits, "a stored version fits: " + why.Words}})
		return true
	}
	return false
}

// publishNewer ends what is left of a hold: a released certificate goes back
// to the newest version that fits.
func (d *decision) publishNewer(cur Version) bool {
	for _, v := range slices.Backward(d.known.Versions) {
		if v.ID == cur.ID {
			return false
		}
		if v.Created.After(cur.Created) && d.satisfies(v) {
			d.add(Step{Kind: KindPublish, Version: v.ID, Reason: Reason{ReasonFits, "a newer stored version fits"}})
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
	return true
}

// changed reports whether a reason speaks of the config, so that an earlier
// version may be the answer.
func changed(code ReasonCode) bool {
	switch code {
	case ReasonNames, ReasonCommonName, ReasonProfile, ReasonMustStaple, ReasonCSR, ReasonKeyType, ReasonIssuer, ReasonUnreadable:
		return true
	}
	return false
}

// due says when version v needs a new pair of keyType, and why. The zero
// instant means now.
func (d *decision) due(v Version, keyType string) (time.Time, Reason) {
	var now time.Time
	pair, ok := v.Pair(keyType)
	switch {
	case len(v.Pairs) == 0:
		return now, Reason{ReasonMissing, "no certificate exists"}
	case v.Broken != "":
		return now, Reason{ReasonUnreadable, v.Broken}
	case !ok:
		return now, Reason{ReasonKeyType, fmt.Sprintf("no %s certificate exists", keyType)}
	case pair.Revoked:
		return now, Reason{ReasonRevoked, "the certificate was revoked"}
	}
	held := d.known.Held && v.ID == d.known.Published
	if reason, differs := d.differs(pair); differs && !held {
		return now, reason
	}
	if v.ID == d.known.Published && d.asked(AskRenew, v.Made(keyType)) {
		return now, Reason{ReasonAsked, "renewal was asked for"}
	}
	at, reason := RenewAt(pair, d.advised(pair), d.want.Renew)
	if held && reason.Code == ReasonAdvice {
		at, reason = RenewAt(pair, nil, d.want.Renew) // a held version stays until our own window
	}
	return at, reason
}

// differs compares what was asked for pair with what is wanted. A removed
// name changes nothing until the next renewal; the order of names never counts.
func (d *decision) differs(pair Pair) (Reason, bool) {
	r, w := pair.Request, d.want
	if missing := without(w.Names, r.Names); len(missing) > 0 {
		return Reason{ReasonNames, "added: " + strings.Join(missing, ", ")}, true
	}
	switch {
	case w.CommonName != r.CommonName && !slices.Contains(w.Names, r.CommonName):
		return Reason{ReasonCommonName, fmt.Sprintf("common name is to be %q, was %q", w.CommonName, r.CommonName)}, true
	case w.Profile != r.Profile:
		return Reason{ReasonProfile, fmt.Sprintf("profile is to be %q, was %q", w.Profile, r.Profile)}, true
	case w.MustStaple != r.MustStaple:
		return Reason{ReasonMustStaple, fmt.Sprintf("must-staple is to be %t", w.MustStaple)}, true
	case w.CSR != r.CSR:
		return Reason{ReasonCSR, "the signing request changed"}, true
	case pair.Issuer != "" && !slices.Contains(w.Issuers, pair.Issuer):
		return Reason{ReasonIssuer, fmt.Sprintf("issuer %s is no longer listed", pair.Issuer)}, true
	}
	return Reason{}, false
}

// order adds the step that opens, or goes on with, an order for keyType.
func (d *decision) order(keyType string, at time.Time, reason Reason) {
	tries := d.known.Tries[keyType]
	step := Step{Kind: KindIssue, KeyType: keyType, At: at, Reason: reason, Urgent: d.urgent()}
	step.Issuer = d.issuer(tries)
	step.Asked = reason.Code == ReasonAsked || d.asked(AskApply, tries.Last)
	if o, ok := d.known.Orders[keyType]; ok && at.Before(d.now.Add(time.Nanosecond)) && d.resumable(o) {
		step.Kind, step.Issuer = KindResume, o.Issuer
		step.Reason = Reason{ReasonOrder, "an order is open: " + reason.Words}
	}
	if wait := tries.WaitsUntil(d.now); wait.After(step.At) && !d.skipsBackoff(tries) {
		step.At = wait
		step.Reason.Words += fmt.Sprintf("; waits after %s", failures(tries.Count))
	}
	if step.Kind == KindIssue && !d.skipsBackoff(tries) {
		if free, guarded := d.guard(keyType); guarded && free.After(step.At) {
			step.At = free
			step.Reason.Words += "; waits: too many issues of these names within 7 days"
		}
	}
	// A CA's Retry-After binds people too.
	if wait := d.world.Known.Issuers[step.Issuer].WaitsUntil(d.now); wait.After(step.At) {
		step.At = wait
		step.Reason.Words += fmt.Sprintf("; %s asked to wait", step.Issuer)
	}
	if tries.Imposed.After(step.At) && !tries.fromTheFuture(d.now) {
		step.At = tries.Imposed
		step.Reason.Words += "; the CA asked to wait"
	}
	d.add(step)
}

// skipsBackoff reports whether a person asked since the last attempt.
func (d *decision) skipsBackoff(t Tries) bool {
	return d.asked(AskRenew, t.Last) || d.asked(AskApply, t.Last)
}

// resumable reports whether an order is still about what is wanted.
func (d *decision) resumable(o Order) bool {
	if !slices.Contains(d.want.Issuers, o.Issuer) || o.URL == "" {
		return false
	}
	if !o.Expires.IsZero() && o.Expires.Before(d.now) {
		return false
	}
	r := o.Request
	return slices.Equal(r.Names, Sorted(d.want.Names)) && r.CommonName == d.want.CommonName &&
		r.Profile == d.want.Profile && r.MustStaple == d.want.MustStaple && r.CSR == d.want.CSR
}

// issuer picks whom to ask: the first listed one that does not ask us to
// wait. Every third failure that was not ours moves on to the next.
func (d *decision) issuer(t Tries) string {
	n := len(d.want.Issuers)
	if n == 0 {
		return ""
	}
	first := 0
	if t.Fault != nil && (t.Fault.Blame == BlameCA || t.Fault.Blame == BlameNetwork) {
		first = t.Count / 3 % n
	}
	for i := range n {
		id := d.want.Issuers[(first+i)%n]
		if !d.world.Known.Issuers[id].WaitsUntil(d.now).After(d.now) {
			return id
		}
	}
	return d.want.Issuers[first]
}

// Request is what an order for the certificate asks of a CA.
func (w WantedCert) Request() Request {
	return Request{Names: Sorted(w.Names), CommonName: w.CommonName, Profile: w.Profile, MustStaple: w.MustStaple, CSR: w.CSR}
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
