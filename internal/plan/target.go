package plan

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// How often what was right is looked at again.
const (
	verifyEvery  = 24 * time.Hour
	inspectEvery = 6 * time.Hour
	// Inspections of many certificates are spread by their names over so
	// many instants in inspectEvery, the same for all, so that they neither
	// come all at once nor wake us one by one.
	inspectSlots = 12
)

// rolledBackFor is how long a version is left alone that a service would not take.
const rolledBackFor = 24 * time.Hour

// install decides what has to happen at each target.
func (d *decision) install() {
	if d.known.Damage != "" {
		return
	}
	for _, target := range d.want.Targets {
		switch {
		case d.has:
			d.installAt(target, d.current)
		case target.Shared && !d.keyFilesStand(): // its placeholder comes with the files of the keys
		case d.known.Vacant[target.Name] && len(target.Services) > 0:
			// First in line: a web server that cannot start answers no challenge.
			d.addFirst(Step{Kind: KindSpare, Target: target.Name, Urgent: true, Reason: Reason{ReasonNoFile, "a service is named and no certificate is there"}})
		}
		d.hooks(target, d.known.Targets[target.Name])
	}
	if d.has && len(d.want.Targets) > 0 {
		first := d.want.Targets[0]
		d.expiring(first, d.known.Targets[first.Name])
	}
	if d.has && len(d.want.Targets)+len(d.want.Companions) > 0 {
		d.inspect()
	}
}

// addFirst puts a step before the others of the certificate, in every order: a
// person who asked for one of them asked for what it needs.
func (d *decision) addFirst(s Step) {
	s.Asked = slices.ContainsFunc(d.own(), func(s Step) bool { return s.Asked })
	d.add(s)
	own := d.own()
	last := own[len(own)-1]
	copy(own[1:], own)
	own[0] = last
}

func (d *decision) installAt(target WantedTarget, version Version) {
	if target.Shared {
		return // what is shared is installed with the keys
	}
	if step, behind := d.installStep(target, version.ID); behind {
		d.stage(&step, target, d.known.Targets[target.Name])
		d.maintainAt(&step, d.known.Targets[target.Name])
		d.add(step)
	}
}

// installStep brings a version to a target that is behind it.
func (d *decision) installStep(target WantedTarget, id string) (Step, bool) {
	fact, version := d.known.Targets[target.Name], Version{ID: id}
	step := Step{Kind: KindInstall, Target: target.Name, Version: id, Urgent: d.urgent}
	var behind bool
	if step.Reason, behind = d.lags(fact, target, version); !behind && !d.lacking(&step, target, fact) {
		return Step{}, false
	}
	if fact.refuses(target, version) {
		step.Asked = d.skipsBackoff(fact.Tries)
		if wait := fact.waitsUntil(d.now); !step.Asked && wait.After(later(d.now, step.At)) {
			step.At = wait
			step.Reason.Words += fmt.Sprintf("; waits after %s", failures(fact.Tries.Count))
		}
	}
	return step, true
}

// lags says why the published version is not in place, if it is not.
func (d *decision) lags(fact Target, target WantedTarget, version Version) (Reason, bool) {
	switch {
	case fact.Version != version.ID:
		return Reason{ReasonBehind, "a version was published"}, true
	case fact.Config != target.Config:
		return Reason{ReasonConfig, "files or services of the target changed in the config"}, true
	case target.HoldsKeys && fact.Keys != d.keysWords():
		return Reason{ReasonKey, "other keys are kept beside the primary ones"}, true
	case len(fact.Altered) > 0:
		return Reason{ReasonAltered, "changed by somebody else: " + strings.Join(fact.Altered, ", ")}, true
	case fact.State == TargetPending || fact.State == "":
		return Reason{ReasonBehind, "the installation did not finish"}, true
	case fact.Awaits != nil && d.stays(fact):
		return Reason{}, false
	case fact.State == TargetWritten:
		return Reason{ReasonUntold, "files are in place, services were not told"}, true
	}
	return Reason{}, false
}

// refuses reports whether the target's failures are about this very version
// and config.
func (t Target) refuses(target WantedTarget, version Version) bool {
	return t.Refused != nil && t.Refused.Version == version.ID && t.Refused.Config == target.Config
}

// waitsUntil is when a refused install is tried again.
func (t Target) waitsUntil(now time.Time) time.Time {
	wait := t.Tries.WaitsUntil(now)
	if t.Refused.RolledBack && !t.Tries.Open && !t.Tries.fromTheFuture(now) {
		return later(wait, t.Tries.Last.Add(rolledBackFor))
	}
	return wait
}

// inspect looks at installed files once in a while, and at once after a start.
func (d *decision) inspect() {
	var at time.Time
	if last := d.known.Inspected; !last.IsZero() && !ahead(last, d.now) {
		at = InspectAgain(last, d.want.Name)
	}
	d.add(Step{Kind: KindInspect, At: at, Reason: Reason{ReasonRoutine, "files may have been altered"}})
}

// InspectAgain is when files that were looked at are looked at again: at the next
// of the instants that belong to the name.
func InspectAgain(last time.Time, name string) time.Time {
	offset := inspectEvery / inspectSlots * time.Duration(spread(name)%inspectSlots)
	return last.Add(-offset).Truncate(inspectEvery).Add(inspectEvery + offset)
}

// spread makes a number of a name (FNV-1a), the same at every pass.
func spread(name string) uint32 {
	n := uint32(2166136261)
	for i := range len(name) {
		n = (n ^ uint32(name[i])) * 16777619
	}
	return n
}

// verify decides which targets have to show what they serve.
func (d *decision) verify() {
	if !d.has || d.known.Damage != "" {
		return
	}
	for _, target := range d.want.Targets {
		fact := d.known.Targets[target.Name]
		if !target.Verify {
			continue
		}
		if _, behind := d.lags(fact, target, d.current); behind && !d.asked(AskVerify, fact.Verify.At) {
			continue
		}
		d.verifyAt(target, fact, d.current)
	}
}

func (d *decision) verifyAt(target WantedTarget, fact Target, version Version) {
	step := Step{Kind: KindVerify, Target: target.Name, Version: version.ID}
	switch {
	case d.asked(AskVerify, fact.Verify.At) || d.asked(AskApply, fact.Verify.At) && fact.State != TargetVerified:
		step.Asked = true
		step.Reason = Reason{ReasonAsked, "verification was asked for"}
	case fact.Verify.Version != version.ID:
		step.Reason = Reason{ReasonUnverified, "no handshake has shown this version yet"}
	case d.pinsUnshown(target, fact):
		step.Reason = Reason{ReasonUnverified, "no answer has shown these public key pins yet"}
	case fact.Awaits != nil:
		if !ahead(fact.Verify.At, d.now) {
			step.At = fact.Verify.At.Add(awaitEvery)
		}
		step.Reason = Reason{ReasonUnverified, "the services may have been restarted"}
	case fact.State != TargetVerified:
		step.At = fact.Verify.Tries.WaitsUntil(d.now)
		step.Reason = Reason{ReasonUnverified, "the last handshakes did not show this version"}
	default:
		if !ahead(fact.Verify.At, d.now) {
			step.At = fact.Verify.At.Add(verifyEvery)
		}
		step.Reason = Reason{ReasonRoutine, "shown once a day"}
	}
	d.add(step)
}
