package plan

import (
	"slices"
	"time"
)

// clockSlack is how far ahead of now a stored instant may lie. One that lies
// further ahead was written under a clock that has since been set back, and
// nobody waits for it.
const clockSlack = time.Minute

func ahead(at, now time.Time) bool { return at.After(now.Add(clockSlack)) }

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// decision gathers the steps of one certificate after another. Each method
// looks at one part of a certificate's life and appends what follows.
type decision struct {
	now   time.Time
	world World
	steps []Step
	first int // of the steps of the certificate in hand

	want    WantedCert
	known   *KnownCert
	keys    *KnownKeys // those that it is issued on
	noKeys  KnownKeys  // of a certificate whose keys do not outlive it; never changed
	current Version    // the published version; zero without one
	has     bool       // whether there is one
	until   time.Time  // when what is served ends; zero where nothing valid is
	urgent  bool       // nothing is served, or not for long, or what its CA or a person does not stand by
}

// take takes a certificate in hand.
func (d *decision) take(want WantedCert) {
	d.known, d.first = d.world.Known.Cert(want.Name), len(d.steps)
	d.want = Effective(want, d.known)
	d.keys = &d.noKeys
	if want.Keys != "" {
		d.keys = d.world.Known.KeysOf(want.Keys)
	}
	d.current, d.has = d.known.Version(d.known.Published)
	d.until, d.urgent = time.Time{}, !d.has
	if !d.has {
		return
	}
	serving := d.current.Serving(want.KeyTypes)
	if end := serving.NotAfter(); end.After(d.now) {
		d.until = end
	}
	d.urgent = serving.Broken != "" || WarnAt(serving, want.Warn).Before(d.now) ||
		slices.ContainsFunc(serving.Pairs, func(p Pair) bool { return p.Revoked || p.Recalled || d.banned(p.Key) })
}

// make appends the steps of a certificate.
func (d *decision) make(want WantedCert) {
	d.take(want)
	if d.known.Newer {
		return // a Problem says what a person must do
	}
	if want.Authorize {
		d.urgent = false
		d.authorize()
		d.contacts()
		d.cleanUp()
		d.answer()
		return
	}
	d.revoke(true)
	d.withdraw()
	d.setAside(want)
	d.obtain()
	d.statements()
	d.install()
	d.companions()
	d.verify()
	d.tlsa()
	d.revoke(false)
	d.advice()
	d.contacts()
	d.cleanUp()
	d.params()
	d.prune()
	d.answer()
}

// add appends a step, filling in what all steps of the certificate share.
func (d *decision) add(s Step) {
	s.Cert = d.want.Name
	if s.At.Before(d.now) {
		s.At = d.now
	}
	if s.Until.IsZero() {
		s.Until = d.until
	}
	d.steps = append(d.steps, s)
}

// own are the steps of the certificate in hand.
func (d *decision) own() []Step { return d.steps[d.first:] }

// anyDue reports whether some of them is to be done now, and not beside all else.
func (d *decision) anyDue() bool {
	return slices.ContainsFunc(d.own(), func(s Step) bool { return s.Due(d.now) && s.Kind != KindParams })
}

// Serving returns the part of v that is still wanted. A pair whose key type
// was taken out of the config is renewed no more, and its end is nobody's
// concern. Where v has none of the wanted types, all of it counts.
func (v Version) Serving(keyTypes []string) Version {
	wanted := 0
	for _, p := range v.Pairs {
		if slices.Contains(keyTypes, p.KeyType) {
			wanted++
		}
	}
	if wanted == 0 || wanted == len(v.Pairs) {
		return v
	}
	v.Pairs = slices.DeleteFunc(slices.Clone(v.Pairs), func(p Pair) bool { return !slices.Contains(keyTypes, p.KeyType) })
	return v
}

// WarnAt is when too little is left of v's life to stay silent.
func WarnAt(v Version, warn Span) time.Time {
	var at time.Time
	for _, p := range v.Pairs {
		if t := p.NotAfter.Add(-WarnBefore(p, warn)); at.IsZero() || t.Before(at) {
			at = t
		}
	}
	return at
}

// WarnBefore is how long before its end too little is left of a pair's life.
// The zero Span stands for 10 %, and so does one that leaves no life at all:
// two weeks say nothing of a certificate that lives six days.
func WarnBefore(p Pair, warn Span) time.Duration {
	life := p.Lifetime()
	if before := warn.Of(life); before > 0 && before < life {
		return before
	}
	return max(0, life/10)
}
