package plan

import "time"

// Gathered is the step that publishes what waits for its other key types. It is
// for whoever finds that their orders, though due, are not made now: put off by
// a hook, or spread over all certificates.
func Gathered(now time.Time, w World, want WantedCert) (Step, bool) {
	d := decision{now: now, world: w}
	d.take(want)
	if v, waits := d.ready(); waits && !d.want.Static() && d.known.Damage == "" && !d.known.Newer {
		d.publishReady(v)
		return d.steps[0], d.steps[0].Due(now)
	}
	return Step{}, false
}

// publishReady has a version published that waited.
func (d *decision) publishReady(v Version) {
	d.addPublish(Step{Kind: KindPublish, Version: v.ID, Urgent: d.urgent, Reason: Reason{ReasonFits, "all that could be obtained is there"}})
}

// base is the version that a new pair is put beside: the one that waits for
// its other key types, else the published one.
func (d *decision) base() Version {
	if v, ok := d.ready(); ok {
		return v
	}
	return d.current
}

// ready is the version that waits to be published.
func (d *decision) ready() (Version, bool) {
	v, ok := d.known.Version(d.known.Ready)
	return v, ok && v.Broken == "" && v.ID != d.known.Published
}

// gather has pairs of several key types that are due together published
// together: each but the last waits for the others. Where one of them fails,
// or has to wait, the others are published without it: a certificate of one
// type must not end for want of another.
func (d *decision) gather(base Version) {
	last := -1
	own := d.own()
	for i, s := range own {
		if (s.Kind != KindIssue && s.Kind != KindResume) || !s.Due(d.now) || s.Rolled {
			continue
		}
		if last >= 0 {
			own[last].Gather = true
		}
		last = i
	}
	if last >= 0 && len(d.want.TLSA) > 0 {
		own[last].Gather = true // what it brings waits for its records in DNS
	}
	if last < 0 && base.ID != "" && base.ID != d.known.Published {
		d.publishReady(base)
	}
}
