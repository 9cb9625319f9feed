package dns

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// Set is all records of one name and type. Class is always IN.
type Set struct {
	Name   string        // in ASCII; a trailing dot makes no difference
	Type   string        // "TLSA", "TXT", …
	Values []string      // as Record.Value, in any order; none: there are no such records
	TTL    time.Duration // zero is DefaultTTL
}

// Replacer is a Writer that can make a set what it should be, as a whole.
type Replacer interface {
	// Replace makes every set exactly what it says, and touches no other. It
	// asks first, and changes nothing where nothing differs. It returns those
	// that it changed, also beside an error: one that fails keeps no other
	// zone's from being tried. Errors are *Error with plan.CodeDNSUpdate.
	Replace(ctx context.Context, sets ...Set) (changed []Set, err error)
}

var (
	_ Replacer = (*RFC2136)(nil)
	_ Replacer = (*Program)(nil)
)

// records are the set's records, each once.
func (s Set) records() []Record {
	var records []Record
	for _, value := range slices.Compact(slices.Sorted(slices.Values(s.Values))) {
		records = append(records, Record{Name: s.Name, Type: s.Type, Value: value, TTL: s.TTL})
	}
	return records
}

// wire is the set in its wire form: the canonical name, the type, the records.
func (s Set) wire() (name string, kind uint16, rrs []dns.RR, err error) {
	name, err = canonical(s.Name)
	if err != nil {
		return "", 0, nil, err
	}
	kind, known := dns.StringToType[s.Type]
	if !known {
		return "", 0, nil, fmt.Errorf("%q is no type of DNS records", s.Type)
	}
	for _, r := range s.records() {
		rr, err := r.resource()
		if err != nil {
			return "", 0, nil, err
		}
		rrs = append(rrs, rr)
	}
	return name, kind, rrs, nil
}

// same reports whether both have the same values, whatever their TTL and
// order are.
func (s Set) same(other Set) (bool, error) {
	a, err := s.canonicalValues()
	if err != nil {
		return false, err
	}
	b, err := other.canonicalValues()
	return slices.Equal(a, b), err
}

// canonicalValues are the values as a server would send them, sorted.
func (s Set) canonicalValues() ([]string, error) {
	_, _, rrs, err := s.wire()
	if err != nil {
		return nil, err
	}
	var values []string
	for _, rr := range rrs {
		value, err := valueOf(rr)
		if err != nil {
			return nil, err
		}
		values = append(values, value)
	}
	return slices.Compact(slices.Sorted(slices.Values(values))), nil
}

// valueOf is the inverse of Record.resource: a TXT record's text, and the
// presentation form of others as it comes out of a message.
func valueOf(rr dns.RR) (string, error) {
	if txt, ok := rr.(*dns.TXT); ok {
		return unescapeText(strings.Join(txt.Txt, "")), nil
	}
	buffer := make([]byte, dns.Len(rr)+1)
	n, err := dns.PackRR(rr, buffer, 0, nil, false)
	if err != nil {
		return "", fmt.Errorf("write the %s record of %s: %w", dns.TypeToString[rr.Header().Rrtype], plain(rr.Header().Name), err)
	}
	read, _, err := dns.UnpackRR(buffer[:n], 0)
	if err != nil {
		return "", fmt.Errorf("read the %s record of %s: %w", dns.TypeToString[rr.Header().Rrtype], plain(rr.Header().Name), err)
	}
	return strings.TrimPrefix(read.String(), read.Header().String()), nil
}

// unescapeText takes escapeText's escapes away (RFC 1035 section 5.1).
func unescapeText(text string) string {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c == '\\' && i+1 < len(text) {
			i++
			c = text[i]
			if i+2 < len(text) && digits(text[i:i+3]) {
				c = (text[i]-'0')*100 + (text[i+1]-'0')*10 + text[i+2] - '0'
				i += 2
			}
		}
		b.WriteByte(c)
	}
	return b.String()
}

func digits(text string) bool {
	return !strings.ContainsFunc(text, func(c rune) bool { return c < '0' || c > '9' })
}

// Look asks one authoritative server what it has of a name and type. The name
// is not followed where it is an alias: ask Alias first.
func (r Resolver) Look(ctx context.Context, server Nameserver, name, kind string) (Set, error) {
	return r.look(ctx, server.Address, Set{Name: name, Type: kind}, nil)
}

// look reads the set that stands in the place of want.
func (r Resolver) look(ctx context.Context, address string, want Set, key *TSIG) (Set, error) {
	name, kind, _, err := want.wire()
	if err != nil {
		return Set{}, err
	}
	m := new(dns.Msg)
	m.SetQuestion(name, kind)
	m.RecursionDesired = false
	m.SetEdns0(udpSize, false)
	answer, err := r.exchange(ctx, address, m, key)
	if err != nil {
		return Set{}, err
	}
	if !answer.Authoritative {
		return Set{}, errNotAuthoritative
	}
	found := Set{Name: want.Name, Type: want.Type}
	for _, rr := range answer.Answer {
		if h := rr.Header(); h.Rrtype != kind || h.Class != dns.ClassINET || !strings.EqualFold(h.Name, name) {
			continue
		}
		value, err := valueOf(rr)
		if err != nil {
			return Set{}, err
		}
		found.Values = append(found.Values, value)
		found.TTL = time.Duration(rr.Header().Ttl) * time.Second
	}
	slices.Sort(found.Values)
	return found, nil
}

// Differing asks all servers at the same time and returns those that show
// another set than this one, which may be empty. TTLs are not compared. As
// with Lacking, an address without a route does not count.
func (r Resolver) Differing(ctx context.Context, servers []Nameserver, set Set) []Lack {
	return survey(servers, func(address string) (bool, []string, error) {
		found, err := r.look(ctx, address, set, nil)
		if err != nil {
			return false, nil, err
		}
		same, err := set.same(found)
		return same, found.Values, err
	})
}

// inOneLine joins errors with "; ", or returns nil for none.
func inOneLine(errs []error) error {
	var joined error
	for _, err := range errs {
		if joined == nil {
			joined = err
			continue
		}
		joined = fmt.Errorf("%w; %w", joined, err)
	}
	return joined
}
