package plan

import (
	"slices"
	"time"
)

// adviceAtMost bounds how long a CA's Retry-After may keep us from asking for
// renewal information: RFC 9773 section 4.3.1 wants it asked regularly, so
// that a revocation is noticed.
const adviceAtMost = 24 * time.Hour

// advice asks the CA for the renewal window of each published pair.
func (d *decision) advice() {
	version, ok := d.published()
	if !ok || !d.want.Renew.ARI || d.known.Damage != "" {
		return
	}
	for _, pair := range version.Pairs {
		if pair.CertID == "" || pair.Revoked || !slices.Contains(d.want.Issuers, pair.Issuer) || d.renewalDue(pair.KeyType) {
			continue
		}
		step := Step{Kind: KindAdvice, KeyType: pair.KeyType, Issuer: pair.Issuer, Version: version.ID}
		step.Reason = Reason{ReasonRoutine, "the CA may move its renewal window"}
		if a := d.advised(pair); a != nil {
			step.At = a.AskAgain
			if latest := d.now.Add(adviceAtMost); step.At.After(latest) {
				step.At = latest
			}
		}
		if wait := d.world.Known.Issuers[pair.Issuer].WaitsUntil(d.now); wait.After(step.At) {
			step.At = wait
		}
		d.add(step)
	}
}

// renewalDue reports whether a new pair of keyType is on its way already.
func (d *decision) renewalDue(keyType string) bool {
	return slices.ContainsFunc(d.steps, func(s Step) bool {
		return (s.Kind == KindIssue || s.Kind == KindResume) && s.KeyType == keyType && s.Due(d.now)
	})
}

// prune drops versions beyond those kept. What is published, installed
// somewhere, or still fitting an open order's key stays.
func (d *decision) prune() {
	if d.known.Damage != "" || d.want.Keep < 1 || d.anyDue() {
		return
	}
	var drop []string
	extra := len(d.known.Versions) - d.want.Keep
	for _, v := range d.known.Versions {
		if extra <= 0 {
			break
		}
		if v.ID == d.known.Published || d.installed(v.ID) {
			continue
		}
		drop = append(drop, v.ID)
		extra--
	}
	if len(drop) > 0 {
		d.add(Step{Kind: KindPrune, Drop: drop, Reason: Reason{ReasonTooMany, "newer versions are kept"}})
	}
}

func (d *decision) installed(version string) bool {
	for _, t := range d.known.Targets {
		if t.Version == version {
			return true
		}
	}
	return false
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

// answered reports whether an ask is done. A renewal that failed stays asked
// for until it succeeds.
func (d *decision) answered(kind AskKind, ask Ask) bool {
	version, ok := d.published()
	switch kind {
	case AskRenew:
		for _, keyType := range d.want.KeyTypes {
			if !ok || !version.Made(keyType).After(ask.At) {
				return false
			}
		}
	case AskVerify:
		for _, target := range d.want.Targets {
			if target.Verify && !d.known.Targets[target.Name].Verify.At.After(ask.At) {
				return false
			}
		}
	case AskRestore:
		return d.known.Published == ask.Version
	}
	return true
}
