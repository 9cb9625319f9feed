package dns

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/certkeep/certkeep/internal/plan"
)

// RFC2136 writes records by dynamic update. Make it with NewRFC2136.
type RFC2136 struct {
	server   string
	key      *TSIG
	zones    []string // canonical
	timeout  time.Duration
	resolver Resolver
}

// RFC2136Config says how to reach a zone's primary server.
type RFC2136Config struct {
	// Server takes the updates, as "host:port"; the port may be left out.
	// "" is the primary server that the zone's SOA record names.
	Server string
	// TSIG signs updates; nil where the server goes by addresses.
	TSIG *TSIG
	// Zones are those that may be written, the longest that fits counts. Names
	// outside them, and all names where there are none, lie in the zone that
	// DNS itself says.
	Zones    []string
	Timeout  time.Duration // of one change in all; zero is 30 seconds
	Resolver Resolver
}

// updateTime is RFC2136Config.Timeout where it is zero.
const updateTime = 30 * time.Second

// NewRFC2136 checks the config. It contacts nobody.
func NewRFC2136(c RFC2136Config) (*RFC2136, error) {
	u := &RFC2136{key: c.TSIG, timeout: c.Timeout, resolver: c.Resolver}
	if u.timeout <= 0 {
		u.timeout = updateTime
	}
	if c.Server != "" {
		u.server = withPort(c.Server)
	}
	zones, err := canonicalZones(c.Zones)
	u.zones = zones
	return u, err
}

// Add implements Writer.
func (u *RFC2136) Add(ctx context.Context, r Record) error {
	return u.change(ctx, "add", r, func(m *dns.Msg, rr dns.RR) {
		noAlias(m, rr.Header().Name)
		m.Insert([]dns.RR{rr})
	})
}

// noAlias has the server refuse the update where name owns a CNAME: without
// this condition it would ignore the addition with a smile (RFC 2136 section
// 3.4.2.2).
func noAlias(m *dns.Msg, name string) {
	m.RRsetNotUsed([]dns.RR{&dns.CNAME{Hdr: dns.RR_Header{Name: name, Rrtype: dns.TypeCNAME}}})
}

// Remove implements Writer.
func (u *RFC2136) Remove(ctx context.Context, r Record) error {
	return u.change(ctx, "remove", r, func(m *dns.Msg, rr dns.RR) { m.Remove([]dns.RR{rr}) })
}

func (u *RFC2136) change(ctx context.Context, verb string, r Record, fill func(*dns.Msg, dns.RR)) error {
	op := fmt.Sprintf("%s the %s record of %s", verb, r.Type, plain(r.Name))
	rr, err := r.resource()
	if err != nil {
		return &Error{Op: op, Code: plan.CodeDNSUpdate, Err: err}
	}
	ctx, cancel := context.WithTimeout(ctx, u.timeout)
	defer cancel()
	zone, servers, err := u.locate(ctx, rr.Header().Name)
	if err != nil {
		return &Error{Op: op, Code: plan.CodeDNSUpdate, Err: err, Hint: u.hint(err, "")}
	}
	op += " in the zone " + plain(zone)
	m := new(dns.Msg)
	m.SetUpdate(zone)
	fill(m, rr)
	err = u.ask(ctx, servers, func(server string) error {
		_, err := u.resolver.exchange(ctx, server, m, u.key)
		return err
	})
	if err != nil {
		return &Error{Op: op, Code: plan.CodeDNSUpdate, Err: err, Hint: u.hint(err, zone)}
	}
	return nil
}

// Look asks the server that takes the updates of name for the SOA record of its
// zone, signed as updates are, and returns the zone's name. Nothing is changed.
func (u *RFC2136) Look(ctx context.Context, name string) (zone string, err error) {
	op := "ask the server of updates for the zone of " + plain(name)
	name, err = canonical(name)
	if err != nil {
		return "", &Error{Op: op, Code: plan.CodeDNSUpdate, Err: err}
	}
	ctx, cancel := context.WithTimeout(ctx, u.timeout)
	defer cancel()
	found, err := u.discover(ctx, name)
	if err == nil && u.server == "" {
		err = u.lookAtPrimary(ctx, found)
	}
	if err != nil {
		return "", &Error{Op: op, Code: plan.CodeDNSUpdate, Err: err, Hint: u.hint(err, found.Name)}
	}
	return plain(found.Name), nil
}

