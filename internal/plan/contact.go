package plan

import (
	"fmt"
	"time"
)

// WantedContact is how an issuer is to reach whoever runs Certkeep.
type WantedContact struct {
	Issuer string
	Email  string // "" is not at all
}

// Contact is what a CA was last told of how to reach us. What it made of that
// says nothing: some CAs keep no contact at all.
type Contact struct {
	Email string `json:"email,omitempty"`
	Wish  string `json:"wish,omitempty"` // what Tries are about
	Tries Tries  `json:"tries,omitzero"`
}

// contacts has CAs told of another mail address, once. A CA without an account
// is told when it gets one.
func (d *decision) contacts() {
	for _, w := range d.want.Contacts {
		known := d.world.Known.Issuers[w.Issuer]
		if d.want.NoIssue || known.Contact == nil || known.Contact.Email == w.Email {
			continue
		}
		words := "the config says " + w.Email
		if w.Email == "" {
			words = "the config says none any more"
		}
		step := Step{Kind: KindContact, Issuer: w.Issuer, Reason: Reason{ReasonContact, words}}
		if tries := known.Contact.triesFor(w.Email); tries.Count > 0 {
			step.Asked = d.asked(AskApply, tries.Last)
			if wait := tries.WaitsUntil(d.now); !step.Asked && wait.After(d.now) {
				step.At = wait
				step.Reason.Words += "; waits after " + failures(tries.Count)
			}
		}
		step.At = later(step.At, known.mute(d.now))
		d.add(step)
	}
}

// triesFor are the attempts to tell a CA of an address.
func (c Contact) triesFor(email string) Tries {
	if c.Wish != email {
		return Tries{}
	}
	return c.Tries
}

// Telling is what is stored before a CA is told of an address.
func (k KnownIssuer) Telling(now time.Time, email string, jitter float64) KnownIssuer {
	next := Contact{Wish: email}
	if k.Contact != nil {
		next.Email, next.Tries = k.Contact.Email, k.Contact.triesFor(email)
	}
	next.Tries = next.Tries.Begin(now, jitter)
	k.Contact = &next
	return k
}

// NotTold is what is stored where that failed.
func (k KnownIssuer) NotTold(now time.Time, fault Fault) KnownIssuer {
	if k.Contact != nil {
		next := *k.Contact
		next.Tries = next.Tries.Failed(now, fault, time.Time{})
		k.Contact = &next
	}
	return k
}

// contactProblems tells which CAs do not know the address in the config.
func (d *diagnosis) contactProblems() {
	for _, w := range d.want.Contacts {
		known := d.world.Known.Issuers[w.Issuer].Contact
		if d.want.NoIssue || known == nil || known.Email == w.Email {
			continue
		}
		if fault := known.triesFor(w.Email).Fault; fault != nil {
			d.add(CodeContact, "", fmt.Sprintf("issuer %s was not told of the contact in the config: %s", w.Issuer, fault.Words), fault.Detail, fault.At)
		}
	}
}
