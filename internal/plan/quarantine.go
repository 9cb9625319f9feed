package plan

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// asideAfter is how many attempts in a row a name has to fail before the
// others go without it. Those that failed for something else do not count.
const asideAfter = 3

// Aside is a name that a certificate goes without for now, since it kept
// failing its proof.
type Aside struct {
	Since time.Time `json:"since"`
	Proof string    `json:"proof,omitempty"` // WantedCert.Proof then; a changed one tries at once. "": not known
	Tries Tries     `json:"tries"`           // to prove it since
}

// Effective is what is ordered for a certificate: what is wanted, without the
// names that are set aside. One that is protected, or no longer to be set
// aside, is ordered. A common name that is set aside is none: a CA signs no name
// that it did not see proven.
func Effective(want WantedCert, known *KnownCert) WantedCert {
	if !want.Quarantine || len(known.Aside) == 0 {
		return want
	}
	names := slices.DeleteFunc(slices.Clone(want.Names), func(name string) bool {
		_, aside := known.Aside[name]
		return aside && !slices.Contains(want.Protected, name)
	})
	if len(names) > 0 {
		want.Names = names
	}
	if want.CommonName != "" && !slices.Contains(want.Names, want.CommonName) {
		want.CommonName, want.CommonNameGiven = "", false
	}
	return want
}

// NamesFailed takes note of which names an attempt failed for. One that was not
// about names, or of which that is not known, says nothing of them: none is nil.
func (k *KnownCert) NamesFailed(names []string) {
	if len(names) == 0 {
		return
	}
	before := k.Failing
	k.Failing = nil
	for _, name := range names {
		if k.Failing == nil {
			k.Failing = map[string]int{}
		}
		k.Failing[name] = before[name] + 1
	}
}

// SetAside has a certificate go without names. It is tried again after some
// hours, then daily.
func (k *KnownCert) SetAside(now time.Time, jitter float64, want WantedCert, names []string, fault *Fault) {
	if k.Aside == nil {
		k.Aside = map[string]Aside{}
	}
	for _, name := range names {
		tries := Tries{Count: asideAfter, Last: now, Ended: now, NotBefore: now.Add(Backoff(asideAfter, jitter)), Fault: fault}
		k.Aside[name] = Aside{Since: now, Proof: want.Proof, Tries: tries}
	}
	k.Failing = nil
}

// setAside has names set aside that keep failing, so that the others get their
// certificate: never one that is protected, and never the last one.
func (d *decision) setAside(want WantedCert) {
	if !want.Quarantine || want.CSR != "" || want.NoIssue {
		return
	}
	var names []string
	for _, name := range d.want.Names {
		if !want.NoSolve && d.known.Failing[name] >= asideAfter && !slices.Contains(want.Protected, name) {
			names = append(names, name)
		}
	}
	if len(names) > 0 && len(names) < len(d.want.Names) {
		d.add(Step{Kind: KindAside, Names: names, Urgent: d.urgent, Reason: Reason{ReasonFailing, fmt.Sprintf("failed %d times in a row: the certificate goes without", asideAfter)}})
	}
	for _, name := range slices.Sorted(maps.Keys(d.known.Aside)) {
		if slices.Contains(want.Names, name) && !slices.Contains(want.Protected, name) {
			d.readmit(want, name, d.known.Aside[name])
		}
	}
	if gone := d.known.unasked(want); len(gone) > 0 {
		d.add(Step{Kind: KindAside, Drop: gone, Reason: Reason{ReasonNames, "no longer set aside"}})
	}
}

// unasked are the names set aside that nobody wants, or that are not to be.
func (k *KnownCert) unasked(want WantedCert) []string {
	var gone []string
	for _, name := range slices.Sorted(maps.Keys(k.Aside)) {
		if !slices.Contains(want.Names, name) || slices.Contains(want.Protected, name) {
			gone = append(gone, name)
		}
	}
	return gone
}

// readmit has a name that was set aside proven again, by itself. Once it is,
// it is ordered with the others. A node that answers no challenges asks one CA
// after another whether somebody else has proven it there.
func (d *decision) readmit(want WantedCert, name string, aside Aside) {
	if len(want.Issuers) == 0 {
		return
	}
	t, turn := aside.Tries, Tries{}
	if want.NoSolve {
		turn = t
	}
	step := Step{Kind: KindReadmit, Names: []string{name}, Issuer: d.issuer(turn), Reason: Reason{ReasonRoutine, "it was set aside, and may be proven again"}}
	step.Asked = d.asked(AskApply, t.Last) || d.asked(AskRenew, t.Last)
	if wait := t.ownWait(d.now); !step.Asked && aside.Proof == want.Proof {
		step.At = wait
	}
	step.At = later(step.At, d.barredFor(step, t))
	d.proofWithinLimits(&step)
	d.add(step)
}

// asides tells of names that a certificate goes without.
func (d *diagnosis) asides() {
	if !d.want.Quarantine {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(d.known.Aside)) {
		aside := d.known.Aside[name]
		if !slices.Contains(d.want.Names, name) || slices.Contains(d.want.Protected, name) {
			continue
		}
		words := fmt.Sprintf("the certificate goes without %s since %s: it could not be proven", name, day(aside.Since))
		var detail []string
		if aside.Tries.Fault != nil {
			words += "; " + aside.Tries.Fault.Words
			detail = slices.DeleteFunc(slices.Clone(aside.Tries.Fault.Detail), func(line string) bool {
				return len(d.want.Names) > 1 && !strings.Contains(line, name) && strings.Contains(line, ": ")
			})
		}
		d.add(CodeAside, "", words, detail, aside.Since)
	}
}
