package plan

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

const (
	// tlsaEvery is how often DNS is looked at: somebody may have changed it.
	tlsaEvery = 6 * time.Hour
	// tlsaMost bounds the wait after failures: a question to DNS costs little,
	// and what waits for its answer may be about to end.
	tlsaMost = time.Hour
	// tlsaGuess is the TTL of records of which nothing is known.
	tlsaGuess = 5 * time.Minute
)

// tlsaOf gathers what is known of a name, if these versions are to be
// published. Made is false where records have to be made of some version first.
//
// While a target may serve something else than its fact says, nothing of ours
// is retired. Where it cannot be known what is served, nothing at all is. Before
// every kind of key was issued once, nothing of ours is published first.
func (d *decision) tlsaOf(w WantedTLSA, next []string) (t TLSA, made bool) {
	known := d.known.TLSA[w.Name]
	t = TLSA{Facts: known.Facts, Withdrawn: d.known.withdrawn()}
	made = known.Config == w.Config
	half := false
	if d.has {
		t.Ends = d.current.Serving(d.want.KeyTypes).NotAfter()
	}
	keep := func(ours bool) {
		for _, text := range known.Facts.Published() {
			if !ours || known.made(text) {
				t.Ahead = append(t.Ahead, text)
			}
		}
	}
	chains := func(k *KnownCert, id string) [][]string {
		all, ok := known.Chains[id]
		switch v, held := k.Version(id); {
		case ok:
		case !held || v.Broken != "":
			keep(false) // its records can never be made
		default:
			made = false
		}
		return all
	}
	for _, c := range w.certs(d.want) {
		k := d.world.Known.Cert(c.Cert)
		ids, sure := c.serves(k)
		for _, id := range ids {
			t.Served = append(t.Served, chains(k, id)...)
		}
		t.Ahead = append(t.Ahead, known.of(c.left(k))...)
		if !sure {
			keep(true)
		}
		if k.Damage != "" || k.Newer {
			keep(false) // nobody knows what it serves
		}
		half = half || c.half(k)
		if c.Cert == d.want.Name {
			continue
		}
		for _, id := range c.waits(d.world) {
			t.Next = append(t.Next, chains(k, id)...)
		}
	}
	for _, id := range next {
		t.Next = append(t.Next, chains(d.known, id)...)
	}
	for _, key := range w.Ahead(d.world, d.want) {
		texts, ok := known.Keys[key]
		made = made && ok
		t.Ahead = append(t.Ahead, texts...)
	}
	if half && !known.ours() {
		t.Served = nil // the first of our records would have clients refuse a placeholder
	}
	return t, made
}

// addPublish adds a step that publishes a version, once the records of what it
// serves have reached every cache.
func (d *decision) addPublish(s Step) {
	for _, w := range d.want.TLSA {
		at, words := d.tlsaGate(w, s.Version)
		if at.After(d.now) {
			s.Reason.Words += "; " + words
			s.At = later(s.At, at)
		}
	}
	d.add(s)
}

// tlsaGate says from when on a version may be served without any client being
// shut out that goes by the records of a name. Where that is not known yet, it
// is a guess, and in words.
func (d *decision) tlsaGate(w WantedTLSA, version string) (at time.Time, words string) {
	t, made := d.tlsaOf(w, []string{version})
	// A neighbour's turn is its own affair.
	t.Next = d.known.TLSA[w.Name].Chains[version]
	if made && t.sameAsServed() {
		return d.now, "" // whatever caches hold, nobody is shut out who was not before
	}
	if at, ok := t.SwitchAt(); ok && made {
		return at, fmt.Sprintf("waits until %s for the TLSA records of %s to reach every cache", day(at), w.Name)
	}
	ttl := t.Facts.TTL
	if ttl <= 0 {
		ttl = tlsaGuess
	}
	from := later(d.now, d.tlsaWait(w))
	return from.Add(tlsaTTLs * ttl), fmt.Sprintf("waits for the TLSA records of %s to be published, and then to reach every cache", w.Name)
}

// sameAsServed reports whether each chain that is to be served has the records
// of one that is served already, as it has where its key stayed the same.
func (t TLSA) sameAsServed() bool {
	return !slices.ContainsFunc(t.Next, func(next []string) bool {
		return !slices.ContainsFunc(t.Served, func(served []string) bool { return slices.Equal(next, served) })
	})
}

// tlsaWait is when DNS is asked again after failures.
func (d *decision) tlsaWait(w WantedTLSA) time.Time {
	tries := d.known.TLSA[w.Name].Tries
	wait := tries.WaitsUntil(d.now)
	if most := later(tries.Last, tries.Ended).Add(tlsaMost); most.Before(wait) {
		return most
	}
	return wait
}

// tlsa looks at DNS, and has what differs there published.
func (d *decision) tlsa() {
	if d.known.Damage != "" {
		return
	}
	next, publishes := d.waiting()
	if !d.has && len(next) == 0 && !d.known.withdrawn() {
		return // nothing is served, and nothing is about to be
	}
	for _, w := range d.want.TLSA {
		step := d.tlsaStep(w, next)
		if step.Kind == KindLookTLSA && publishes {
			d.addFirst(step)
		} else {
			d.add(step)
		}
	}
}

