package dns

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"github.com/certkeep/certkeep/internal/network"
)

const (
	resolvConf = "/etc/resolv.conf"
	maxAliases = 8
)

// Resolver asks DNS servers. The zero value asks those of /etc/resolv.conf,
// read at every use, and finds authoritative servers by itself.
type Resolver struct {
	// Servers are recursive resolvers, or servers that are authoritative for
	// all that matters, as "host:port"; the port may be left out.
	Servers []string
	// Nameservers, if set, are the servers that have to show a record, in
	// place of the zone's NS records: where the public ones are not reachable
	// from here, or a hidden one matters.
	Nameservers []string
	// Network is how servers are reached; nil is the machine's.
	Network network.Network
}

func (r Resolver) network() network.Network {
	if r.Network == nil {
		return network.OS{}
	}
	return r.Network
}

// Zone is a zone and its primary server, as its SOA record names them.
type Zone struct {
	Name    string // with a trailing dot
	Primary string // host name with a trailing dot
}

// errNoServer is every server's failure to answer.
var errNoServer = errors.New("no DNS server gave an answer")

// ask asks the servers, one after another, until one answers with something
// other than a refusal.
func (r Resolver) ask(ctx context.Context, name string, kind uint16) (*dns.Msg, error) {
	servers, err := r.servers()
	if err != nil {
		return nil, err
	}
	m := new(dns.Msg)
	m.SetQuestion(name, kind)
	m.SetEdns0(udpSize, false)
	failures := []error{fmt.Errorf("look up %s of %s: %w", dns.TypeToString[kind], plain(name), errNoServer)}
	for _, server := range servers {
		answer, err := r.exchange(ctx, server, m, nil)
		if err == nil {
			return answer, nil
		}
		failures = append(failures, err)
		if ctx.Err() != nil {
			break
		}
	}
	return nil, oneLine(failures)
}

// oneLine joins errors with ": " and "; ", as errors.Join would with newlines.
func oneLine(errs []error) error {
	joined := errs[0]
	for i, err := range errs[1:] {
		mark := "; "
		if i == 0 {
			mark = ": "
		}
		joined = fmt.Errorf("%w%s%w", joined, mark, err)
	}
	return joined
}

func (r Resolver) servers() ([]string, error) {
	if len(r.Servers) > 0 {
		return r.Servers, nil
	}
	config, err := dns.ClientConfigFromFile(resolvConf)
	if errors.Is(err, os.ErrNotExist) {
		return []string{net.JoinHostPort("127.0.0.1", defaultPort)}, nil // resolv.conf(5)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", resolvConf, err)
	}
	var servers []string
	for _, server := range config.Servers {
		servers = append(servers, net.JoinHostPort(server, config.Port))
	}
	if len(servers) == 0 {
		servers = []string{net.JoinHostPort("127.0.0.1", defaultPort)}
	}
	return servers, nil
}

// Alias follows the CNAME records of name and returns the name that records
// have to be written to. A CNAME that a wildcard brings forth at name itself
// is not followed: a record written there takes its place.
func (r Resolver) Alias(ctx context.Context, name string) (string, error) {
	start, err := canonical(name)
	if err != nil {
		return "", err
	}
	seen := []string{start}
	for at := start; ; {
		target, err := r.cname(ctx, at)
		if err != nil {
			return "", fmt.Errorf("follow the aliases of %s: %w", plain(start), err)
		}
		if target == "" {
			return plain(at), nil
		}
		if at == start {
			wild, err := r.wildcard(ctx, at, target)
			if err != nil {
				return "", fmt.Errorf("follow the aliases of %s: %w", plain(start), err)
			}
			if wild {
				return plain(at), nil
			}
		}
		if slices.Contains(seen, target) {
			return "", fmt.Errorf("follow the aliases of %s: they lead in a circle, back to %s", plain(start), plain(target))
		}
		if len(seen) > maxAliases {
			return "", fmt.Errorf("follow the aliases of %s: there are more than %d", plain(start), maxAliases)
		}
		seen = append(seen, target)
		at = target
	}
}

