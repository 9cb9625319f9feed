package plan

import (
	"slices"
	"time"
)

// gravity is how bad it is that something fails while v is what is served. The
// rule for every failure that has no severity of its own: a warning at first,
// and critical once less than a third of the warning window is left of what is
// served, or nothing good is served at all.
func (d *diagnosis) gravity(v Version) Severity {
	v = v.Serving(d.want.KeyTypes)
	if len(v.Pairs) == 0 || slices.ContainsFunc(v.Pairs, func(p Pair) bool { return d.grave(p) }) {
		return Critical
	}
	return Warning
}

// grave reports whether a pair is no good any more, or nearly so.
func (d *diagnosis) grave(p Pair) bool {
	_, banned := d.world.Known.Banned[p.Key]
	left := p.NotAfter.Sub(d.now)
	return p.Revoked || banned || left <= 0 || left < WarnBefore(p, d.want.Warn)/3 || p.NotBefore.After(d.now.Add(clockAhead))
}

// clockAhead is how long before its validity a certificate may be used: CAs
// date some of them an hour back, so that this much is the clock's fault.
const clockAhead = time.Hour

// gravityAt is the gravity of what fails at a target: there it is the version
// that lies there which runs out, however fresh the published one is. Where
// nothing of ours lies there, or nothing is known of it, the published one
// counts.
func (d *diagnosis) gravityAt(t Target) Severity {
	if installed, ok := d.known.Version(t.Version); ok && t.Version != d.known.Published {
		if d.gravity(installed) == Critical {
			return Critical
		}
	}
	return d.grade
}
