package plan

import (
	"fmt"
	"time"
)

// lookAtGivenEvery is how often the files of a certificate that somebody else
// makes are read where nothing said that they changed.
const lookAtGivenEvery = time.Hour

// Given is what was found in the files of a certificate that somebody else
// makes (ModeStatic). It changes only when something else is found.
type Given struct {
	Version string `json:"version,omitempty"` // the stored version of the pairs that were last good there
	Fault   *Fault `json:"fault,omitempty"`   // why what lies there is not taken over
}

// Static reports whether somebody else makes the certificate.
func (w WantedCert) Static() bool { return w.Mode == ModeStatic }

// takeIn has the files looked at, and what was good there published. Nothing
// is ever ordered.
func (d *decision) takeIn() {
	if v, ok := d.given(); ok && d.letsGo() {
		d.addPublish(Step{Kind: KindPublish, Version: v.ID, Urgent: d.urgent, Reason: Reason{ReasonGiven, "it was put into the files that `static` names"}})
	}
	step := Step{Kind: KindTakeIn, Urgent: !d.has, Reason: Reason{ReasonRoutine, "somebody may have put another certificate there"}}
	if !d.has {
		step.Reason = Reason{ReasonMissing, "nothing was taken in yet from the files that `static` names"}
	}
	looked := d.known.GivenLooked
	step.Asked = d.asked(AskApply, looked) || d.asked(AskRenew, looked)
	if !step.Asked && !looked.IsZero() && !ahead(looked, d.now) {
		step.At = later(looked, d.known.GivenNext)
	}
	d.add(step)
}

// LookAgainAt is when the files are read again that were read at an instant.
func LookAgainAt(looked time.Time) time.Time { return looked.Add(lookAtGivenEvery) }

// given is what was good in the files, where it is not what is published.
func (d *decision) given() (Version, bool) {
	if d.known.Given == nil || d.known.Given.Version == d.known.Published {
		return Version{}, false
	}
	v, ok := d.known.Version(d.known.Given.Version)
	return v, ok && v.Broken == ""
}

// givenProblems are those of a certificate that somebody else makes: nobody
// here can order another one.
func (d *diagnosis) givenProblems() {
	if d.known.Given != nil && d.known.Given.Fault != nil {
		f := d.known.Given.Fault
		d.add(f.Code, "", f.Words, f.Detail, f.At)
	}
}

// ends says that what is published has ended, or will soon.
func (d *diagnosis) ends(end time.Time) {
	switch static := d.want.Static(); {
	case static && !end.After(d.now):
		d.add(CodeGivenExpired, "", "the certificate ended on "+day(end)+", and nobody put another one where `static` says", nil, end)
	case static:
		d.add(CodeGivenExpiring, "", fmt.Sprintf("the certificate ends in %s, on %s, and nobody put another one where `static` says", span(end.Sub(d.now)), day(end)), nil, time.Time{})
	case !end.After(d.now):
		d.add(CodeExpired, "", "the certificate ended on "+day(end), nil, end)
	default:
		d.add(CodeExpiring, "", fmt.Sprintf("the certificate ends in %s, on %s, and has not been renewed", span(end.Sub(d.now)), day(end)), nil, time.Time{})
	}
}

// meaningsOfGiven are those of certificates that somebody else makes.
func meaningsOfGiven() map[Code]meaning {
	return map[Code]meaning{
		CodeGiven:         {"", "Put a certificate that covers the names, with its chain, and the key that fits it where `static` says (PEM; nobody else may write there). They are taken in at once. What was taken in before is served meanwhile."},
		CodeGivenExpiring: {"", "Certkeep does not renew it (`mode: static`): put a new certificate and its key where `static` says, or let Certkeep obtain it (`mode: auto`)."},
		CodeGivenExpired:  {Critical, "Certkeep does not renew it (`mode: static`): put a new certificate and its key where `static` says now, or let Certkeep obtain it (`mode: auto`)."},
		CodeGivenRevoked:  {Critical, "Certkeep does not replace it (`mode: static`): put a new certificate and its key where `static` says now. Find out why it was revoked."},
	}
}
