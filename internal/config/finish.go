package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// certReader is what is remembered while the certificates are read, so that
// each of them is looked at once.
type certReader struct {
	general rules           // index of Config.Challenges
	at      place           // of the certificate that is being read
	places  []place         // of its names, as they stand in the list
	owners  map[string]int  // name → index in certs of the first certificate that carries it
	certs   []readCert      // read so far, in the order of the file
	claims  []claim         // what they write
	tlsa    map[string]TLSA // by name in DNS: what is published there
}

// readCert is a certificate as later ones need to know it.
type readCert struct {
	name string
	at   place
}

func (c *certReader) begin(cfg *Config, size int) {
	c.general = indexRules(cfg.Challenges)
	c.owners = make(map[string]int, 2*size)
	c.certs = make([]readCert, 0, size)
	c.claims = make([]claim, 0, size)
}

// next begins a certificate.
func (c *certReader) next(p *pair) {
	c.at, c.places = p.at, c.places[:0]
	c.certs = append(c.certs, readCert{name: p.key, at: p.at})
}

// name is that of the certificate that is being read.
func (c *certReader) name() string { return c.certs[len(c.certs)-1].name }

// finish checks what speaks of several certificates.
func (c *certReader) finish(r *reader) { checkClaims(r, c.claims) }

// seen returns the index of a name among those of the same list, or -1.
func (c *certReader) seen(names []string, name string) int { return slices.Index(names, name) }

// placeOfName is where a name of the certificate being read stands.
func (c *certReader) placeOfName(i int) place {
	if i < len(c.places) {
		return c.places[i]
	}
	return c.at
}

// finishCertificate fills in what follows from other keys, and checks what
// speaks of more than one.
func finishCertificate(r *reader, n *node, c *Certificate) {
	finishStatic(r, n, c)
	if c.CSR != nil {
		finishCSR(r, n, c)
	}
	if c.Names == nil && !n.has("names") && c.CSR == nil {
		name, wrong, hint := checkName(c.Name)
		if wrong != "" {
			r.out.add(r.certs.at, fmt.Sprintf("certificate %q has no names, and its own is none: %s", c.Name, wrong), cmp.Or(hint, "list them: names: [example.com]"))
		} else {
			c.Names = []string{name}
		}
	}
	finishKey(r, n, c)
	finishCommonName(r, n, c)
	finishProtected(r, n, c)
	finishPassphrase(r, n, c)
	finishFiles(r, n, c)
	checkUnused(r, n, c)
	finishStatements(r, n, c)
	if c.Verify == nil {
		c.Verify = endpointsOf(r.cfg, c.Services)
	}
	finishTLSA(r, n, c)
	if len(c.Static) > 0 {
		checkOwnFiles(r, n, c)
	} else {
		checkMethods(r, c)
	}
	checkReloadZones(r, n, c)
	checkActivation(r, n, c)
	checkOverlap(r, c)
	if c.CSR == nil && len(c.Static) == 0 {
		c.Names = uncovered(c.Names, c.CommonName) // the last of all: places are those of the names as they were written
	}
}

// checkActivation refuses what services would have to be told of again and again.
func checkActivation(r *reader, n *node, c *Certificate) {
	if c.Activate != ActivateOnRestart {
		return
	}
	beside := ""
	switch {
	case c.Key != "":
		beside = "key"
	case c.staples() && c.OCSP.File != "":
		beside = "ocsp"
	case c.logged():
		beside = "sct"
	case c.pinned():
		beside = "hpkp"
	default:
		return
	}
	r.out.add(n.placeOf("activate"), fmt.Sprintf("certificate %q is activated on restart, and has %q, which needs the services to be told", c.Name, beside), "leave one of them out")
}

// finishCommonName checks a given common name and chooses one otherwise.
func finishCommonName(r *reader, n *node, c *Certificate) {
	if c.CSR != nil || len(c.Static) > 0 {
		return
	}
	if c.CommonName == "" {
		if !n.has("common_name") {
			c.CommonName = commonName(uncovered(c.Names, ""))
		}
		return
	}
	at := n.placeOf("common_name")
	name, wrong, _ := checkName(c.CommonName)
	switch {
	case wrong != "":
		r.out.add(at, wrong, "the common name is one of the names")
	case len(name) > maxCN:
		r.out.add(at, fmt.Sprintf("a common name of %d characters is too long", len(name)), fmt.Sprintf("at most %d; without common_name the first name that is short enough is taken", maxCN))
	case len(c.Names) > 0 && !slices.Contains(c.Names, name):
		r.out.add(at, fmt.Sprintf("the common name %q is not among the names", name), hintAmong(name, c.Names))
	}
	c.CommonName, c.CommonNameGiven = name, true
}

