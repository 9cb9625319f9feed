package webserver

import (
	"net"
	"path"
	"slices"
	"strings"
)

// Site is what is written once for visitors though a server has several virtual
// hosts for it: those of one name, over HTTP and over TLS.
type Site struct {
	Name   string   // the first name, without "*."; the certificate is called so
	Names  []string // all that a certificate can have
	Unfit  []string // those that public CAs certify for nobody, or not by these ways
	Hosts  []Host
	Server []string

	// Given says that an administrator named the site, and no virtual host does:
	// a snippet has to, so that the host answers for the names from then on.
	Given bool
}

// CatchAll is the server block of nginx that answers over HTTP at a port for
// names that no other one has, as Debian's does with its `server_name _`. There
// is none where it has a name, or where it is not certain which one it is.
func CatchAll(hosts []Host, port int) (Host, bool) {
	var nameless []Host
	others := false
	for _, h := range hosts {
		switch {
		case h.Server != Nginx || !slices.ContainsFunc(h.Addresses, func(a Address) bool { return a.Port == port }):
		case len(h.Names) == 0 && len(h.Patterns) == 0 && !h.TLS():
			nameless = append(nameless, h)
		default:
			others = true
		}
	}
	if len(nameless) != 1 || others && !nameless[0].isDefault() {
		return Host{}, false
	}
	return nameless[0], true
}

// isDefault reports whether a server block of nginx says that it is the default.
func (h Host) isDefault() bool {
	return slices.ContainsFunc(all(h.block, "listen"), func(d directive) bool {
		return slices.Contains(d.args, "default_server") || slices.Contains(d.args, "default")
	})
}

// From lists the files of a folder that the host includes.
func (h Host) From(folder string) []string {
	var files []string
	for _, d := range h.block {
		if path.Dir(d.file) == folder && !slices.Contains(files, d.file) {
			files = append(files, d.file)
		}
	}
	return files
}

// Fit lists the names of the host that public CAs certify for whoever has them:
// few certify addresses, and none names of special use, which are nobody's.
func (h Host) Fit() []string {
	return slices.DeleteFunc(slices.Clone(h.Names), func(name string) bool {
		special := func(end string) bool { return strings.HasSuffix(name, end) }
		return net.ParseIP(name) != nil || slices.ContainsFunc([]string{".localhost", ".localdomain", ".local", ".invalid", ".onion"}, special)
	})
}

// Sites gathers virtual hosts by their first name that is fit for a certificate,
// over all servers. Hosts without one belong to none.
func Sites(hosts []Host) []Site {
	var sites []Site
	at := map[string]int{}
	for _, h := range hosts {
		names := h.Fit()
		if len(names) == 0 {
			continue
		}
		name := strings.TrimPrefix(names[0], "*.")
		i, known := at[name]
		if !known {
			i = len(sites)
			at[name] = i
			sites = append(sites, Site{Name: name})
		}
		sites[i].add(h)
	}
	return sites
}

// Facing is the site without what lies behind it: a host at another port than
// those where visitors arrive, HTTP and TLS, is asked by one that they arrive
// at, and would send their requests in circles. One that speaks TLS at another
// port stays, beside a host of its server that visitors arrive at. Where they
// arrive at none, as far as is known, all stay.
func (s Site) Facing(http, tls int) Site {
	faces := func(h Host) bool {
		return listensPlainly([]Host{h}, http) || len(at([]Host{h}, tls, true)) > 0 || h.Server == Apache && h.listensAt(tls)
	}
	left := Site{Name: s.Name, Given: s.Given}
	for _, h := range s.Hosts {
		beside := func(o Host) bool { return o.Server == h.Server && faces(o) }
		if faces(h) || h.TLS() && slices.ContainsFunc(s.Hosts, beside) {
			left.add(h)
		}
	}
	if len(left.Hosts) == 0 {
		return s
	}
	return left
}

// canonical is the name that visitors are sent to: what the site is called, as
// long as that is one of its names.
func (s Site) canonical() string {
	if slices.Contains(s.Names, s.Name) {
		return s.Name
	}
	return strings.TrimPrefix(s.Names[0], "*.")
}

// Has reports whether a name is one of the site's, or what it is called.
func (s Site) Has(name string) bool { return slices.Contains(s.Names, name) || s.Name == name }

// At is the site as one of its servers has it.
func (s Site) At(server string) Site {
	at := Site{Name: s.Name}
	for _, h := range s.Hosts {
		if h.Server == server {
			at.add(h)
		}
	}
	return at
}

// add adds a virtual host with its names.
func (s *Site) add(h Host) {
	s.Hosts = append(s.Hosts, h)
	fit := h.Fit()
	for _, n := range h.Names {
		to := &s.Names
		if !slices.Contains(fit, n) {
			to = &s.Unfit
		}
		if !slices.Contains(*to, n) {
			*to = append(*to, n)
		}
	}
	if !slices.Contains(s.Server, h.Server) {
		s.Server = append(s.Server, h.Server)
	}
}

// Without returns hosts as they would be without what stands in files of a
// folder: as the administrator wrote them. A host that stands in such a file is
// left out.
func Without(hosts []Host, folder string) []Host {
	var left []Host
	for _, h := range hosts {
		if path.Dir(h.File) == folder {
			continue
		}
		if slices.ContainsFunc(h.block, func(d directive) bool { return path.Dir(d.file) == folder }) {
			h = h.again(slices.DeleteFunc(slices.Clone(h.block), func(d directive) bool { return path.Dir(d.file) == folder }))
		}
		left = append(left, h)
	}
	return left
}

// Includes reports whether a file stands in the host, or the host in it.
func (h Host) Includes(file string) bool {
	return h.File == file || slices.ContainsFunc(h.block, func(d directive) bool { return d.file == file })
}

// own lists the certificate lines that the host has itself.
func (h Host) own() []directive {
	if h.Server == Apache {
		return all(h.block, "sslcertificatefile")
	}
	return all(h.block, "ssl_certificate")
}
