package dns

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/miekg/dns"
)

// Nameserver is one address of an authoritative server.
type Nameserver struct {
	Name    string // its host name, or again the address
	Address string // "host:port"
}

func (n Nameserver) String() string {
	if n.Name == n.Address {
		return n.Address
	}
	return fmt.Sprintf("%s (%s)", n.Name, n.Address)
}

// Lack is a server that does not show a record or set.
type Lack struct {
	Server Nameserver
	Err    error    // why it could not be asked; nil: it answered otherwise
	Shows  []string // the set that it has instead
}

func (l Lack) String() string {
	switch {
	case l.Err != nil:
		return fmt.Sprintf("%s cannot be asked (%v)", l.Server, l.Err)
	case len(l.Shows) > 0:
		return fmt.Sprintf("%s has another set (%.200q)", l.Server, strings.Join(l.Shows, ", "))
	}
	return fmt.Sprintf("%s does not have it", l.Server)
}

// What a zone may cost. The root has 26 addresses; one that has more than
// maxServers, or whose servers take longer to be found, keeps us busy.
const (
	maxServers = 64
	findTime   = 2 * time.Minute
)

var errManyServers = fmt.Errorf("they have more than %d addresses", maxServers)

// Authorities returns every address of every server that is authoritative for
// the zone of name, or the configured Nameservers.
func (r Resolver) Authorities(ctx context.Context, name string) ([]Nameserver, error) {
	var servers []Nameserver
	for _, address := range r.Nameservers {
		servers = append(servers, Nameserver{Name: withPort(address), Address: withPort(address)})
	}
	if len(servers) > 0 {
		return servers, nil
	}
	ctx, cancel := context.WithTimeout(ctx, findTime)
	defer cancel()
	zone, err := r.Zone(ctx, name)
	if err != nil {
		return nil, err
	}
	answer, err := r.ask(ctx, zone.Name, dns.TypeNS)
	if err != nil {
		return nil, err
	}
	for _, rr := range answer.Answer {
		ns, ok := rr.(*dns.NS)
		if !ok {
			continue
		}
		host, err := canonical(ns.Ns)
		if err != nil {
			return nil, fmt.Errorf("name servers of %s: %w", plain(zone.Name), err)
		}
		addresses, err := r.addresses(ctx, host)
		if err != nil {
			return nil, fmt.Errorf("name servers of %s: %w", plain(zone.Name), err)
		}
		for _, address := range addresses {
			servers = append(servers, Nameserver{Name: plain(host), Address: address})
		}
		if len(servers) > maxServers {
			return nil, fmt.Errorf("name servers of %s: %w", plain(zone.Name), errManyServers)
		}
	}
	if len(servers) == 0 {
		return nil, fmt.Errorf("the zone %s has no name servers", plain(zone.Name))
	}
	return servers, nil
}

// Lacking asks all servers at the same time and returns those that do not show
// the record. An address that cannot be reached from this machine for want of
// a route (mostly IPv6) does not count while another address of the same
// server shows the record.
func (r Resolver) Lacking(ctx context.Context, servers []Nameserver, record Record) []Lack {
	return survey(servers, func(address string) (bool, []string, error) {
		shown, err := r.shows(ctx, address, record)
		return shown, nil, err
	})
}

// survey asks all servers at the same time. ask reports whether one shows what
// it should, what it shows instead, and why it could not be asked.
func survey(servers []Nameserver, ask func(address string) (bool, []string, error)) []Lack {
	lacks := make([]Lack, len(servers))
	shown := make([]bool, len(servers))
	var group sync.WaitGroup
	for i, server := range servers {
		lacks[i].Server = server
		group.Go(func() { shown[i], lacks[i].Shows, lacks[i].Err = ask(server.Address) })
	}
	group.Wait()
	return judge(lacks, shown)
}

// judge is survey once every server was asked.
func judge(asked []Lack, shown []bool) []Lack {
	good := make(map[string]bool) // by server name
	for i, l := range asked {
		good[l.Server.Name] = good[l.Server.Name] || shown[i]
	}
	var lacking []Lack
	for i, l := range asked {
		if !shown[i] && !(noRoute(l.Err) && good[l.Server.Name]) {
			lacking = append(lacking, l)
		}
	}
	return lacking
}

// errNotAuthoritative: an answer out of a cache, or of a server that was told
// nothing of the zone.
var errNotAuthoritative = errors.New("it is not authoritative for the zone")

// shows asks one authoritative server whether it has the record.
func (r Resolver) shows(ctx context.Context, address string, record Record) (bool, error) {
	want, err := record.resource()
	if err != nil {
		return false, err
	}
	m := new(dns.Msg)
	m.SetQuestion(want.Header().Name, want.Header().Rrtype)
	m.RecursionDesired = false
	m.SetEdns0(udpSize, false)
	answer, err := r.exchange(ctx, address, m, nil)
	if err != nil {
		return false, err
	}
	if !answer.Authoritative {
		return false, errNotAuthoritative
	}
	return record.in(answer.Answer)
}

// noRoute reports whether this machine cannot even send to the address.
func noRoute(err error) bool {
	return errors.Is(err, syscall.ENETUNREACH) || errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EAFNOSUPPORT)
}
