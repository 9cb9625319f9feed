// Package plan decides. It compares what is wanted with what is known and
// says which steps follow, when, and why. It is pure: no clock, no dice, no
// log, no I/O; the same World and instant give the same steps. Make is the
// function to call first; RenewAt answers "when is it renewed".
package plan

import (
	"cmp"
	"slices"
	"time"
)

// World is all that a decision may look at.
type World struct {
	Wanted    Wanted
	Known     Known
	Unclaimed []*KnownCert // of the store, that the config does not name; see Unclaimed
}

// Kind names what a step does.
type Kind string

// The kinds of step. One file of the engine carries out each of them.
const (
	KindAdopt     Kind = "adopt"       // take over a valid pair found at a target
	KindTakeOver  Kind = "take-over"   // take over a stored certificate that the config does not name any more
	KindIssue     Kind = "issue"       // open an order and see it through
	KindResume    Kind = "resume"      // go on with an order that was saved
	KindPublish   Kind = "publish"     // point the group at a version that is held already
	KindSpare     Kind = "placeholder" // put a self-signed pair where a service needs files to start
	KindInstall   Kind = "install"     // bring the published version to a target
	KindHook      Kind = "hook"        // run a hook that is still pending
	KindVerify    Kind = "verify"      // compare what services present with the published version
	KindInspect   Kind = "inspect"     // look whether installed files were altered
	KindAdvice    Kind = "advice"      // ask the CA for its renewal information (RFC 9773)
	KindRevoke    Kind = "revoke"      // ask the CA to revoke a certificate (RFC 8555 section 7.6)
	KindWithdraw  Kind = "withdraw"    // take away the files of what was revoked
	KindOCSP      Kind = "ocsp"        // ask for the OCSP response of a certificate
	KindCRL       Kind = "crl"         // look a certificate up in the CA's revocation list
	KindSCT       Kind = "sct"         // hand a certificate to a log; without one, look at the receipts in it
	KindCleanUp   Kind = "clean-up"    // take away answers to challenges that were left behind
	KindParams    Kind = "params"      // search for Diffie-Hellman parameters, beside all else
	KindPrune     Kind = "prune"       // drop versions nobody needs, and their keys
	KindAuthorize Kind = "authorize"   // have names proven without a certificate
	KindAside     Kind = "set-aside"   // go without names that keep failing their proof
	KindReadmit   Kind = "readmit"     // try to prove a name that was set aside
	KindAnswer    Kind = "answer"      // drop asks that are answered
	KindKeys      Kind = "make-keys"   // make keys that outlive certificates
	KindRoll      Kind = "rollover"    // begin a change of such keys, or give it up
	KindSwitch    Kind = "switch-keys" // make the new keys the primary ones

	KindContact  Kind = "contact"   // tell a CA of another mail address (RFC 8555 section 7.3.2)
	KindTakeIn   Kind = "take-in"   // read the files of a certificate that somebody else makes
	KindLookTLSA Kind = "tlsa-look" // see which TLSA records DNS has
	KindTLSA     Kind = "tlsa"      // publish TLSA records

	KindOCSPFile Kind = "ocsp-file" // bring OCSP responses to the files that servers staple from
	KindSCTFile  Kind = "sct-file"  // bring receipts of logs to their files
	KindHPKP     Kind = "hpkp"      // write the headers that pin a site to its keys
)

// Step is one thing to do.
type Step struct {
	Kind   Kind   `json:"kind"`
	Cert   string `json:"certificate,omitempty"`
	Keys   string `json:"keys,omitempty"` // whose keys these are, where the step is about keys and not one certificate
	Key    string `json:"-"`              // fingerprint of the key to issue on; "": a new one
	Rolled bool   `json:"-"`              // what an issue brings waits for the switch of keys
	Next   bool   `json:"next,omitempty"` // the key that is made is kept ready
	// Certs are whose files an installation of shared ones brings.
	Certs []string `json:"certificates,omitempty"`
	// Roll is the primary keys that a rollover leads to, by key type; "" has yet to be made.
	Roll    map[string]string `json:"-"`
	KeyType string            `json:"key_type,omitempty"`
	Target  string            `json:"target,omitempty"`
	Version string            `json:"version,omitempty"` // what to publish, install or verify
	Issuer  string            `json:"issuer,omitempty"`  // whom an issue or resume asks
	Hook    string            `json:"hook,omitempty"`
	Log     string            `json:"log,omitempty"`   // which log the certificate is handed to
	From    string            `json:"from,omitempty"`  // whose version is taken over
	Names   []string          `json:"names,omitempty"` // to be proven
	Drop    []string          `json:"drop,omitempty"`  // versions to prune, or asks that are answered
	// Revocation is why a revoke step revokes. One with Drop only forgets revocations.
	Revocation RevocationReason `json:"revocation,omitempty"`
	Withdraw   bool             `json:"withdraw,omitempty"` // what a revoke step revokes is served no more afterwards
	Name       string           `json:"name,omitempty"`     // in DNS
	Records    []string         `json:"records,omitempty"`  // to stand there, and no others
	At         time.Time        `json:"at"`                 // due when not after now
	Reason     Reason           `json:"reason"`
	Asked      bool             `json:"asked,omitempty"`  // a person asked for it
	Gather     bool             `json:"gather,omitempty"` // what an issue brings waits for other key types
	Urgent     bool             `json:"urgent,omitempty"`
	Spends     []string         `json:"spends,omitempty"`  // what it takes of a CA's limits, in words
	Limited    bool             `json:"limited,omitempty"` // it waits for a limit of the CA
	Staged     bool             `json:"-"`                 // of an install: services are not told
	Serves     string           `json:"-"`                 // and go on to serve this version
	Closes     time.Time        `json:"-"`                 // when the maintenance window that it is done in closes; zero without one
	Until      time.Time        `json:"until,omitzero"`    // when what is served now ends; zero where nothing valid is served
}