// cname returns where name is an alias to, or "".
func (r Resolver) cname(ctx context.Context, name string) (string, error) {
	answer, err := r.ask(ctx, name, dns.TypeCNAME)
	if err != nil {
		return "", err
	}
	for _, rr := range answer.Answer {
		if c, ok := rr.(*dns.CNAME); ok && strings.EqualFold(c.Hdr.Name, name) {
			return canonical(c.Target)
		}
	}
	return "", nil
}

// wildcard reports whether a sibling of name that nobody made is an alias to
// the same target (RFC 4592 section 2.2: then neither does name exist).
func (r Resolver) wildcard(ctx context.Context, name, target string) (bool, error) {
	sibling := "certkeep-" + strings.ToLower(rand.Text()) + "." + parent(name)
	other, err := r.cname(ctx, sibling)
	return other == target, err
}

// Zone finds the zone that name lies in.
func (r Resolver) Zone(ctx context.Context, name string) (Zone, error) {
	name, err := canonical(name)
	if err != nil {
		return Zone{}, err
	}
	return findZone(name, func(name string) (*dns.Msg, error) { return r.ask(ctx, name, dns.TypeSOA) })
}

// zoneAmong returns the longest of the zones that name lies in, or else the one
// that DNS says.
func (r Resolver) zoneAmong(ctx context.Context, zones []string, name string) (string, error) {
	if zone := longest(zones, name); zone != "" {
		return zone, nil
	}
	found, err := r.Zone(ctx, name)
	return found.Name, err
}

// findZone walks up from name to the first SOA. Mostly the first answer holds
// it: for a name that is not the top of a zone, the SOA comes in the authority
// section (RFC 2308 section 3).
func findZone(name string, ask func(name string) (*dns.Msg, error)) (Zone, error) {
	var refused error
	for at := name; at != "."; at = parent(at) {
		answer, err := ask(at)
		if err != nil {
			if _, ok := errors.AsType[*Refusal](err); !ok {
				return Zone{}, fmt.Errorf("find the zone of %s: %w", plain(name), err)
			}
			refused = err // a server may serve only what lies further up
			continue
		}
		for _, rr := range slices.Concat(answer.Answer, answer.Ns) {
			soa, ok := rr.(*dns.SOA)
			if !ok || !dns.IsSubDomain(soa.Hdr.Name, at) || soa.Hdr.Name == "." {
				continue // an alias's SOA, or the root's: of no use here
			}
			zone, err := canonical(soa.Hdr.Name)
			if err != nil {
				return Zone{}, err
			}
			primary, err := canonical(soa.Ns)
			if err != nil {
				return Zone{}, err
			}
			return Zone{Name: zone, Primary: primary}, nil
		}
	}
	if refused != nil {
		return Zone{}, fmt.Errorf("find the zone of %s: %w", plain(name), refused)
	}
	return Zone{}, fmt.Errorf("find the zone of %s: no server names one", plain(name))
}

// addresses returns the IPv4 and IPv6 addresses of a host, with the DNS port.
func (r Resolver) addresses(ctx context.Context, host string) ([]string, error) {
	var addresses []string
	for _, kind := range []uint16{dns.TypeA, dns.TypeAAAA} {
		answer, err := r.ask(ctx, host, kind)
		if err != nil {
			return nil, err
		}
		for _, rr := range answer.Answer {
			switch a := rr.(type) {
			case *dns.A:
				addresses = append(addresses, net.JoinHostPort(a.A.String(), defaultPort))
			case *dns.AAAA:
				addresses = append(addresses, net.JoinHostPort(a.AAAA.String(), defaultPort))
			}
		}
	}
	if len(addresses) == 0 {
		return nil, fmt.Errorf("the name server %s has no address", plain(host))
	}
	return addresses, nil
}
