package plan

import (
	"fmt"
	"time"
)

// WantedDH is a Diffie-Hellman group of one's own; the zero value is none.
type WantedDH struct {
	Bits    int
	WithKey bool // another one when the key changes
}

// DHParams is such a group, found by a search.
type DHParams struct {
	Bits int       `json:"bits"`
	PEM  string    `json:"pem"`
	ID   string    `json:"id"`            // short digest of PEM: targets remember which one they have
	Made time.Time `json:"made"`          // when it was found
	Key  string    `json:"key,omitempty"` // fingerprint of the key that was published then
}

// lacksEvery is how often what was missing at an installation is looked for
// again.
const lacksEvery = 24 * time.Hour

// params has a group searched for. The search runs beside all other steps, and
// nothing waits for it.
func (d *decision) params() {
	if want := d.want.DH; want.Bits > 0 && d.has && d.known.Damage == "" {
		switch have := d.known.DH; {
		case have == nil:
			d.search("none was searched for yet")
		case have.Bits != want.Bits:
			d.search(fmt.Sprintf("they have %d bits instead of %d", have.Bits, want.Bits))
		case want.WithKey && have.Key != d.current.Pairs[0].Key:
			d.search("the key changed")
		}
	}
}

func (d *decision) search(why string) {
	d.add(Step{Kind: KindParams, Reason: Reason{ReasonParams, "Diffie-Hellman parameters of its own: " + why}})
}

// ownDH is the group that a target is to have; "" where that is one of RFC 7919.
func (d *decision) ownDH(target WantedTarget) string {
	if !target.DH || d.known.DH == nil || d.known.DH.Bits != d.want.DH.Bits {
		return ""
	}
	return d.known.DH.ID
}

// lacking fills in a step that writes a target again after something was found
// that its files are to hold, or once in a while as long as something is not.
func (d *decision) lacking(step *Step, target WantedTarget, fact Target) bool {
	switch {
	case fact.DH != d.ownDH(target):
		step.Reason = Reason{ReasonParams, "Diffie-Hellman parameters of its own were found"}
	case fact.Lacks != nil:
		if !ahead(fact.Lacks.At, d.now) && !d.asked(AskApply, fact.Lacks.At) {
			step.At = fact.Lacks.At.Add(lacksEvery)
		}
		step.Asked = d.asked(AskApply, fact.Lacks.At)
		step.Reason = Reason{ReasonRoutine, "looks again for what was missing: " + fact.Lacks.Words}
	default:
		return false
	}
	return true
}