// Due reports whether the step is to be done at now.
func (s Step) Due(now time.Time) bool { return !s.At.After(now) }

// stepsEach is how many steps a quiet certificate has: the next renewal, the
// next look at its files, its services and the CA's advice.
const stepsEach = 4

// Make returns every step that follows from w, the due ones and the next
// ones to come, most urgent first.
func Make(now time.Time, w World) []Step {
	d := decision{now: now, world: w, steps: make([]Step, 0, stepsEach*len(w.Wanted.Certs))}
	for _, want := range w.Wanted.Certs {
		d.make(want)
	}
	d.steps = append(d.steps, allKeys(now, w)...)
	across(now, w, d.steps)
	byUrgency(now, d.steps)
	return d.steps
}

// Due returns of what Make does the steps that are due, in the same order, and
// when the next one becomes due, as Next says it. Those to come are never held
// together: of many certificates that have nothing due they are large.
func Due(now time.Time, w World) (due []Step, next time.Time) {
	d := decision{now: now, world: w}
	keep := func(first int) {
		steps := d.steps[first:]
		next = Sooner(next, Next(now, steps))
		steps = slices.DeleteFunc(steps, func(s Step) bool { return !s.Due(now) })
		d.steps = d.steps[:first+len(steps)]
	}
	for _, want := range w.Wanted.Certs {
		d.make(want)
		keep(d.first)
	}
	d.steps = append(d.steps, allKeys(now, w)...)
	across(now, w, d.steps)
	keep(0)
	byUrgency(now, d.steps)
	return d.steps, next
}

// across puts off due steps that share something with those of other
// certificates: the pace, and the limits of CAs. Steps to come stay as they are.
func across(now time.Time, w World, steps []Step) {
	pace(now, w, steps)
	ration(now, w, steps)
}

// Cert returns the steps of one certificate, in the order in which they have
// to be done. Pace across certificates is not part of it.
func Cert(now time.Time, w World, want WantedCert) []Step {
	d := decision{now: now, world: w}
	d.make(want)
	return d.steps
}

// Next returns the earliest instant after now at which a step becomes due,
// or the zero time when none will.
func Next(now time.Time, steps []Step) time.Time {
	var next time.Time
	for i := range steps { // which are large
		if at := steps[i].At; at.After(now) {
			next = Sooner(next, at)
		}
	}
	return next
}

// Sooner is the earlier of two instants; zero means never.
func Sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// place is where a step stands in the plan: due before coming, asked and
// urgent before others, then by the end of what is served, so that what ends
// first is done first; of what is coming, the next first.
type place struct {
	rank int
	at   time.Time
	i    int // of the step that belongs there
}

// byUrgency puts steps in the order of their places. Places are sorted instead
// of steps, which are large, and each step is then moved once.
func byUrgency(now time.Time, steps []Step) {
	places := make([]place, len(steps))
	for i := range steps {
		s := &steps[i]
		p := place{rank: 2, at: s.Until, i: i}
		switch {
		case s.At.After(now):
			p.rank, p.at = 3, s.At
		case s.Asked:
			p.rank = 0
		case s.Urgent:
			p.rank = 1
		}
		places[i] = p
	}
	slices.SortFunc(places, func(a, b place) int {
		return cmp.Or(cmp.Compare(a.rank, b.rank), a.at.Compare(b.at), cmp.Compare(a.i, b.i))
	})
	for i := range places {
		// Follow the cycle of moves that begins here.
		lifted, hole := steps[i], i
		for from := places[hole].i; from != i; from = places[hole].i {
			steps[hole], places[hole].i = steps[from], hole
			hole = from
		}
		steps[hole], places[hole].i = lifted, hole
	}
}
