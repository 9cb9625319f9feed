package sim

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// stood is a set of TLSA records with the time in which it stood in the zone.
type stood struct {
	records []string // sorted
	ttl     time.Duration
	until   time.Time // zero: it stands there now
}

// updateTLSA is RFC 2136 section 3.4.2, as far as TLSA records go. It returns
// the names whose sets changed. The caller holds mu.
func (z *zone) updateTLSA(m *dns.Msg) []string {
	sets := map[string]stood{}
	for _, rr := range m.Ns {
		head := rr.Header()
		if head.Rrtype != dns.TypeTLSA {
			continue
		}
		name := strings.ToLower(strings.TrimSuffix(head.Name, "."))
		set, ok := sets[name]
		if !ok {
			set = z.current(name)
			set.records = slices.Clone(set.records)
		}
		record, isRecord := rr.(*dns.TLSA)
		switch {
		case head.Class == dns.ClassANY:
			set.records = nil
		case isRecord && head.Class == dns.ClassINET:
			text := fmt.Sprintf("%d %d %d %s", record.Usage, record.Selector, record.MatchingType, strings.ToLower(record.Certificate))
			set.records, set.ttl = append(set.records, text), time.Duration(head.Ttl)*time.Second
		}
		sets[name] = set
	}
	var changed []string
	for name, set := range sets {
		if z.stand(name, set) {
			changed = append(changed, name)
		}
	}
	slices.Sort(changed)
	return changed
}

// stand puts a set in the place of the one before. It reports whether that was
// another one. The caller holds mu.
func (z *zone) stand(name string, set stood) bool {
	slices.Sort(set.records)
	set.records = slices.Compact(set.records)
	all, now := z.tlsa[name], z.now()
	if slices.Equal(z.current(name).records, set.records) && z.current(name).ttl == set.ttl {
		return false
	}
	if n := len(all); n > 0 {
		all[n-1].until = now
	}
	all = slices.DeleteFunc(all, func(s stood) bool { return !s.until.IsZero() && s.until.Add(s.ttl).Before(now) })
	set.until = time.Time{}
	z.tlsa[name] = append(all, set)
	return true
}

// current is the set that stands at a name now. The caller holds mu.
func (z *zone) current(name string) stood {
	if all := z.tlsa[name]; len(all) > 0 {
		return all[len(all)-1]
	}
	return stood{}
}

// caches are the sets that the cache of some resolver may have now: the one
// that stands there, and those that did less than their TTL ago.
func (z *zone) caches(name string) []stood {
	z.mu.Lock()
	defer z.mu.Unlock()
	now := z.now()
	var all []stood
	for _, s := range z.tlsa[name] {
		if s.until.IsZero() || s.until.Add(s.ttl).After(now) {
			all = append(all, s)
		}
	}
	return all
}

// records is what stands at a name now.
func (z *zone) records(name string) []string {
	z.mu.Lock()
	defer z.mu.Unlock()
	return slices.Clone(z.current(name).records)
}

// meddle adds a record as somebody else does, where there are some.
func (z *zone) meddle(name, text string) {
	z.mu.Lock()
	defer z.mu.Unlock()
	if set := z.current(name); len(set.records) > 0 {
		set.records = append(slices.Clone(set.records), text)
		z.stand(name, set)
	}
}

// tlsaAnswer is a set as it goes over the wire. The caller holds mu.
func (z *zone) tlsaAnswer(name string) []dns.RR {
	set := z.current(strings.TrimSuffix(name, "."))
	var all []dns.RR
	for _, text := range set.records {
		record := &dns.TLSA{Hdr: dns.RR_Header{Name: name, Rrtype: dns.TypeTLSA, Class: dns.ClassINET, Ttl: uint32(set.ttl / time.Second)}}
		if _, err := fmt.Sscanf(text, "%d %d %d %s", &record.Usage, &record.Selector, &record.MatchingType, &record.Certificate); err != nil {
			panic(fmt.Sprintf("the TLSA record %q: %v", text, err))
		}
		if _, err := hex.DecodeString(record.Certificate); err != nil {
			panic(fmt.Sprintf("the TLSA record %q: %v", text, err))
		}
		all = append(all, record)
	}
	return all
}
