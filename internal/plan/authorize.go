package plan

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Authorized is a name that a CA takes as proven, without a certificate.
type Authorized struct {
	Issuer  string    `json:"issuer"`
	At      time.Time `json:"at"`      // when the CA was last asked
	Expires time.Time `json:"expires"` // RFC 8555 section 7.1.4; zero where the CA does not say
}

// How soon and how late a CA is asked again whether a name is proven. A
// certificate authority reuses an authorisation up to its end, or to some hours
// before it: the nearer the end, the more often it is asked.
const (
	authorizedAtLeast = 10 * time.Minute
	authorizedAtMost  = 24 * time.Hour // where the CA says no end
)

// askAgain is when the CA is asked the next time: when a third is left of what
// was left when it was last asked, and at the end at the latest.
func (a Authorized) askAgain(now time.Time) time.Time {
	switch {
	case ahead(a.At, now):
		return time.Time{}
	case a.Expires.IsZero():
		return a.At.Add(authorizedAtMost)
	}
	at := a.At.Add(max(authorizedAtLeast, a.Expires.Sub(a.At)/3*2))
	if at.After(a.Expires) && a.Expires.After(a.At.Add(time.Minute)) {
		return a.Expires
	}
	return at
}

// authorize keeps names proven that have no certificate here. Those that are
// due together share orders, as many as one may hold. A name that failed has an
// order of its own: it must not keep the others from being proven.
func (d *decision) authorize() {
	if d.known.Damage != "" {
		d.add(Step{Kind: KindAdopt, Reason: Reason{ReasonDamaged, d.known.Damage}})
		return
	}
	if d.want.NoIssue || d.want.NoSolve || len(d.want.Issuers) == 0 {
		return
	}
	var together []string
	var next Step
	for _, name := range d.want.Names {
		at, reason, asked := d.authorizeAt(name)
		step := Step{Kind: KindAuthorize, Names: []string{name}, Issuer: d.want.Issuers[0], At: at, Reason: reason, Asked: asked}
		d.proofWithinLimits(&step)
		switch {
		case step.At.After(d.now):
			if next.Kind == "" || step.At.Before(next.At) {
				next = step
			}
		case d.known.Tries[name].Count > 0:
			d.add(step)
		default:
			together = append(together, name)
		}
	}
	for _, names := range pack(together, d.want.PerOrder) {
		_, reason, asked := d.authorizeAt(names[0])
		d.add(Step{Kind: KindAuthorize, Names: names, Issuer: d.want.Issuers[0], Reason: reason, Asked: asked})
	}
	if next.Kind != "" {
		d.add(next)
	}
}

// authorizeAt is when a name is to be proven, or asked about, and why.
func (d *decision) authorizeAt(name string) (time.Time, Reason, bool) {
	var at time.Time
	reason := Reason{ReasonMissing, "it is not known that the CA takes it as proven"}
	tries := d.known.Tries[name]
	asked := d.asked(AskApply, tries.Last)
	if a, ok := d.known.Authorized[name]; ok && a.Issuer == d.want.Issuers[0] {
		asked = d.asked(AskApply, later(a.At, tries.Last))
		reason = Reason{ReasonExpired, "its authorisation has ended"}
		if at = a.askAgain(d.now); a.Expires.IsZero() || a.Expires.After(d.now) {
			reason = Reason{ReasonWindow, "its authorisation ends on " + day(a.Expires)}
		}
		if a.Expires.IsZero() {
			reason.Words = "the CA does not say when its authorisation ends"
		}
	}
	if wait := tries.ownWait(d.now); wait.After(at) && !asked {
		at = wait
		reason.Words += fmt.Sprintf("; waits after %s", failures(tries.Count))
	}
	if asked {
		at, reason = d.now, Reason{ReasonAsked, "it was asked for"}
	}
	if wait := d.barred(d.want.Issuers[0], tries); wait.After(at) {
		at = wait
		reason.Words += d.waitWords(d.want.Issuers[0], tries)
	}
	return at, reason, asked
}

// pack divides names into orders. A wildcard and a name that it covers do not
// share one: CAs refuse that.
func pack(names []string, most int) [][]string {
	var orders [][]string
	for _, name := range names {
		i := slices.IndexFunc(orders, func(order []string) bool {
			return len(order) < max(1, most) && !slices.ContainsFunc(order, func(other string) bool { return covers(name, other) || covers(other, name) })
		})
		if i < 0 {
			i = len(orders)
			orders = append(orders, nil)
		}
		orders[i] = append(orders[i], name)
	}
	return orders
}

// covers reports whether a wildcard stands for a name.
func covers(wildcard, name string) bool {
	zone, ok := strings.CutPrefix(wildcard, "*.")
	_, below, _ := strings.Cut(name, ".")
	return ok && below == zone && !strings.HasPrefix(name, "*.")
}

// authorizations tells of names that should be proven and are not.
func (d *diagnosis) authorizations() {
	d.grade = Warning
	for _, name := range d.want.Names {
		a, ok := d.known.Authorized[name]
		valid := ok && (a.Expires.IsZero() || a.Expires.After(d.now))
		if tries := d.known.Tries[name]; tries.Count > 0 && tries.Fault != nil {
			d.grade = Critical
			if valid {
				d.grade = Warning
			}
			d.add(tries.Fault.Code, name, tries.Fault.Words, tries.Fault.Detail, tries.Fault.At)
		}
	}
	if tries := d.known.CleanUp; tries.Count > 0 && tries.Fault != nil {
		d.add(tries.Fault.Code, "", tries.Fault.Words, tries.Fault.Detail, tries.Fault.At)
	}
}

// ForgetNames drops what is known of names that are no longer wanted.
func (k *KnownCert) ForgetNames(wanted []string) {
	gone := func(name string) bool { return !slices.Contains(wanted, name) }
	maps.DeleteFunc(k.Authorized, func(name string, _ Authorized) bool { return gone(name) })
	maps.DeleteFunc(k.Tries, func(name string, _ Tries) bool { return gone(name) })
}
