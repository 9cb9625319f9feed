package plan

import (
	"slices"
	"strings"
	"time"
)

// A TLSA record is here a text as package dane writes it: usage, selector,
// matching type and data, one blank between each. The first three make its
// combination. A client that supports some combination refuses a chain that
// none of its records matches, and goes by what a cache says. Hence the two
// rules of RFC 7671 section 8.4: each combination that a cache may hold has a
// record of whatever is served, and one is published long before.

// TLSAFacts is what is known of the records of one name, as every
// authoritative server shows them.
type TLSAFacts struct {
	Seen    time.Time     `json:"seen,omitzero"`  // when they were looked at last
	TTL     time.Duration `json:"ttl,omitempty"`  // of the records then
	Stale   time.Time     `json:"stale,omitzero"` // until then a cache may hold others than are published
	Records []TLSARecord  `json:"records,omitempty"`
}

// TLSARecord is one record of a name.
type TLSARecord struct {
	Text string    `json:"text"`
	From time.Time `json:"from"`          // from then on every cache has it that has any
	Gone time.Time `json:"gone,omitzero"` // from then on no cache has it; zero: it is published
}

const (
	// tlsaTTLs is how many times its TTL a set stays in caches after it was
	// replaced: once, and once more for servers and clients that lag (RFC 7671
	// section 8.1).
	tlsaTTLs = 2
	// maxTLSATTL bounds what is believed of a TTL that others set. Resolvers
	// keep nothing for longer.
	maxTLSATTL = 7 * 24 * time.Hour
)

// See returns the facts after a look at which every authoritative server
// showed exactly these records; none: the name has no set.
func (f TLSAFacts) See(now time.Time, shown []string, ttl time.Duration) TLSAFacts {
	ttl = min(max(ttl, 0), maxTLSATTL)
	if ahead(f.Seen, now) {
		f = TLSAFacts{} // the clock was set back since
	}
	if len(shown) == 0 {
		ttl = 0 // a cache that knows of no records shuts nobody out
	}
	before := f.TTL
	if f.Seen.IsZero() {
		before = ttl // nobody knows since when they are there
	}
	next := TLSAFacts{Seen: now, TTL: ttl, Stale: f.Stale}
	if changed := ttl != f.TTL || !f.published(shown); changed {
		next.Stale = later(f.Stale, now.Add(tlsaTTLs*before))
	}
	for _, text := range slices.Compact(slices.Sorted(slices.Values(shown))) {
		r := TLSARecord{Text: text, From: later(now, next.Stale)}
		if i := slices.IndexFunc(f.Records, func(old TLSARecord) bool { return old.Text == text && old.Gone.IsZero() }); i >= 0 {
			r = f.Records[i]
		}
		next.Records = append(next.Records, r)
	}
	for _, old := range f.Records {
		if old.Gone.IsZero() {
			old.Gone = later(now, next.Stale)
		}
		if !slices.Contains(shown, old.Text) && old.Gone.After(now) {
			next.Records = append(next.Records, old)
		}
	}
	return next
}

// Published is the records that were published at the last look.
func (f TLSAFacts) Published() []string {
	var texts []string
	for _, r := range f.Records {
		if r.Gone.IsZero() {
			texts = append(texts, r.Text)
		}
	}
	return texts
}

// published reports whether exactly these texts are.
func (f TLSAFacts) published(texts []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(f.Published())), slices.Compact(slices.Sorted(slices.Values(texts))))
}

// TLSA is the records of one name beside what is served there, and what is to
// be. A chain stands here as the records that match it, one list for each: the
// key types of a version, and the versions that some node still serves.
type TLSA struct {
	Facts  TLSAFacts
	Served [][]string // what is served now; none: nobody knows
	Next   [][]string // what is to be served instead; none: nothing is
	Ahead  []string   // of keys that are kept ready, or still wanted
	// Withdrawn is set where what was served was withdrawn: then nothing is, and
	// nobody who asks in vain is to be told what to expect.
	Withdrawn bool
	// Ends is when the first of what is served ends; zero: it does not count.
	Ends time.Time
}

