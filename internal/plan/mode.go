package plan

import "time"

// Mode says who decides that a certificate is renewed.
type Mode string

// The modes.
const (
	ModeAuto   Mode = ""       // Certkeep, by itself
	ModeManual Mode = "manual" // a person: it orders only what was asked for, and tells what is due
	ModeStatic Mode = "static" // somebody else makes it: its files are watched, and nothing is ordered
)

// waitsForAsk reports whether an order is left to a person. One that was begun
// is gone on with, and a rollover of keys does not wait for one certificate.
func (d *decision) waitsForAsk(n need, s Step) bool {
	return d.want.Mode == ModeManual && s.Kind == KindIssue && !s.Asked && !n.rolled
}

// dueByHand tells of a certificate that is due, and that nobody asked for.
func (d *diagnosis) dueByHand(reason Reason, since time.Time) {
	d.add(CodeDue, "", "it is due ("+reason.Words+"), and it is renewed only when asked (mode: manual)", nil, since)
}
