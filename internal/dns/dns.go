// Package dns writes and checks DNS records, without any provider's API: by
// dynamic update (RFC 2136), by a program of the administrator, or by files
// from which such a program makes zones.
//
// NewRFC2136, NewProgram and NewZoneFile make a Writer, the first two of them a
// Replacer of whole sets; a Resolver finds aliases, zones and authoritative
// servers, and says which of them lack a record or set. Whoever writes
// a record asks Resolver.Alias first: a server accepts an addition to a name
// that owns a CNAME and silently ignores it (RFC 2136 section 3.4.2.2).
//
// It promises to add and remove exact values, so that others may share the
// name; to end in bounded time; and to take nothing for granted that came
// from a server.
package dns

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/certkeep/certkeep/internal/plan"
)

// DefaultTTL is for records that live only minutes.
const DefaultTTL = time.Minute

// Record is one resource record. Class is always IN.
type Record struct {
	Name  string        // in ASCII; a trailing dot makes no difference
	Type  string        // "TXT", "TLSA", …
	Value string        // a TXT record's text as it is; otherwise presentation form
	TTL   time.Duration // zero is DefaultTTL
	// Subject is the name that a challenge's record proves, with "*." where
	// it is a wildcard's. Only ZoneFile needs it: Name does not tell them apart.
	Subject string
}

// Writer changes records. Both methods may be repeated: adding what is there
// and removing what is not are no errors. Errors are *Error with
// plan.CodeDNSUpdate.
type Writer interface {
	// Add adds the value to those that the name already has.
	Add(ctx context.Context, r Record) error
	// Remove takes away this value and leaves the name's others.
	Remove(ctx context.Context, r Record) error
}

// Error is a failure to write or check records. A person mends it: DNS, its
// servers and their keys belong to the administrator.
type Error struct {
	Op   string // what was being done
	Code plan.Code
	Err  error
	Hint string // what to do about it; "" where Err says it all
}

func (e *Error) Error() string {
	text := e.Op + ": " + e.Err.Error()
	if e.Hint != "" {
		text += "; " + e.Hint
	}
	return text
}

func (e *Error) Unwrap() error { return e.Err }

// seconds is the TTL on the wire.
func (r Record) seconds() uint32 {
	ttl := r.TTL
	if ttl <= 0 {
		ttl = DefaultTTL
	}
	return uint32(min(ttl, 24*time.Hour) / time.Second)
}

// resource turns r into its wire form.
func (r Record) resource() (dns.RR, error) {
	name, err := canonical(r.Name)
	if err != nil {
		return nil, err
	}
	if r.Type == "TXT" {
		header := dns.RR_Header{Name: name, Rrtype: dns.TypeTXT, Class: dns.ClassINET, Ttl: r.seconds()}
		return &dns.TXT{Hdr: header, Txt: textStrings(r.Value)}, nil
	}
	if strings.ContainsFunc(r.Type+r.Value, func(c rune) bool { return c < ' ' || c == 0x7f }) {
		return nil, fmt.Errorf("the %q record of %s has a control character in it", r.Type, r.Name)
	}
	rr, err := dns.NewRR(fmt.Sprintf("%s %d IN %s %s", name, r.seconds(), r.Type, r.Value))
	if err != nil {
		return nil, fmt.Errorf("read the %q record of %s: %w", r.Type, r.Name, err)
	}
	if rr == nil {
		return nil, fmt.Errorf("the %q record of %s is empty", r.Type, r.Name)
	}
	return rr, nil
}

// in reports whether r's value is among records of the wire.
func (r Record) in(answers []dns.RR) (bool, error) {
	want, err := r.resource()
	if err != nil {
		return false, err
	}
	value, err := valueOf(want)
	if err != nil {
		return false, err
	}
	for _, got := range answers {
		a, b := want.Header(), got.Header()
		if a.Rrtype != b.Rrtype || a.Class != b.Class || !strings.EqualFold(a.Name, b.Name) {
			continue
		}
		// However a server cuts text into strings, and in whatever case
		// hex digits and names are written.
		if shown, err := valueOf(got); err == nil && shown == value || dns.IsDuplicate(want, got) {
			return true, nil
		}
	}
	return false, nil
}

// textStrings cuts text into the strings of a TXT record, at most 255 bytes
// each (RFC 1035 section 3.3.14), escaped as the wire library wants them.
func textStrings(text string) []string {
	var parts []string
	for len(text) > 255 {
		parts = append(parts, escapeText(text[:255]))
		text = text[255:]
	}
	return append(parts, escapeText(text))
}

func escapeText(text string) string {
	var b strings.Builder
	for i := range len(text) {
		switch c := text[i]; {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < ' ' || c > '~':
			fmt.Fprintf(&b, "\\%03d", c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

var errName = errors.New("not a usable DNS name")

// canonical returns the name in lower case with a trailing dot. Only letters,
// digits, "-" and "_" are taken: names also come out of foreign CNAMEs and go
// into the environment of an administrator's program.
func canonical(name string) (string, error) {
	name = strings.ToLower(dns.Fqdn(name))
	_, ok := dns.IsDomainName(name)
	strange := strings.ContainsFunc(name, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.'
	})
	if !ok || strange || name == "." {
		return "", fmt.Errorf("%q: %w", name, errName)
	}
	return name, nil
}

// parent returns the name without its first label; "." ends it.
func parent(name string) string {
	if i := strings.IndexByte(name, '.'); i >= 0 && i+1 < len(name) {
		return name[i+1:]
	}
	return "."
}

// plain is the form for people and programs: no trailing dot.
func plain(name string) string { return strings.TrimSuffix(name, ".") }
