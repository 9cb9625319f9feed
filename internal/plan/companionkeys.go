package plan

import "time"

// Where the files of a certificate are switched with those of its keys, its
// companions go along: a server reads all of them or none, and is told once.
// They wait for that installation as long as one is about to come.

// CompanionsWithKeys returns the steps that write the companions of a
// certificate. It is for whoever installs its files with those of its keys.
func CompanionsWithKeys(now time.Time, w World, want WantedCert) []Step {
	d := decision{now: now, world: w}
	d.take(want)
	if !d.known.Newer && d.known.Damage == "" {
		d.companionFiles()
	}
	return d.steps
}

// withKeys reports whether the companions are left to an installation of the
// files that the certificate shares with its keys. One that was refused, and is
// not tried again yet, keeps none of them.
func (d *decision) withKeys() bool {
	if !d.has || d.current.Broken != "" || !d.on((*KnownKeys).Primary) {
		return false // the steps of the keys leave it as it is
	}
	for _, target := range d.want.Targets {
		fact := d.known.Targets[target.Name]
		if !target.Shared || fact.refuses(target, d.current) && fact.waitsUntil(d.now).After(d.now) {
			continue
		}
		if _, behind := d.lags(fact, target, d.current); behind {
			return true
		}
	}
	return false
}
