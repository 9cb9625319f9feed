package plan

import (
	"slices"
	"time"
)

// asked reports whether a person asked for kind after the instant at.
func (d *decision) asked(kind AskKind, at time.Time) bool {
	ask, ok := d.known.Asks[kind]
	return ok && !ask.At.After(d.now) && (ask.At.After(at) || ahead(at, d.now))
}

// renewAsked reports whether a person asked for a new pair instead of the one
// made at an instant, and when. An ask ahead of a clock that was set back is
// void: it would ask again after every issue until the clock has caught up.
func (d *decision) renewAsked(made time.Time) (time.Time, bool) {
	ask, ok := d.known.Asks[AskRenew]
	if !ok || ahead(ask.At, d.now) {
		return time.Time{}, false
	}
	return ask.At, ask.At.After(made) || ahead(made, d.now)
}

// chosen is the issuer that a person wants a renewal from, as long as it is
// listed; "" where nobody said. After failures of that CA the list counts again.
func (d *decision) chosen(t Tries) string {
	ask, ok := d.known.Asks[AskRenew]
	if !ok || ask.Issuer == "" || ask.At.After(d.now) || !slices.Contains(d.want.Issuers, ask.Issuer) {
		return ""
	}
	if t.anotherMay() && t.Count >= failoverAfter {
		return ""
	}
	return ask.Issuer
}

// skipsBackoff reports whether a person asked since the last attempt.
func (d *decision) skipsBackoff(t Tries) bool {
	return d.asked(AskRenew, t.Last) || d.asked(AskApply, t.Last) || d.asked(AskRevoke, t.Last)
}

// answer drops the asks that are answered, once nothing else is due.
func (d *decision) answer() {
	if len(d.known.Asks) == 0 || d.anyDue() {
		return
	}
	var answered []string
	for kind, ask := range d.known.Asks {
		if d.answered(kind, ask) {
			answered = append(answered, string(kind))
		}
	}
	if len(answered) > 0 {
		slices.Sort(answered)
		d.add(Step{Kind: KindAnswer, Drop: answered, Asked: true, Reason: Reason{ReasonAnswered, "what was asked for is done"}})
	}
}

// answered reports whether an ask is done, or can never be. A renewal that
// failed stays asked for until it succeeds.
func (d *decision) answered(kind AskKind, ask Ask) bool {
	switch kind {
	case AskRestore:
		return !d.restorable(ask.Version) || d.restored(ask.Version)
	case AskRelease:
		return true
	case AskRevoke:
		return len(d.known.revocations(d.now, d.world.Known.Banned)) == 0
	}
	if ask.At.After(d.now) {
		return ahead(ask.At, d.now)
	}
	switch kind {
	case AskRenew:
		return d.want.Authorize || d.want.NoIssue || d.want.Static() || !slices.ContainsFunc(d.want.KeyTypes, func(keyType string) bool {
			_, open := d.renewAsked(d.current.Made(keyType))
			return open
		})
	case AskVerify:
		return !d.has || !slices.ContainsFunc(d.want.Targets, func(t WantedTarget) bool {
			return t.Verify && d.asked(AskVerify, d.known.Targets[t.Name].Verify.At)
		})
	}
	return true
}