// endpointsOf is where services present what they read.
func endpointsOf(cfg *Config, services []string) []Endpoint {
	endpoints := []Endpoint{}
	for _, name := range services {
		for _, e := range cfg.Services[name].Verify {
			one := Endpoint{Port: e.Port, StartTLS: e.StartTLS}
			if !slices.ContainsFunc(endpoints, func(o Endpoint) bool { return o.Port == one.Port }) {
				endpoints = append(endpoints, one)
			}
		}
	}
	return endpoints
}

// checkMethods makes sure that every name can be proven.
func checkMethods(r *reader, c *Certificate) {
	own := indexRules(c.Challenges)
	for i, name := range c.Names {
		given := []Method(nil)
		if j := own.first(name); j >= 0 {
			given = own.list[j].Methods
		} else if j := r.certs.general.first(name); j >= 0 {
			given = r.certs.general.list[j].Methods
		}
		at := r.certs.placeOfName(i)
		methods := usable(given, name)
		if given == nil {
			methods = usable(r.cfg.Listen.standardMethods(), name)
		}
		switch {
		case len(methods) == 0 && strings.HasPrefix(name, "*."):
			r.out.add(at, fmt.Sprintf("the wildcard %q can be proven by dns-01 only, and no such rule matches it", name),
				fmt.Sprintf(`add to challenges: {names: ["%s"], dns-01: {via: %s}}`, name, someDNS(r.cfg)))
		case len(methods) == 0:
			r.out.add(at, fmt.Sprintf("the IP address %s cannot be proven by dns-01, and no other rule matches it", name),
				fmt.Sprintf(`add to challenges: {names: ["%s"], http-01: {}}`, name))
		case len(r.cfg.Listen.Outside.leave(methods)) == 0:
			r.out.add(at, fmt.Sprintf("%q cannot be proven: what its rule would answer cannot be reached from outside (listen.outside)", name), "prove it by dns-01, or correct listen.outside")
		case given == nil && methods[0].Type == MethodHTTP01 && r.cfg.Listen.HTTP.Address == "":
			r.out.add(at, fmt.Sprintf("no rule matches %q, and the own listener is off", name), `add a rule to challenges, or set listen: {http: ":80"}`)
		default:
			checkZones(r, at, name, methods)
		}
	}
}

func someDNS(cfg *Config) string {
	if names := dnsNames(cfg); len(names) > 0 {
		return names[0]
	}
	return "NAME"
}

// checkZones makes sure that a DNS entry may write what it is needed for.
func checkZones(r *reader, at place, name string, methods []Method) {
	for _, m := range methods {
		if m.Type != MethodDNS01 || m.Via == "" {
			continue
		}
		if d, ok := r.cfg.DNS[m.Via]; ok && !d.Covers(strings.TrimPrefix(name, "*.")) {
			r.out.add(at, fmt.Sprintf("%q is to be proven via dns entry %q, whose zones are %s", name, m.Via, strings.Join(d.Zones, ", ")),
				"add the zone there, or leave zones out where an alias leads elsewhere")
		}
	}
}

// checkOverlap warns of names that are covered twice.
func checkOverlap(r *reader, c *Certificate) {
	me := len(r.certs.certs) - 1
	shared := make(map[int]int) // other certificate → names that both carry
	first := make(map[int]int)  // other certificate → index of the first such name
	for i, name := range c.Names {
		other, ok := r.certs.owners[name]
		if !ok {
			r.certs.owners[name] = me
			continue
		}
		if _, ok := first[other]; !ok {
			first[other] = i
		}
		shared[other]++
	}
	for other, i := range first {
		what := fmt.Sprintf("%q", c.Names[i])
		if more := shared[other] - 1; more > 0 {
			what += fmt.Sprintf(" and %d more", more)
		}
		at := r.certs.placeOfName(i)
		r.out.warn(at, fmt.Sprintf("certificates %q and %q both carry %s", r.certs.certs[other].name, c.Name, what),
			"the other is "+seenAt(r, at, r.certs.certs[other].at))
	}
}

// uncovered leaves out what a wildcard among the names covers: the CA of most
// people refuses an order for both. One is kept all the same, "" for none.
func uncovered(names []string, kept string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		_, below, ok := strings.Cut(name, ".")
		return ok && name[0] != '*' && name != kept && slices.Contains(names, "*."+below)
	})
}

// seenAt says where something else stands.
func seenAt(r *reader, here, at place) string {
	here, _ = r.out.real(here)
	at, _ = r.out.real(at)
	if here.file == at.file {
		return fmt.Sprintf("in line %d", at.line)
	}
	return "at " + r.out.where(at)
}
