package webserver

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
)

// CatchAllName is what the files are called that answer visitors of names that
// no virtual host has. No site is called so: it would have a dot.
const CatchAllName = "catch-all"

// nobodysName is asked for by nobody, RFC 2606 section 2.
const nobodysName = CatchAllName + ".invalid"

// CatchAllSnippet answers visitors who ask a server for a name that no virtual host
// has, at every address where visitors of the ports 80 and 443 arrive. The
// hosts are all that there are, file is where the snippet is to lie. Addresses
// where somebody else is the default already are left to him; those hosts are
// listed. It is not found where no address is left.
func CatchAllSnippet(hosts []Host, server, file string, w Wish) (s Snippet, taken []Host, found bool) {
	var others []Host
	for _, h := range hosts {
		if h.Server == server && h.File != file {
			others = append(others, h)
		}
	}
	plain, takenPlain := free(others, w.HTTP, false)
	secure, takenSecure := free(others, w.TLS, true)
	for _, h := range append(takenPlain, takenSecure...) {
		if !slices.ContainsFunc(taken, func(t Host) bool { return t.File == h.File && t.Line == h.Line }) {
			taken = append(taken, h)
		}
	}
	if len(plain)+len(secure) == 0 {
		return s, taken, false
	}
	s = Snippet{Server: server, Name: CatchAllName + ".conf", Places: []Place{{}}}
	if server == Apache {
		s.Places[0].Words = apacheOrder(hosts, file, append(plain, secure...))
		s.Text = head(w, "For visitors of names that no <VirtualHost> has. Ahead of every <VirtualHost>.") + apacheCatchAll(plain, secure, w)
		return s, taken, true
	}
	s.Text = head(w, "For visitors of names that no server block has. For the http block.") + nginxCatchAll(plain, secure, w)
	return s, taken, true
}

// free lists the addresses of a port that have no default of somebody's own, and
// the hosts that are it at the others.
func free(hosts []Host, port int, isTLS bool) (left []Address, taken []Host) {
	for _, a := range at(hosts, port, isTLS) {
		i := slices.IndexFunc(hosts, func(h Host) bool { return h.isDefaultAt(a) })
		first := slices.IndexFunc(hosts, func(h Host) bool { return slices.Contains(h.Addresses, a) })
		if first < 0 { // every port of an address: a host at one of them would come before it
			continue
		}
		if h := hosts[first]; i < 0 && h.Server == Apache && len(h.Names)+len(h.Patterns) == 0 {
			i = first // Apache's default is the first one
		}
		if i >= 0 {
			taken = append(taken, hosts[i])
			continue
		}
		if !strings.HasPrefix(a.Host, "/") && !slices.ContainsFunc(left, func(l Address) bool { return l.Host == a.Host }) {
			left = append(left, a)
		}
	}
	return left, taken
}

// isDefaultAt reports whether a server block of nginx says that it is the
// default of an address.
func (h Host) isDefaultAt(a Address) bool {
	return h.Server == Nginx && slices.ContainsFunc(all(h.block, "listen"), func(d directive) bool {
		if !slices.Contains(d.args, "default_server") && !slices.Contains(d.args, "default") {
			return false
		}
		at := nginxAddress(d.args, false)
		return at.Host == a.Host && at.Port == a.Port
	})
}

func nginxCatchAll(plain, secure []Address, w Wish) string {
	var b strings.Builder
	listen := func(addresses []Address, options string) {
		b.WriteString("server {\n")
		for _, a := range addresses {
			where := strconv.Itoa(a.Port)
			if a.Host != "" {
				where = net.JoinHostPort(a.Host, where)
			}
			if a.Proxy {
				where += " proxy_protocol"
			}
			fmt.Fprintf(&b, "listen %s%s default_server;\n", where, options)
		}
		fmt.Fprintf(&b, "server_name %s;\n", nobodysName)
	}
	if len(secure) > 0 {
		listen(secure, " ssl")
		b.WriteString("ssl_reject_handshake on; # since nginx 1.19.4\n}\n")
	}
	if len(plain) > 0 {
		listen(plain, "")
		b.WriteString(nginxAnswers(Wish{Answers: w.Answers}, nil) + "\nlocation / { return 444; } # closes the connection\n}\n")
	}
	return b.String()
}

func apacheCatchAll(plain, secure []Address, w Wish) string {
	var b strings.Builder
	open := func(addresses []Address) {
		b.WriteString("<VirtualHost")
		for _, a := range addresses {
			fmt.Fprintf(&b, " %s", net.JoinHostPort(a.star(), strconv.Itoa(a.Port)))
		}
		fmt.Fprintf(&b, ">\nServerName %s\n", nobodysName)
	}
	if len(secure) > 0 {
		open(secure)
		b.WriteString(apachePairs(Wish{Pairs: w.Pairs}) + `<IfModule mod_alias.c>
    Redirect 421 "/"
</IfModule>
<Location "/">
    Require all denied
</Location>
</VirtualHost>
`)
	}
	if len(plain) > 0 {
		open(plain)
		if w.Answers != "" {
			folder := strings.TrimSuffix(w.Answers, "/")
			fmt.Fprintf(&b, "Alias \"%s\" %s\n<Directory %s>\n    AllowOverride None\n    Options None\n    Require all granted\n</Directory>\n", challengePath, quoted(folder+"/"), quoted(folder))
		}
		b.WriteString(`<LocationMatch "^/(?!\.well-known/acme-challenge/)">
    Require all denied
</LocationMatch>
</VirtualHost>
`)
	}
	return b.String()
}

// star is the host of an address as Apache writes it.
func (a Address) star() string {
	if a.Host == "" {
		return "*"
	}
	return a.Host
}

// apacheOrder says where the snippet has to stand, as long as another host is
// the first one at an address.
func apacheOrder(hosts []Host, file string, addresses []Address) string {
	const ahead = "into Apache's configuration, ahead of every <VirtualHost>"
	for _, a := range addresses {
		first := slices.IndexFunc(hosts, func(h Host) bool {
			return h.Server == Apache && slices.ContainsFunc(h.Addresses, func(o Address) bool { return o.Host == a.Host && o.Port == a.Port })
		})
		if first >= 0 && hosts[first].File != file {
			return fmt.Sprintf("%s: before the one at %s:%d", ahead, hosts[first].File, hosts[first].Line)
		}
	}
	return ""
}
