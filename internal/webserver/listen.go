package webserver

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
)

// anywhere is the wildcard of an address: for nginx, of its family. Servers hand
// that he came to, and to those of the wildcard only where nobody names it.
func anywhere(server, host string) string {
	if server == Nginx && strings.Contains(host, ":") {
		return "::"
	}
	return ""
}

func sameHost(host string) func(Address) bool {
	return func(a Address) bool { return a.Host == host }
}

// reach is where a site is to listen at a port, so that visitors reach it at
// all of its own addresses, and others are reached as before. An address of
// its own would take away the visitors of all who listen at the wildcard there;
// a wildcard alone would never be asked where others name the address. At an
// address that they have, names tell the hosts apart.
func reach(server string, own []Address, port int, others []Host) []Address {
	var there, found []Address
	for _, h := range others {
		for _, a := range h.Addresses {
			if h.Server == server && (a.Port == port || server == Apache && a.Port == 0) { // 0 is every port
				there = append(there, a)
			}
		}
	}
	add := func(a Address) {
		a.Port = port
		if i := slices.IndexFunc(there, sameHost(a.Host)); i >= 0 {
			a.Proxy = there[i].Proxy // one socket, one protocol
		}
		if !slices.ContainsFunc(found, sameHost(a.Host)) {
			found = append(found, a)
		}
	}
	for _, a := range bothFamilies(own, others) {
		a.Proxy = a.Proxy && !a.TLS // nobody knows whether visitors over HTTP come the same way
		wild := anywhere(server, a.Host)
		if server == Nginx && wild == "" && dualAt(port, others) { // whoever has it has IPv4, too
			wild = "::"
		}
		if !slices.ContainsFunc(there, sameHost(a.Host)) && slices.ContainsFunc(there, sameHost(wild)) {
			a.Host = wild
			add(a)
			continue
		}
		add(a)
		for _, t := range there {
			if a.Host == wild && anywhere(server, t.Host) == wild {
				add(t)
			}
		}
	}
	return found
}

// bothFamilies adds the wildcard of IPv4 to that of IPv6 where that is both: only
// one line for an address may say so, which may be another site's.
func bothFamilies(own []Address, others []Host) []Address {
	var both []Address
	for _, a := range own {
		if a.Host == "::" && (a.dual || dualAt(a.Port, others)) {
			both = append(both, Address{Port: a.Port, TLS: a.TLS, Proxy: a.Proxy})
		}
		both = append(both, a)
	}
	return both
}

func dualAt(port int, hosts []Host) bool {
	return slices.ContainsFunc(hosts, func(h Host) bool {
		return slices.ContainsFunc(h.Addresses, func(a Address) bool { return a.dual && a.Port == port })
	})
}

// nginxListens are the lines for addresses.
func nginxListens(addresses []Address, options string) string {
	var lines []string
	for _, a := range addresses {
		where := strconv.Itoa(a.Port)
		if a.Host != "" {
			where = net.JoinHostPort(a.Host, where)
		}
		where += options
		if a.Proxy {
			where += " proxy_protocol"
		}
		lines = append(lines, "listen "+where+";")
	}
	return joined(lines)
}

// restarts are words for the administrator where nginx is to listen at a
// wildcard of which it has single addresses by now. A reload fails then, though
// its test does not: it goes on holding the addresses until it has the wildcard.
func restarts(addresses []Address, now []Host) string {
	for _, a := range addresses {
		if a.Host != anywhere(Nginx, a.Host) {
			continue
		}
		single := ""
		for _, h := range now {
			for _, t := range h.Addresses {
				switch {
				case h.Server != Nginx || t.Port != a.Port || anywhere(Nginx, t.Host) != a.Host:
				case t.Host == a.Host:
					return ""
				default:
					single = t.Host
				}
			}
		}
		if single != "" {
			return fmt.Sprintf("restart nginx afterwards: no reload lets it go from port %d of %s alone to that of all addresses", a.Port, single)
		}
	}
	return ""
}
