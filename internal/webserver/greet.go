package webserver

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
)

// Greeting is a handshake that visitors of a name make.
type Greeting struct {
	Address Address
	Name    string // that is asked for
}

// Greetings are the handshakes that visitors of a host make: for each name, at each
// address where it speaks TLS over TCP.
func (h Host) Greetings() []Greeting {
	var all []Greeting
	for _, a := range h.Addresses {
		if !a.TLS || strings.HasPrefix(a.Host, "/") || a.Port == 0 || !h.overTCP(a) {
			continue
		}
		for _, name := range h.Names {
			if tail, wild := strings.CutPrefix(name, "*."); wild {
				name = "certkeep-check." + tail
			}
			all = append(all, Greeting{h.reached(a), name})
		}
	}
	return all
}

// overTCP reports whether the host listens there not by QUIC alone.
func (h Host) overTCP(a Address) bool {
	if h.Server != Nginx {
		return true
	}
	on := flag(h.inherited("ssl"), "on")
	return slices.ContainsFunc(all(h.block, "listen"), func(d directive) bool {
		return len(d.args) > 0 && !slices.Contains(d.args, "quic") && slices.Contains(nginxAddresses(d.args, on), a)
	})
}

// reached is where an address is reached: a <VirtualHost> of Apache for all addresses
// is behind those that Listen names.
func (h Host) reached(a Address) Address {
	if h.Server != Apache || a.Host != "" {
		return a
	}
	single := a
	for _, d := range all(h.outer, "listen") {
		switch l := apacheAddress(first(d)); {
		case l.Port != a.Port:
		case l.Host == "":
			return a
		case single.Host == "":
			single.Host = l.Host
		}
	}
	return single
}

// ErrPlain says that somebody answers without TLS.
var ErrPlain = errors.New("it answers without TLS")

// Greet makes a handshake, and returns the certificate that is shown and where that
// was. What the server thinks of it does not matter: it is told the name, and shows
// its certificate before it asks for one.
func (v *Visitor) Greet(ctx context.Context, g Greeting) (leaf *x509.Certificate, at string, err error) {
	ctx, cancel := context.WithTimeout(ctx, visitTime)
	defer cancel()
	at = dialled(g.Address)
	plain, err := v.dial(ctx, g.Address)
	if err != nil {
		return nil, at, err
	}
	config := unverified()
	config.ServerName, config.MinVersion = g.Name, tls.VersionTLS10
	config.VerifyConnection = func(s tls.ConnectionState) error {
		leaf = s.PeerCertificates[0]
		return nil
	}
	conn := tls.Client(plain, config)
	err = conn.HandshakeContext(ctx)
	_ = conn.Close() // nothing was said
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return nil, at, ErrPlain
	}
	if leaf == nil {
		return nil, at, err
	}
	return leaf, at, nil
}

// Lack is something without which Apache speaks no TLS.
type Lack struct{ Words, Remedy string }

// ApacheLacks says what Apache lacks for hosts of its that speak TLS, or are to speak
// it at a port; 0 is none.
func ApacheLacks(ctx context.Context, hosts []Host, port int) ([]Lack, error) {
	hosts = slices.DeleteFunc(slices.Clone(hosts), func(h Host) bool { return h.Server != Apache })
	ports := map[int]bool{port: port != 0}
	for _, h := range hosts {
		for _, a := range h.Addresses {
			ports[a.Port] = ports[a.Port] || a.TLS && a.Port != 0
		}
	}
	var lacks []Lack
	var needs []int
	for p, needed := range ports {
		if needed {
			needs = append(needs, p)
		}
	}
	slices.Sort(needs)
	if len(hosts) == 0 || len(needs) == 0 {
		return nil, nil
	}
	program, ok := find(apachePrograms()...)
	if !ok {
		return nil, ErrNotInstalled
	}
	dump, err := dumped(ctx, Apache, program, "-t", "-D", "DUMP_MODULES")
	if err != nil {
		return nil, err
	}
	if !strings.Contains(dump, " ssl_module ") {
		lacks = append(lacks, Lack{"mod_ssl is not loaded, so it speaks no TLS, and refuses snippets", sslRemedy})
	}
	for _, p := range needs {
		there := func(d directive) bool { return apacheAddress(first(d)).Port == p }
		if !slices.ContainsFunc(all(hosts[0].outer, "listen"), there) {
			lacks = append(lacks, Lack{fmt.Sprintf("it does not listen at port %d, for no Listen names it", p), fmt.Sprintf("add `Listen %d`, outside of every block", p)})
		}
	}
	return lacks, nil
}

const sslRemedy = "load it: on Debian `a2enmod ssl`, elsewhere by LoadModule ssl_module; then restart Apache"

// Ousted are hosts that became the default at an address where others speak TLS by
// themselves, because they come first and none says that it is the default: they get the
// visitors of names that no host has. Ours tells hosts that include a snippet.
func Ousted(hosts []Host, ours func(Host) bool) []Default {
	var found []Default
	seen := map[string]bool{}
	for i, h := range hosts {
		for _, a := range h.Addresses {
			key := h.Server + " " + net.JoinHostPort(a.Host, fmt.Sprint(a.Port))
			if !a.TLS || seen[key] {
				continue
			}
			seen[key] = true
			if !ours(h) || len(h.Names) == 0 {
				continue
			}
			for _, o := range hosts[i+1:] {
				if o.Server == h.Server && o.speaksAt(a) && !ours(o) && !explicit(hosts, h.Server, a) {
					found = append(found, Default{Host: h, Other: o, Address: a})
					break
				}
			}
		}
	}
	return found
}

// Default is a host that is the default at an address, and one that would be it.
type Default struct {
	Host, Other Host
	Address     Address
}

// speaksAt reports whether the host speaks TLS at an address.
func (h Host) speaksAt(a Address) bool {
	return slices.ContainsFunc(h.Addresses, func(b Address) bool { return b.TLS && b.Host == a.Host && b.Port == a.Port })
}

// explicit reports whether some host of nginx says that it is the default at an address.
func explicit(hosts []Host, server string, a Address) bool {
	return server == Nginx && slices.ContainsFunc(hosts, func(h Host) bool {
		return h.Server == Nginx && slices.ContainsFunc(all(h.block, "listen"), func(d directive) bool {
			says := slices.Contains(d.args, "default_server") || slices.Contains(d.args, "default")
			return says && slices.ContainsFunc(nginxAddresses(d.args, false), func(b Address) bool { return b.Host == a.Host && b.Port == a.Port })
		})
	})
}
