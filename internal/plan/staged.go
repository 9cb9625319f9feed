package plan

import (
	"slices"
	"time"
)

// Restart says that files of a target were written and that its services still
// serve what they read before, until somebody restarts them.
type Restart struct {
	Since  time.Time `json:"since"`
	Serves string    `json:"serves"` // id of the version that they serve
}

// awaitEvery is how often it is looked whether the services were restarted.
const awaitEvery = time.Hour

// served is the version that services of a target serve, as far as is known.
func (t Target) served() string {
	if t.Awaits != nil {
		return t.Awaits.Serves
	}
	return t.Version
}

// stays reports whether what a target's services serve may stay as it is, until
// somebody restarts them: it is valid, and nobody has to be rid of it.
func (d *decision) stays(fact Target) bool {
	v, ok := d.known.Version(fact.served())
	return ok && v.NotAfter().After(d.now) && !slices.ContainsFunc(v.Pairs, d.pressing)
}

// stage has an installation leave the activation to whoever restarts the
// services, where that is wanted.
func (d *decision) stage(s *Step, target WantedTarget, fact Target) {
	if !target.Staged || !d.stays(fact) {
		return
	}
	s.Staged, s.Serves = true, fact.served()
	s.Reason.Words += "; the services read the files when somebody restarts them"
}

// awaiting looks at a target whose services were not restarted yet. That is no
// problem while enough is left of what they serve.
func (d *diagnosis) awaiting(name string, t Target) {
	v, ok := d.known.Version(t.Awaits.Serves)
	if !ok {
		return
	}
	v = v.Serving(d.want.KeyTypes)
	if warn := WarnAt(v, d.want.Warn); warn.After(d.now) {
		return
	}
	d.grade = d.gravity(v)
	d.add(CodeRestart, name, "the services were not restarted since the files were written on "+day(t.Awaits.Since)+"; what they serve ends on "+day(v.NotAfter()), nil, t.Awaits.Since)
}
