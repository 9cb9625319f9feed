package plan

import "time"

// decision gathers the steps of one certificate. Each method looks at one
// part of its life and appends what follows.
type decision struct {
	now   time.Time
	want  WantedCert
	known *KnownCert
	world World
	steps []Step
}

// add appends a step, filling in what all steps of the certificate share.
func (d *decision) add(s Step) {
	s.Cert = d.want.Name
	if s.At.Before(d.now) {
		s.At = d.now
	}
	if s.Until.IsZero() {
		s.Until = d.servedUntil()
	}
	d.steps = append(d.steps, s)
}

// anyDue reports whether some step gathered so far is to be done now.
func (d *decision) anyDue() bool {
	for _, s := range d.steps {
		if s.Due(d.now) {
			return true
		}
	}
	return false
}

// published returns the version that targets are to serve.
func (d *decision) published() (Version, bool) { return d.known.Version(d.known.Published) }

// servedUntil is when the published version ends; zero without one, or when
// it has ended.
func (d *decision) servedUntil() time.Time {
	v, ok := d.published()
	if !ok || !v.NotAfter().After(d.now) {
		return time.Time{}
	}
	return v.NotAfter()
}

// urgent reports whether nothing valid is served, or not for long.
func (d *decision) urgent() bool {
	v, ok := d.published()
	return !ok || WarnAt(v, d.want.Warn).Before(d.now)
}

// asked reports whether a person asked for kind after the instant at.
func (d *decision) asked(kind AskKind, at time.Time) bool {
	ask, ok := d.known.Asks[kind]
	return ok && ask.At.After(at)
}

// WarnAt is when too little is left of v's life to stay silent. The zero Span
// stands for 10 %.
func WarnAt(v Version, warn Span) time.Time {
	if warn.IsZero() {
		warn = Span{Percent: 10}
	}
	var at time.Time
	for _, p := range v.Pairs {
		if t := p.NotAfter.Add(-warn.Of(p.Lifetime())); at.IsZero() || t.Before(at) {
			at = t
		}
	}
	return at
}
