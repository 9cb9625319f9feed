package config

import (
	"fmt"
	"net"
	"slices"
	"strconv"
)

// Outside says how the ports that CAs look at lead to this machine: zero to the
// same port, Unreachable nowhere, else to that port.
type Outside struct{ HTTP, TLS int }

// Unreachable is a port that nobody outside can reach.
const Unreachable = -1

// Here are the ports of this machine at which arrives what was sent to 80 and 443.
// Where nobody outside reaches one, visitors within still do.
func (o Outside) Here() (http, tls int) {
	http, tls = 80, 443
	if o.HTTP > 0 {
		http = o.HTTP
	}
	if o.TLS > 0 {
		tls = o.TLS
	}
	return http, tls
}

// reaches reports whether a CA can look at what answers a method.
func (o Outside) reaches(method string) bool {
	switch method {
	case MethodHTTP01:
		return o.HTTP != Unreachable
	case MethodTLSALPN01:
		return o.TLS != Unreachable
	}
	return true
}

// leave leaves the methods that CAs can look at.
func (o Outside) leave(methods []Method) []Method {
	if !slices.ContainsFunc(methods, func(m Method) bool { return !o.reaches(m.Type) }) {
		return methods
	}
	return slices.DeleteFunc(slices.Clone(methods), func(m Method) bool { return !o.reaches(m.Type) })
}

// standardMethods is how names are proven that no rule matches: by the own
// listener, at the port that can be reached.
func (l Listen) standardMethods() []Method {
	if l.Outside.HTTP == Unreachable && l.Outside.TLS != Unreachable && l.TLS != "" {
		return []Method{{Type: MethodTLSALPN01}}
	}
	return []Method{{Type: MethodHTTP01}}
}

func outside() shape[Outside] {
	return object("outside", "How ports at the address that the names lead to arrive at this machine, where a router or a packet filter changes them.", []key[Outside]{
		field("80", insidePort(), func(o *Outside) *int { return &o.HTTP }, about{
			doc: "Port of this machine at which arrives what was sent to port 80: the own listener for http-01 takes it. `false`: it cannot be reached, and http-01 is never tried.", standard: "80", example: "8080", off: true,
		}),
		field("443", insidePort(), func(o *Outside) *int { return &o.TLS }, about{
			doc: "The same of port 443 and tls-alpn-01. A port switches the own listener for it on, unless `tls` says otherwise.", standard: "443", example: "8443", off: true,
		}),
	}, nil)
}

// insidePort is a port of this machine, or none.
func insidePort() shape[int] {
	port := whole("a port", 1, 65535)
	show := port.show
	port.show = func(p int) *node {
		if p <= 0 {
			return nil
		}
		return show(p)
	}
	return either("a port or false", "8080", port, off(Unreachable, func(p int) bool { return p == Unreachable }))
}

// finishListen has the own listeners take the ports at which CAs arrive.
func finishListen(r *reader, n *node, l *Listen) {
	if l.Outside.HTTP > 0 && l.HTTP.Address != "" {
		l.HTTP.Address = moved(r, n, "http", l.HTTP.Address, "80", l.Outside.HTTP)
	}
	switch {
	case l.Outside.TLS <= 0:
	case l.TLS != "":
		l.TLS = moved(r, n, "tls", l.TLS, "443", l.Outside.TLS)
	case !n.has("tls"):
		l.TLS = net.JoinHostPort("", strconv.Itoa(l.Outside.TLS))
	}
}

// moved is an address with another port.
func moved(r *reader, n *node, key, address, outside string, port int) string {
	host, was, err := net.SplitHostPort(address)
	if err != nil {
		return address // was reported
	}
	if n.has(key) && was != strconv.Itoa(port) {
		r.out.warn(n.placeOf(key), fmt.Sprintf("listen.%s names port %s, but what is sent to port %s arrives at %d", key, was, outside, port), fmt.Sprintf("port %d is taken; write %q, or correct outside", port, net.JoinHostPort(host, strconv.Itoa(port))))
	}
	return net.JoinHostPort(host, strconv.Itoa(port))
}

// checkReach warns of a method that is never tried.
func checkReach(r *reader, n *node, method, port string) bool {
	if r.cfg.Listen.Outside.reaches(method) {
		return true
	}
	r.out.warn(n.at, fmt.Sprintf("%s is never tried: port %s cannot be reached from outside (listen.outside)", method, port), "remove it, or correct listen.outside")
	return false
}
