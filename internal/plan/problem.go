package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Blame says whose fault a failure is, and so who can mend it.
type Blame string

// Who can mend it.
const (
	BlameAdmin   Blame = "admin"   // config, DNS, firewall, files: a person here
	BlameCA      Blame = "ca"      // the CA is down, slow or wrong
	BlameNetwork Blame = "network" // nobody was reached
	BlameUs      Blame = "us"      // a defect of Certkeep
)

// Fault is a failure as a fact: what happened, in whose words.
type Fault struct {
	Code   Code      `json:"code"`
	Words  string    `json:"words"`            // what was being done and what happened
	Detail []string  `json:"detail,omitempty"` // the other side's own words, one line each
	Blame  Blame     `json:"blame,omitempty"`
	At     time.Time `json:"at"`
}

// Severity orders problems.
type Severity string

// The severities.
const (
	Warning  Severity = "warning"
	Critical Severity = "critical"
)

// Problem is a condition that a person must know. It is derived from facts,
// and shown the same by every command.
type Problem struct {
	Code     Code      `json:"code"`
	Severity Severity  `json:"severity"`
	Cert     string    `json:"certificate,omitempty"`
	Target   string    `json:"target,omitempty"`
	Words    string    `json:"words"`
	Detail   []string  `json:"detail,omitempty"`
	Remedy   string    `json:"remedy"`
	Since    time.Time `json:"since,omitzero"`
}

// Problems derives from the facts what a person must know of the certificates
// that are wanted, the worst first.
func Problems(now time.Time, w World) []Problem {
	var all []Problem
	for _, want := range w.Wanted.Certs {
		all = append(all, CertProblems(now, w, want)...)
	}
	slices.SortStableFunc(all, func(a, b Problem) int { return cmp.Compare(rank(a), rank(b)) })
	return all
}

func rank(p Problem) int {
	if p.Severity == Critical {
		return 0
	}
	return 1
}

// CertProblems derives what a person must know of one certificate.
func CertProblems(now time.Time, w World, want WantedCert) []Problem {
	known := w.Known.Cert(want.Name)
	d := diagnosis{now: now, want: want, known: known, world: w, grade: Critical}
	switch {
	case known.Newer:
		d.add(CodeNewer, "", cmp.Or(known.Damage, "the record was written by a later version of Certkeep"), nil, time.Time{})
		return d.problems
	case known.Damage != "":
		d.add(CodeDamaged, "", known.Damage, nil, time.Time{})
		return d.problems // nothing else is known
	}
	d.contactProblems()
	if want.Authorize {
		d.authorizations()
		return d.problems
	}
	d.validity()
	d.asides()
	d.attempts()
	d.keyProblems()
	d.revocations()
	if tries := known.CleanUp; tries.Count > 0 && tries.Fault != nil {
		d.add(tries.Fault.Code, "", tries.Fault.Words, tries.Fault.Detail, tries.Fault.At)
	}
	d.tlsa()
	d.statements()
	for _, target := range slices.Concat(want.Targets, want.Companions) {
		d.target(target.Name, known.Targets[target.Name])
	}
	return d.problems
}

// diagnosis gathers the problems of one certificate.
type diagnosis struct {
	now      time.Time
	want     WantedCert
	known    *KnownCert
	world    World
	grade    Severity // of failures that have none of their own; see gravity
	problems []Problem
}

func (d *diagnosis) add(code Code, target, words string, detail []string, since time.Time) {
	p := Problem{Code: code, Severity: code.Severity(), Cert: d.want.Name, Target: target, Words: words, Detail: detail, Remedy: code.Remedy(), Since: since}
	if p.Severity == "" {
		p.Severity = d.grade
	}
	d.problems = append(d.problems, p)
}

// validity looks at what is published: missing, ended, ending, misfitting.
func (d *diagnosis) validity() {
	version, ok := d.known.Version(d.known.Published)
	switch {
	case ok:
	case d.known.withdrawn():
		d.add(CodeWithdrawn, "", "the certificate was revoked and withdrawn, and none has taken its place", nil, time.Time{})
		return
	default:
		d.add(CodeMissing, "", "no certificate exists yet", nil, time.Time{})
		return
	}
	version = version.Serving(d.want.KeyTypes)
	end, warn := version.NotAfter(), WarnAt(version, d.want.Warn)
	d.grade = d.gravity(version)
	switch {
	case version.Pairs[0].NotBefore.After(d.now.Add(clockAhead)):
		d.add(CodeClock, "", fmt.Sprintf("the certificate is valid from %s only: the clock of this machine is behind", day(version.Pairs[0].NotBefore)), nil, time.Time{})
	case !warn.After(d.now):
		d.ends(end)
	}
	if version.Broken != "" {
		d.add(CodeKeyLost, "", version.Broken, nil, time.Time{})
	}
	if d.known.Held {
		d.add(CodeHeld, "", "an archived version was restored and is held until it is due", nil, time.Time{})
	}
	for _, p := range version.Pairs {
		if p.Misfit != "" {
			d.add(CodeMisfit, "", p.Misfit, nil, p.Made)
		}
		if p.Revoked && d.want.Static() {
			d.add(CodeGivenRevoked, "", "the certificate was revoked", nil, time.Time{})
		} else if p.Revoked {
			d.add(CodeRevoked, "", "the certificate was revoked", nil, time.Time{})
		} else if ban, banned := d.world.Known.Banned[p.Key]; banned {
			d.add(CodeBanned, "", "what is served is on a key that was said to be compromised", nil, ban.At)
		}
	}
}

