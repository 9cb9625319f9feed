// Package webserver knows the virtual hosts of nginx and Apache: which names
// they have, where they listen, and which certificates they show. What it
// knows it reads from the server's own dump of its configuration, so that
// includes, macros and conditions are as the server takes them.
//
// Read is the function to call first. Nothing here changes a file or a server.
package webserver

import (
	"net"
	"slices"
	"strings"
)

// The servers, by the names of their built-in services.
const (
	Nginx  = "nginx"
	Apache = "apache"
)

// Servers are all that are known.
func Servers() []string { return []string{Nginx, Apache} }

// Host is one virtual host: a server block of nginx, a <VirtualHost> of
// Apache.
type Host struct {
	Server string `json:"server"`
	// Names are those that a certificate can name: in lower case, without the
	// dot at the end, maybe with a "*." before them. The first is the
	// server's own, the others are aliases.
	Names []string `json:"names"`
	// Patterns are names that no certificate can have: regular expressions,
	// and asterisks elsewhere than in front.
	Patterns  []string   `json:"patterns"`
	Addresses []Address  `json:"addresses"`
	Pairs     []KeyFiles `json:"certificates"`
	File      string     `json:"file,omitempty"` // where it is written
	Line      int        `json:"line,omitempty"`

	block []directive                  // what stands in it
	outer []directive                  // what stands around it, and so may hold in it
	again func(block []directive) Host // the same host with other directives
}

// Address is where a virtual host listens.
type Address struct {
	Host  string `json:"host"` // "" for all, "::" for all of IPv6 in nginx; a path for a Unix socket
	Port  int    `json:"port,omitempty"`
	TLS   bool   `json:"tls"`
	Proxy bool   `json:"proxy_protocol"` // whoever connects says first for whom (PROXY protocol)

	dual bool // nginx: "::" for all of IPv4, too
}

// KeyFiles are a certificate and its key as a virtual host names them. Key is
// "" where it stands in the certificate's file.
type KeyFiles struct {
	Certificate string `json:"certificate"`
	Key         string `json:"key,omitempty"`
}

// directive is one setting of a configuration. Names are in lower case where
// the server does not tell cases apart.
type directive struct {
	name  string
	args  []string
	block []directive
	file  string
	line  int
}

// TLS reports whether the host speaks TLS anywhere.
func (h Host) TLS() bool {
	return slices.ContainsFunc(h.Addresses, func(a Address) bool { return a.TLS })
}

// Has reports whether the host answers for a name: by its own names, and by
// asterisks that cover it.
func (h Host) Has(name string) bool {
	return slices.ContainsFunc(h.Names, func(n string) bool {
		if tail, ok := strings.CutPrefix(n, "*."); ok && !strings.HasPrefix(name, "*.") {
			return strings.HasSuffix(name, "."+tail)
		}
		return n == name
	})
}

// all finds the directives of a name.
func all(block []directive, name string) []directive {
	var found []directive
	for _, d := range block {
		if d.name == name {
			found = append(found, d)
		}
	}
	return found
}

// allBut leaves out the directives of a name. Hosts share what is left, of which
// there is little: each looks through it.
func allBut(block []directive, name string) []directive {
	return slices.DeleteFunc(slices.Clone(block), func(d directive) bool { return d.name == name })
}

// addName puts a name where it belongs: among those that certificates can
// have, or among the patterns.
func (h *Host) addName(name string) {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	switch {
	case isName(strings.TrimPrefix(name, "*.")):
		if !slices.Contains(h.Names, name) {
			h.Names = append(h.Names, name)
		}
	case name != "" && !slices.Contains(h.Patterns, name):
		h.Patterns = append(h.Patterns, name)
	}
}

// isName reports whether a text is a DNS name of two labels or more, or an IP
// address: what a public CA could name.
func isName(text string) bool {
	if net.ParseIP(text) != nil {
		return true
	}
	if len(text) > 253 || !strings.Contains(text, ".") {
		return false
	}
	for label := range strings.SplitSeq(text, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := range len(label) {
			c := label[i]
			if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
				return false
			}
		}
	}
	return true
}