// lookAtPrimary asks the primary server that a resolver named.
func (u *RFC2136) lookAtPrimary(ctx context.Context, z Zone) error {
	servers, err := u.resolver.addresses(ctx, z.Primary)
	if err != nil {
		return fmt.Errorf("find the primary server of the zone %s: %w", plain(z.Name), err)
	}
	m := new(dns.Msg)
	m.SetQuestion(z.Name, dns.TypeSOA)
	m.RecursionDesired = false
	return u.ask(ctx, servers, func(server string) error {
		_, err := u.resolver.exchange(ctx, server, m, u.key)
		return err
	})
}

// ask asks the addresses of one server in turn, until one gives an answer.
func (u *RFC2136) ask(ctx context.Context, servers []string, question func(server string) error) error {
	var err error
	for _, server := range servers {
		if err = question(server); err == nil {
			return nil
		}
		if _, refused := errors.AsType[*Refusal](err); refused || ctx.Err() != nil {
			break // another address of the same server knows no better
		}
	}
	return err
}

// locate returns the zone to update and the addresses of the server to ask.
func (u *RFC2136) locate(ctx context.Context, name string) (zone string, servers []string, err error) {
	found, err := u.discover(ctx, name)
	configured := longest(u.zones, name)
	switch {
	case err != nil && (configured == "" || u.server == "" || isTSIG(err)):
		return "", nil, err
	case err != nil || configured != "" && dns.IsSubDomain(found.Name, configured):
		zone = configured // the administrator knows of a zone that is not to be seen from here
	case configured != "":
		return "", nil, fmt.Errorf("%s lies in the zone %s: %w", plain(name), plain(found.Name), errZoneUnlisted)
	default:
		zone = found.Name
	}
	if u.server != "" {
		return zone, []string{u.server}, nil
	}
	servers, err = u.resolver.addresses(ctx, found.Primary)
	if err != nil {
		return "", nil, fmt.Errorf("find the primary server of the zone %s: %w", plain(found.Name), err)
	}
	return zone, servers, nil
}

var errZoneUnlisted = errors.New("it is a zone of its own, and not listed in zones")

// discover finds the zone of name at the configured server, which knows best,
// or else by the resolver.
func (u *RFC2136) discover(ctx context.Context, name string) (Zone, error) {
	if u.server == "" {
		return u.resolver.Zone(ctx, name)
	}
	return findZone(name, func(name string) (*dns.Msg, error) {
		m := new(dns.Msg)
		m.SetQuestion(name, dns.TypeSOA)
		m.RecursionDesired = false
		return u.resolver.exchange(ctx, u.server, m, u.key)
	})
}

// hint says what a person can do about a refusal.
func (u *RFC2136) hint(err error, zone string) string {
	key := "updates that are not signed"
	if u.key != nil {
		key = "the key " + u.key.String()
	}
	if errors.Is(err, errZoneUnlisted) {
		return "add it to zones, or leave zones out"
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return "check the server's address and the firewall (port 53, UDP and TCP)"
	}
	refusal, ok := errors.AsType[*Refusal](err)
	if !ok {
		return ""
	}
	switch {
	case refusal.TSIG == "BADTIME":
		return "the clocks of this machine and the server differ by more than 5 minutes"
	case refusal.TSIG != "":
		return fmt.Sprintf("the server does not know %s with this secret and algorithm: compare its key file with ours", key)
	case refusal.Rcode == "NOTAUTH" || refusal.Rcode == "NOTZONE":
		return fmt.Sprintf("the server is not the primary of the zone %s: correct server or zones", plain(zone))
	case refusal.Rcode == "REFUSED":
		return fmt.Sprintf("the server's policy refuses this to %s: allow it there (BIND: update-policy or allow-update)", key)
	case refusal.Rcode == "YXRRSET":
		return "the server has a CNAME at this name that the resolver did not show: set resolver to one that sees it"
	case refusal.Rcode == "NOTIMP":
		return "the server takes no dynamic updates"
	case refusal.Rcode == "SERVFAIL":
		return "look into the server's log: often it cannot write the zone's journal"
	}
	return ""
}

func isTSIG(err error) bool {
	refusal, ok := errors.AsType[*Refusal](err)
	return ok && refusal.TSIG != ""
}

func canonicalZones(names []string) ([]string, error) {
	var zones []string
	for _, name := range names {
		zone, err := canonical(name)
		if err != nil {
			return nil, fmt.Errorf("zone %w", err)
		}
		zones = append(zones, zone)
	}
	return zones, nil
}

// longest returns the longest zone that name lies in, or "".
func longest(zones []string, name string) string {
	best := ""
	for _, zone := range zones {
		if dns.IsSubDomain(zone, name) && strings.Count(zone, ".") > strings.Count(best, ".") {
			best = zone
		}
	}
	return best
}
