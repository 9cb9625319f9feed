package plan

import (
	"slices"
	"time"
)

// Presented is an answer to a challenge that outlives the process: a record in
// a zone, a file that a web server shows. It is stored before it is made, and
// forgotten once it was taken away.
type Presented struct {
	Type             string    `json:"type"`  // of the challenge, RFC 8555 section 8
	Name             string    `json:"name"`  // a wildcard with "*."
	Token            string    `json:"token"` // as the CA chose it
	KeyAuthorization string    `json:"key_authorization"`
	At               time.Time `json:"at"`
	// Note is what has to be known to take it away: of a `manual` rule what its
	// auth_hook wrote. A crash before it was written leaves none.
	Note string `json:"note,omitempty"`
}

// mostPresented bounds what is remembered where nothing can ever be taken away.
const mostPresented = 1000

func (p Presented) same(other Presented) bool {
	p.At, other.At, p.Note, other.Note = time.Time{}, time.Time{}, "", ""
	return p == other
}

// Present takes note of an answer that is about to be made.
func (k *KnownCert) Present(p Presented) {
	if slices.ContainsFunc(k.Presented, p.same) {
		return
	}
	k.Presented = append(k.Presented, p)
	if extra := len(k.Presented) - mostPresented; extra > 0 {
		k.Presented = k.Presented[extra:]
	}
}

// Noted adds a note to an answer that was made.
func (k *KnownCert) Noted(p Presented, note string) {
	for i := range k.Presented {
		if k.Presented[i].same(p) {
			k.Presented[i].Note = note
		}
	}
}

// TakenAway forgets answers that are no more.
func (k *KnownCert) TakenAway(gone []Presented) {
	k.Presented = slices.DeleteFunc(k.Presented, func(p Presented) bool { return slices.ContainsFunc(gone, p.same) })
	if len(k.Presented) == 0 {
		k.Presented, k.CleanUp = nil, Tries{}
	}
}

// cleanUp takes away what a crash left, or a failure. An order that is gone on
// with takes its own answers away; this comes after it.
func (d *decision) cleanUp() {
	if len(d.known.Presented) == 0 || d.known.Damage != "" || d.want.NoSolve {
		return
	}
	tries := d.known.CleanUp
	step := Step{Kind: KindCleanUp, At: tries.WaitsUntil(d.now), Reason: Reason{ReasonLeft, "answers to challenges were left behind"}}
	if step.At.After(d.now) && d.skipsBackoff(tries) {
		step.At, step.Asked = d.now, true
	}
	d.add(step)
}
