package acmebot

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/net/publicsuffix"
)

// certificate is a certificate of acmebot's.
type certificate struct {
	name   string // as acmebot's files have it
	at     Place
	in     table
	key    *privateKey
	types  []string // rsa, ecdsa
	common string
	names  []name
}

// name is one of the names of a certificate.
type name struct {
	fqdn   string // lower case; "*.example.com" for a wildcard
	zone   string // lower case
	origin Origin // of its entry
}

func (c *certificate) origin() Origin { return Origin{Key: c.in.path, At: c.at} }

// option returns the value of a key that settings may have too.
func (c *certificate) option(key string) option { return c.in.inherited(key) }

// readNames reads common_name and alt_names.
func (t *translator) readNames(c *certificate) {
	cn := c.in.option("common_name")
	if c.common = strings.ToLower(strings.TrimSpace(cn.text(c.name))); c.common == "" {
		c.common = strings.ToLower(c.name)
	}
	alt := c.in.option("alt_names")
	switch {
	case !alt.given() || alt.null():
		if cn.Default {
			cn.Origin = c.origin()
		}
		c.names = []name{{fqdn: c.common, zone: registered(c.common), origin: cn.Origin}}
	case alt.v.Kind != Table:
		t.fail(alt.Origin, "takes a table of zones with their hosts, not "+alt.v.describe(), `for example {"example.com": ["@", "www"]}`)
		return
	default:
		c.names = t.zones(c.in.table("alt_names"), c.common)
	}
	if t.wrongNames(c.names) {
		return
	}
	if !slices.ContainsFunc(c.names, func(n name) bool { return n.fqdn == c.common }) {
		if cn.Default {
			cn.Origin = c.origin()
		}
		t.fail(cn.Origin, fmt.Sprintf("the common name %s is not among the alt_names", quoted(c.common)), "add it there, or set common_name to one of them")
	}
	for i, n := range c.names {
		for _, other := range c.names[i+1:] {
			if overlap(n.fqdn, other.fqdn) {
				t.fail(other.origin, fmt.Sprintf("%q conflicts with %q of the same certificate", other.fqdn, n.fqdn), "remove one of them")
			}
		}
	}
}

// wrongNames reports, with errors where they stand, whether some of these are
// none that certificates can have.
func (t *translator) wrongNames(all []name) bool {
	found := false
	for _, n := range all {
		if wrong, hint := t.facts.Name(n.fqdn); wrong != "" {
			t.fail(n.origin, wrong, hint)
			found = true
		}
	}
	return found
}

// zones reads a table of zones with their hosts. The zone "@" stands for
// apex, where that is not "".
func (t *translator) zones(in table, apex string) []name {
	var all []name
	for _, p := range in.pairs() {
		zone := strings.ToLower(p.Key)
		here := in.option(p.Key)
		switch {
		case zone == "@" && apex != "":
			zone = apex
		case zone == "@" || strings.HasPrefix(zone, "<") || zone == "":
			t.fail(here.Origin, fmt.Sprintf("%s is not a zone", quoted(p.Key)), "write the name of a DNS zone")
			continue
		}
		for _, item := range here.items() {
			host := strings.ToLower(strings.TrimSpace(item.text("")))
			switch {
			case host == "":
				continue
			case host == "@":
				host = zone
			default:
				host += "." + zone
			}
			all = append(all, name{fqdn: host, zone: zone, origin: item.Origin})
		}
	}
	return all
}

// registered is the zone that a name without one is taken to be in: the
// domain that was registered.
func registered(fqdn string) string {
	base := strings.TrimPrefix(fqdn, "*.")
	zone, err := publicsuffix.EffectiveTLDPlusOne(base)
	if err != nil {
		return base
	}
	return zone
}

// overlap reports whether two names are the same, or one is a wildcard that
// covers the other.
func overlap(a, b string) bool { return a == b || covers(a, b) || covers(b, a) }

// covers reports whether a is a wildcard over b.
func covers(a, b string) bool {
	below, wild := strings.CutPrefix(a, "*.")
	_, rest, _ := strings.Cut(b, ".")
	return wild && rest == below
}