// Set returns the records that have to be published now, sorted, and whether
// others are. It is all that is served, all that is to be, and what is kept
// ready; whatever else was published is retired. Nobody may go by it before
// the first look at DNS.
//
// A combination of which some chain has no record is left out: who supports it
// would refuse that chain.
func (t TLSA) Set() (records []string, differs bool) {
	all := slices.Concat(slices.Concat(t.Served...), slices.Concat(t.Next...), t.Ahead)
	switch {
	case len(t.Served) == 0 && t.Withdrawn:
		all = nil
	case len(t.Served) == 0:
		all = t.blind()
	}
	all = slices.DeleteFunc(all, func(text string) bool { return !everyHas(t.Served, text) || !everyHas(t.Next, text) })
	all = slices.Compact(slices.Sorted(slices.Values(all)))
	return all, !t.Facts.published(all)
}

// blind is what may be published while nobody knows what is served: what is
// published, since it may match, and what is to be served in the same
// combinations. A new one would shut out the clients of whatever is there.
func (t TLSA) blind() []string {
	all := t.Facts.Published()
	for _, text := range slices.Concat(t.Next...) {
		if slices.ContainsFunc(all, func(other string) bool { return combination(other) == combination(text) }) {
			all = append(all, text)
		}
	}
	return all
}

// everyHas reports whether every chain has a record of text's combination.
func everyHas(chains [][]string, text string) bool {
	for _, chain := range chains {
		if !slices.ContainsFunc(chain, func(other string) bool { return combination(other) == combination(text) }) {
			return false
		}
	}
	return true
}

// combination is the three numbers of a record.
func combination(text string) string {
	return text[:max(strings.LastIndexByte(text, ' '), 0)]
}

// SwitchAt returns from when on Next may be served. It is not known (ok is
// false) before DNS was looked at, and before the set that Set returns is
// published.
//
// The end of what is served comes first only where it shuts out everybody
// anyway: with DANE-EE no client looks at it (RFC 7671 section 5.1), and a
// chain that has ended is better than one that no record matches.
func (t TLSA) SwitchAt() (at time.Time, ok bool) {
	at, ok = t.clear()
	if !t.Ends.IsZero() && t.looksAtExpiry() && (!ok || at.After(t.Ends)) {
		return t.Ends, true
	}
	return at, ok
}

// clear is SwitchAt without a look at the end of what is served.
func (t TLSA) clear() (at time.Time, ok bool) {
	if t.Facts.Seen.IsZero() && len(t.Next) > 0 {
		return time.Time{}, false
	}
	for _, chain := range t.Next {
		for _, r := range t.Facts.Records {
			from, ok := t.Facts.clear(combination(r.Text), chain)
			if !ok {
				return time.Time{}, false
			}
			at = later(at, from)
		}
	}
	return at, true
}

// clear returns from when on no cache has records of the combination without
// one of the chain's among them.
func (f TLSAFacts) clear(combo string, chain []string) (at time.Time, ok bool) {
	var first, last time.Time
	var beside TLSARecord // a record of the chain that was published as long as any
	published, matched := false, false
	for _, r := range f.Records {
		switch {
		case combination(r.Text) != combo:
		case !r.Gone.IsZero():
			if longer := r.Gone.After(last); longer || r.Gone.Equal(last) && beside.Text == "" {
				if beside = (TLSARecord{}); slices.Contains(chain, r.Text) {
					beside = r
				}
			}
			last = later(last, r.Gone)
		case slices.Contains(chain, r.Text):
			if !matched || r.From.Before(first) {
				first = r.From
			}
			matched = true
		default:
			published = true
		}
	}
	switch {
	case matched:
		return first, true
	case !published && beside.Text != "":
		return beside.From, true // whoever has some record of the set that is gone has this one
	}
	return last, !published
}

// looksAtExpiry reports whether every client that uses one of the records
// refuses what has ended: none is of DANE-EE.
func (t TLSA) looksAtExpiry() bool {
	all := slices.Concat(slices.Concat(t.Served...), slices.Concat(t.Next...))
	for _, r := range t.Facts.Records {
		if r.Gone.IsZero() || r.Gone.After(t.Ends) {
			all = append(all, r.Text)
		}
	}
	return !slices.ContainsFunc(all, func(text string) bool { return strings.HasPrefix(text, "3 ") })
}