// waiting are the versions that are about to be published: by a step, with other
// key types, or after the switch of keys.
func (d *decision) waiting() (next []string, publishes bool) {
	for _, s := range d.own() {
		if s.Kind == KindPublish {
			next, publishes = append(next, s.Version), true
		}
	}
	if v, waits := d.ready(); waits && !publishes {
		next = append(next, v.ID)
	}
	if v := d.rolled(); d.keys.Rolling != nil && v.ID != d.known.Published && !slices.Contains(next, v.ID) {
		next = append(next, v.ID)
	}
	return next, publishes
}

// awaitTLSA puts the switch of keys off until the records of what it will have
// published have reached every cache. Certificates that are not there yet have
// nobody to shut out.
func (d *decision) awaitTLSA(s *Step) {
	v := d.rolled()
	if !d.has || v.ID == d.known.Published {
		return
	}
	for _, w := range d.want.TLSA {
		if at, words := d.tlsaGate(w, v.ID); at.After(d.now) {
			s.At = later(s.At, at)
			s.Reason.Words += "; " + words
		}
	}
}

// tlsaStep is what has to be done about a name.
func (d *decision) tlsaStep(w WantedTLSA, next []string) Step {
	facts, tries := d.known.TLSA[w.Name].Facts, d.known.TLSA[w.Name].Tries
	t, made := d.tlsaOf(w, next)
	records, differs := t.Set()
	sameTTL := w.TTL == 0 || len(records) == 0 || facts.TTL == w.TTL
	step := Step{Kind: KindLookTLSA, Name: w.Name, Urgent: d.urgent}
	switch {
	case !made:
		step.Reason = Reason{ReasonTLSA, "the records of a version are not made yet"}
		return step
	case facts.Seen.IsZero() || ahead(facts.Seen, d.now):
		step.Reason = Reason{ReasonTLSA, "nobody has looked at DNS yet"}
	case differs || !sameTTL:
		step.Kind, step.Records = KindTLSA, records
		step.Reason = Reason{ReasonTLSA, tlsaWords(facts.Published(), records)}
	default:
		step.At = facts.Seen.Add(tlsaEvery)
		for _, id := range next {
			// Once more before what waits for it is published.
			if at, _ := d.tlsaGate(w, id); at.After(facts.Seen) && at.Before(step.At) {
				step.At = at
			}
		}
		step.Reason = Reason{ReasonRoutine, "DNS may have been changed by somebody else"}
	}
	if d.asked(AskApply, facts.Seen) && step.Kind == KindLookTLSA {
		step.At, step.Asked = d.now, true
	}
	if d.skipsBackoff(tries) && (tries.Count > 0 || step.Kind == KindTLSA) {
		step.Asked = true
	} else if wait := d.tlsaWait(w); wait.After(step.At) {
		step.At = wait
		step.Reason.Words += fmt.Sprintf("; waits after %s", failures(tries.Count))
	}
	return step
}

// tlsaWords says how a set is to change.
func tlsaWords(now, records []string) string {
	var words []string
	if n := len(without(records, now)); n > 0 {
		words = append(words, fmt.Sprintf("%d to add", n))
	}
	if n := len(without(now, records)); n > 0 {
		words = append(words, fmt.Sprintf("%d to remove", n))
	}
	if len(words) == 0 {
		return "their TTL is to change"
	}
	return "records differ from what is wanted: " + strings.Join(words, ", ")
}

// tlsa tells of records that cannot be looked at, changed or made.
func (d *diagnosis) tlsa() {
	dec := decision{now: d.now, world: d.world}
	dec.take(d.want)
	for _, w := range d.want.TLSA {
		known := d.known.TLSA[w.Name]
		if tries := known.Tries; tries.Count > 0 && tries.Fault != nil {
			words := tries.Fault.Words
			if _, waits := dec.ready(); waits {
				words += "; a new certificate waits for it"
			}
			d.add(tries.Fault.Code, "", words, tries.Fault.Detail, tries.Fault.At)
		}
		if !dec.has {
			continue
		}
		t, made := dec.tlsaOf(w, nil)
		if records, _ := t.Set(); made && len(records) == 0 && len(t.Served) > 0 {
			d.add(CodeTLSANone, "", fmt.Sprintf("no TLSA records of %s can be made that fit every certificate served there", w.Name), nil, time.Time{})
		}
	}
}

// TLSARecords are the records that have to stand at a name now; ok is false
// before they are known.
func TLSARecords(now time.Time, w World, want WantedCert, name string) (records []string, ok bool) {
	d := decision{now: now, world: w}
	d.take(want)
	i := slices.IndexFunc(want.TLSA, func(t WantedTLSA) bool { return t.Name == name })
	if i < 0 || d.known.Damage != "" || d.known.Newer {
		return nil, false
	}
	d.obtain()
	next, _ := d.waiting()
	t, made := d.tlsaOf(want.TLSA[i], next)
	if len(t.Served)+len(t.Next) == 0 {
		return nil, false
	}
	records, _ = t.Set()
	return records, made
}
