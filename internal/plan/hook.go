package plan

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// hooks adds the hooks that have not succeeded yet. They tell of what has
// happened, so they wait neither for an installation nor for each other. One
// that was taken out of the config is due at once: whoever carries out the
// step finds nothing to run, and drops it.
func (d *decision) hooks(target WantedTarget, fact Target) {
	for _, hook := range fact.Hooks {
		step := Step{Kind: KindHook, Target: target.Name, Hook: hook, Version: fact.Version, Reason: Reason{ReasonHook, "the hook has not succeeded yet"}}
		if tries := fact.HookTries[hook]; slices.Contains(target.Hooks, EventOf(hook)) && !d.skipsBackoff(tries) {
			step.At = tries.WaitsUntil(d.now)
		}
		d.add(step)
	}
}

// HookExpiring is the hook that tells that a certificate ends soon.
const HookExpiring = "expiring"

// expiringEvery is how often that is told.
const expiringEvery = 24 * time.Hour

// expiring has that hook run while too little is left of what is published,
// whatever keeps it from being renewed: an order that fails, a person who does it
// by hand, a limit.
func (d *decision) expiring(target WantedTarget, fact Target) {
	if !slices.Contains(target.Hooks, HookExpiring) || slices.Contains(fact.Hooks, HookExpiring) {
		return
	}
	serving := d.current.Serving(d.want.KeyTypes)
	step := Step{
		Kind: KindHook, Target: target.Name, Hook: HookExpiring, Version: fact.Version, At: WarnAt(serving, d.want.Warn),
		Reason: Reason{ReasonRoutine, "the certificate ends on " + day(serving.NotAfter())},
	}
	if !ahead(fact.Warned, d.now) && !fact.Warned.IsZero() {
		step.At = later(step.At, fact.Warned.Add(expiringEvery))
	}
	if tries := fact.HookTries[HookExpiring]; !d.skipsBackoff(tries) {
		step.At = later(step.At, tries.WaitsUntil(d.now))
	}
	d.add(step)
}

// EventOf is the event of a hook that is still to run. Behind it, separated by
// blanks, may stand what the hook is told.
func EventOf(hook string) string {
	event, _, _ := strings.Cut(hook, " ")
	return event
}

// HookFailed is the target after a hook failed, which is tried again later.
// The receiver stays as it is.
func (t Target) HookFailed(hook string, now time.Time, jitter float64, fault Fault) Target {
	tries := map[string]Tries{}
	maps.Copy(tries, t.HookTries)
	tries[hook] = t.HookTries[hook].Begin(now, jitter).Failed(now, fault, time.Time{})
	t.HookTries = tries
	return t
}

// HookDone is the target after a hook succeeded, or turned out to be nothing
// to run any more. The receiver stays as it is.
func (t Target) HookDone(hook string) Target {
	t.Hooks = slices.DeleteFunc(slices.Clone(t.Hooks), func(name string) bool { return name == hook })
	t.HookTries = maps.Clone(t.HookTries)
	delete(t.HookTries, hook)
	if len(t.Hooks) == 0 {
		t.HookTries = nil
	}
	return t
}
