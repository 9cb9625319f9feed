package plan

import (
	"slices"
	"time"
)

// How soon and how late a CA is asked again for renewal information, whatever
// its Retry-After says. RFC 9773 section 4.3.2 wants both bounds: the later one
// so that a revocation is noticed.
const (
	adviceAtLeast = time.Minute
	adviceAtMost  = 24 * time.Hour
	adviceMissing = 7 * 24 * time.Hour // where the CA offers none
)

// advice asks the CA for the renewal window of each published pair, until the
// pair has ended (RFC 9773 section 4.3).
func (d *decision) advice() {
	if !d.has || d.want.NoIssue || !d.want.Renew.ARI || d.known.Damage != "" {
		return
	}
	for _, pair := range d.current.Serving(d.want.KeyTypes).Pairs {
		if pair.CertID == "" || pair.Revoked || !pair.NotAfter.After(d.now) || !slices.Contains(d.want.Issuers, pair.Issuer) || d.renewalDue(pair.KeyType) {
			continue
		}
		step := Step{Kind: KindAdvice, KeyType: pair.KeyType, Issuer: pair.Issuer, Version: d.current.ID}
		step.Reason = Reason{ReasonRoutine, "the CA may move its renewal window"}
		// Where advice is of another certificate, an earlier version was gone
		// back to, of which the CA said when to ask again, too: not later.
		if a, ok := d.known.Advice[pair.KeyType]; ok {
			step.At = a.askAgain(d.now)
		}
		step.At = later(step.At, d.world.Known.Issuers[pair.Issuer].mute(d.now))
		d.add(step)
	}
}

// askAgain is when the CA is asked the next time.
func (a Advice) askAgain(now time.Time) time.Time {
	most := adviceAtMost
	if a.Missing {
		most = adviceMissing
	}
	switch {
	case a.Asked.IsZero(): // from a record that does not say
		if latest := now.Add(most); a.AskAgain.After(latest) {
			return latest
		}
		return a.AskAgain
	case ahead(a.Asked, now):
		return time.Time{}
	case a.AskAgain.After(a.Asked.Add(most)):
		return a.Asked.Add(most)
	}
	return later(a.AskAgain, a.Asked.Add(adviceAtLeast))
}

// renewalDue reports whether a new pair of keyType is on its way already.
func (d *decision) renewalDue(keyType string) bool {
	return slices.ContainsFunc(d.own(), func(s Step) bool {
		return (s.Kind == KindIssue || s.Kind == KindResume) && s.KeyType == keyType && s.Due(d.now)
	})
}

// prune drops the oldest versions beyond those kept. What is published,
// installed somewhere, shares its key with an open order, or is what a hold
// goes back to, stays.
func (d *decision) prune() {
	if d.known.Damage != "" || d.want.Keep < 1 || d.anyDue() {
		return
	}
	var drop []string
	extra := len(d.known.Versions) - d.want.Keep
	for _, v := range d.known.Versions {
		if extra <= 0 || d.known.Held && v.ID == d.known.Published {
			break
		}
		if v.ID == d.known.Published || v.ID == d.known.Ready || d.keys.Rolling != nil && v.ID == d.known.Rolled || d.publishes(v.ID) || d.installed(v.ID) || d.ordering(v) || d.pending(v) {
			continue
		}
		drop = append(drop, v.ID)
		extra--
	}
	if len(drop) > 0 {
		d.add(Step{Kind: KindPrune, Drop: drop, Reason: Reason{ReasonTooMany, "newer versions are kept"}})
	}
}

// publishes reports whether a version is about to be published: it may wait for
// its TLSA records.
func (d *decision) publishes(version string) bool {
	return slices.ContainsFunc(d.own(), func(s Step) bool { return s.Kind == KindPublish && s.Version == version })
}

func (d *decision) installed(version string) bool {
	for _, t := range d.known.Targets {
		if t.Version == version || t.served() == version {
			return true
		}
	}
	return false
}

// ordering reports whether an open order uses a key of v.
func (d *decision) ordering(v Version) bool {
	for _, o := range d.known.Orders {
		if o.Key != "" && slices.ContainsFunc(v.Pairs, func(p Pair) bool { return p.Key == o.Key }) {
			return true
		}
	}
	return false
}