// attempts looks at orders that came to nothing, as far as a new certificate
// is still needed.
func (d *diagnosis) attempts() {
	if d.want.Static() {
		d.givenProblems()
		return
	}
	for _, keyType := range d.want.KeyTypes {
		dec := decision{now: d.now, world: d.world}
		dec.take(d.want)
		at, reason := dec.due(dec.base(), keyType)
		if at.After(d.now) {
			continue
		}
		tries := dec.tries(keyType)
		if d.want.NoIssue {
			d.add(CodeMayNotIssue, "", "it is due ("+reason.Words+"), and this node may not order", nil, time.Time{})
			continue
		}
		dec.order(need{keyType: keyType, at: at, reason: reason, key: dec.keys.Primary(keyType)})
		if len(dec.steps) == 0 {
			if tries.Count == 0 || tries.Fault == nil {
				d.dueByHand(reason, at)
			} else {
				d.add(tries.Fault.Code, "", tries.Fault.Words+"; it is renewed only when asked (mode: manual)", tries.Fault.Detail, tries.Fault.At)
			}
			continue
		}
		next := ""
		if at := dec.steps[0].At; at.After(d.now) {
			next = "; next attempt " + day(at)
		}
		switch {
		case tries.Crashed > 1:
			d.add(CodeUnexpected, "", fmt.Sprintf("%d attempts in a row ended without a word, as if Certkeep had been killed%s", tries.Crashed, next), nil, tries.Last)
		case tries.Count > 0 && tries.Fault != nil:
			d.add(tries.Fault.Code, "", tries.Fault.Words+next, tries.Fault.Detail, tries.Fault.At)
		}
		d.troubled(dec.steps[0], tries)
		d.limits(dec.steps[0], dec.patience(reason.Code))
		if free, guarded := dec.guard(keyType); guarded && dec.steps[0].Kind == KindIssue && !dec.steps[0].Asked {
			d.add(CodeGuard, "", "issued too often within 7 days; the next automatic issue is allowed "+day(free), nil, time.Time{})
		}
	}
}

// target looks at one place of installation.
func (d *diagnosis) target(name string, t Target) {
	defer func(grade Severity) { d.grade = grade }(d.grade)
	d.grade = d.gravityAt(t)
	if t.Tries.Count > 0 && t.Tries.Fault != nil {
		d.add(t.Tries.Fault.Code, name, t.Tries.Fault.Words, t.Tries.Fault.Detail, t.Tries.Fault.At)
	}
	for _, hook := range t.Hooks {
		if tries := t.HookTries[hook]; tries.Count > 0 && tries.Fault != nil {
			d.add(tries.Fault.Code, name, tries.Fault.Words, tries.Fault.Detail, tries.Fault.At)
		}
	}
	if t.Lacks != nil {
		d.add(t.Lacks.Code, name, t.Lacks.Words, t.Lacks.Detail, t.Lacks.At)
	}
	if len(t.Altered) > 0 {
		d.add(CodeAltered, name, "changed by somebody else: "+strings.Join(t.Altered, ", "), nil, time.Time{})
	}
	if t.Awaits != nil {
		d.awaiting(name, t)
		return
	}
	if t.Version == "" || t.Verify.Version != t.Version {
		return
	}
	for _, r := range t.Verify.Results {
		switch r.Verdict {
		case VerdictWrong:
			d.add(CodeVerifyWrong, name, r.Endpoint+": "+r.Words, nil, t.Verify.At)
		case VerdictUnstapled:
			d.add(CodeVerifyStaple, name, r.Endpoint+": "+r.Words, nil, t.Verify.At)
		case VerdictUnknown:
			d.add(CodeVerifyUnknown, name, r.Endpoint+": "+r.Words, nil, t.Verify.At)
		}
	}
}
