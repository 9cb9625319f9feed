package config

import (
	"slices"
	"strings"
	"time"
)

// The ways to prove a name, RFC 8555 section 8 and RFC 8737.
const (
	MethodHTTP01    = "http-01"
	MethodTLSALPN01 = "tls-alpn-01"
	MethodDNS01     = "dns-01"
)

// Rule says how names are proven.
type Rule struct {
	// Names are patterns: a name or IP address itself; "*.x", one label below
	// x, the wildcard among them; ".x", any name below x. Empty means all.
	Names   []string
	Methods []Method // tried in this order
}

// Method is one way to answer a challenge.
type Method struct {
	Type    string // one of the constants above
	Webroot string // http-01: folder, may hold {zone} {host} {fqdn}; "" is the own listener, unless Folder is set
	Folder  string // http-01: folder of the answers themselves, likewise; "" has them below Webroot
	// ShownWithin is how long the web server here may take to show an answer in a
	// folder before the CA is asked all the same; 0 does not look.
	ShownWithin time.Duration

	Via    string // dns-01: name in Config.DNS; "" with Manual
	Manual *Manual
}

// Manual has http-01 or dns-01 answered by programs, as certbot's manual
// plug-in does.
type Manual struct {
	Auth    Command
	CleanUp Command // empty where nothing is taken away
	User    string  // "" is the running user
	Timeout time.Duration
}

// rules is an index over rules, so that finding the first match of a name
// costs its labels and not the number of rules.
type rules struct {
	list  []Rule
	exact map[string]int // pattern → first rule with it
	all   int            // first rule for all names, or len(list)
}

func indexRules(list []Rule) rules {
	r := rules{list: list, exact: make(map[string]int), all: len(list)}
	for i, rule := range list {
		if len(rule.Names) == 0 {
			r.all = min(r.all, i)
		}
		for _, pattern := range rule.Names {
			if _, known := r.exact[pattern]; !known {
				r.exact[pattern] = i
			}
		}
	}
	return r
}

// first returns the index of the first rule that matches name ("*.x" for a
// wildcard), or -1.
func (r rules) first(name string) int {
	best := r.all
	consider := func(pattern string) {
		if i, ok := r.exact[pattern]; ok {
			best = min(best, i)
		}
	}
	consider(name)
	if _, below, ok := strings.Cut(name, "."); ok {
		consider("*." + below)
	}
	for rest := name; ; {
		_, below, ok := strings.Cut(rest, ".")
		if !ok {
			break
		}
		consider("." + below)
		rest = below
	}
	if best == len(r.list) {
		return -1
	}
	return best
}

// MethodsFor says how the names of a certificate are proven: by the first of
// the certificate's own rules that matches, else by the first global one,
// else on the own listener. What CAs cannot reach is left out. Name comes without "*."; for a
// wildcard only dns-01 counts (RFC 8555 has CAs offer nothing else), for an IP
// address anything but dns-01 (RFC 8738 section 7).
func (c *Config) MethodsFor(cert, name string, wildcard bool) []Method {
	if wildcard {
		name = "*." + name
	}
	var own []Rule
	if found := c.Certificate(cert); found != nil {
		own = found.Challenges
	}
	return c.Listen.methodsFor(indexRules(own), indexRules(c.Challenges), name)
}

// Declared tells more of a certificate: by which types of challenge its names are
// proven, whether it is ordered under its profile alone, and whether the terms
// of all its issuers are agreed to.
func (c *Config) Declared(cert string) (challenges []string, profileMandatory, agreed bool) {
	challenges = []string{}
	found := c.Certificate(cert)
	if found == nil {
		return challenges, false, false
	}
	agreed = true
	for _, name := range found.Names {
		bare, wildcard := strings.CutPrefix(name, "*.")
		for _, m := range c.MethodsFor(cert, bare, wildcard) {
			if !slices.Contains(challenges, m.Type) {
				challenges = append(challenges, m.Type)
			}
		}
	}
	for _, id := range found.Issuers {
		agreed = agreed && c.Terms.Agreed(id)
	}
	return challenges, found.ProfileMandatory, agreed
}

// methodsFor is MethodsFor over indexes made once.
func (l Listen) methodsFor(own, global rules, name string) []Method {
	methods := l.standardMethods()
	if i := own.first(name); i >= 0 {
		methods = own.list[i].Methods
	} else if i := global.first(name); i >= 0 {
		methods = global.list[i].Methods
	}
	return l.Outside.leave(usable(methods, name))
}

// usable leaves the methods by which name can be proven at all.
func usable(methods []Method, name string) []Method {
	wildcard, ip := strings.HasPrefix(name, "*."), isIP(name)
	if !wildcard && !ip {
		return methods
	}
	return slices.DeleteFunc(slices.Clone(methods), func(m Method) bool {
		return wildcard != (m.Type == MethodDNS01)
	})
}
