package config

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/certkeep/certkeep/internal/dane"
	"github.com/certkeep/certkeep/internal/plan"
)

// TLSA is records of one name in DNS that speak of a certificate.
type TLSA struct {
	Name     string // _PORT._PROTOCOL.HOST in lower case
	Host     string // "" where the configuration gives Name itself
	Port     int
	Protocol string
	Usage    string   // one of dane.Usages
	Selector string   // one of dane.Selectors
	Matching []string // of matchings
	TTL      time.Duration
	Via      string // name in Config.DNS
}

// matchings are the names of the matching types, by their numbers.
func matchings() []string { return []string{"full", "sha256", "sha512"} }

// Want is what the entry asks package dane for.
func (t TLSA) Want() (dane.Want, error) {
	usage, err := dane.ParseUsage(t.Usage)
	if err != nil {
		return dane.Want{}, err
	}
	selector, err := dane.ParseSelector(t.Selector)
	want := dane.Want{Usage: usage, Selector: selector}
	for _, name := range t.Matching {
		want.Matching = append(want.Matching, dane.Matching(slices.Index(matchings(), name)))
	}
	return want, err
}

// TLSAOf are the entries of all certificates for one name in DNS: its records
// are one set, and each chain that is served there needs those of every entry.
func (c *Config) TLSAOf(name string) []TLSA {
	var all []TLSA
	for i := range c.Certificates {
		for _, t := range c.Certificates[i].TLSA {
			if t.Name == name {
				all = append(all, t)
			}
		}
	}
	return all
}

// tlsaSite is one name in DNS with all that stands there.
type tlsaSite struct {
	entries []TLSA
	certs   []int // whose entries these are, by their index, each once
}

// tlsaSites are the names in DNS that certificates have records at.
func (c *Config) tlsaSites() map[string]*tlsaSite {
	sites := make(map[string]*tlsaSite)
	for i := range c.Certificates {
		for _, t := range c.Certificates[i].TLSA {
			s := sites[t.Name]
			if s == nil {
				s = &tlsaSite{}
				sites[t.Name] = s
			}
			if len(s.certs) == 0 || s.certs[len(s.certs)-1] != i {
				s.certs = append(s.certs, i)
			}
			s.entries = append(s.entries, t)
		}
	}
	return sites
}

// wantTLSA fills in what certificates want of their names in DNS.
func (c *Config) wantTLSA(certs []plan.WantedCert) {
	sites := c.tlsaSites()
	for _, name := range slices.Sorted(maps.Keys(sites)) {
		site := sites[name]
		want := plan.WantedTLSA{Name: name, Config: tlsaDigest(site.entries)}
		if t := site.entries[0]; c.DNS[t.Via].Provider == ProviderRFC2136 {
			want.TTL = t.TTL.Truncate(time.Second) // a program gives its records the one that it likes
		}
		for _, i := range site.certs {
			own := want
			for _, other := range site.certs {
				if other != i {
					o := certs[other]
					own.Beside = append(own.Beside, plan.Neighbour{Cert: o.Name, Keys: o.Keys, KeyTypes: o.KeyTypes, Targets: o.Targets})
				}
			}
			certs[i].TLSA = append(certs[i].TLSA, own)
		}
	}
}

// tlsaDigest names all that shapes the records of one name.
func tlsaDigest(entries []TLSA) string {
	d := make(digester, 0, 128)
	d.put("tlsa 1")
	for _, t := range entries {
		d.put(t.Usage, t.Selector)
		d.count(len(t.Matching))
		d.put(t.Matching...)
	}
	return d.sum()
}

// finishTLSA finds out who publishes the records of a certificate, and checks
// that nobody else says otherwise.
//
// Where records speak of keys, the next key is kept ready unless the
// configuration says otherwise: no renewal then waits for caches.
func finishTLSA(r *reader, n *node, c *Certificate) {
	if c.CSR == nil && len(c.Static) == 0 && c.Key == "" && !n.has("backup_key") && slices.ContainsFunc(c.TLSA, TLSA.ofKeys) {
		c.BackupKey = true
	}
	at := n.placeOf("tlsa")
	for i := range c.TLSA {
		t := &c.TLSA[i]
		if p := n.get("tlsa"); p != nil && len(p.value.items) == len(c.TLSA) {
			at = p.value.items[i].at
		}
		if t.Via == "" {
			via, hint := publisher(r.cfg, t.Name)
			if via == "" {
				r.out.add(at, "nobody can publish "+t.Name, hint)
				continue
			}
			t.Via = via
		}
		d := r.cfg.DNS[t.Via]
		switch {
		case !d.Covers(t.Name):
			r.out.add(at, fmt.Sprintf("%s is to be published via dns entry %q, whose zones are %s", t.Name, t.Via, strings.Join(d.Zones, ", ")), "add the zone there")
		case d.Provider == ProviderZoneFile:
			r.out.add(at, fmt.Sprintf("%s is to be published via dns entry %q, whose program makes TLSA records itself", t.Name, t.Via),
				"list the zone in reload_zones instead, or name another entry by via")
		case d.Propagation.Off:
			r.out.add(at, fmt.Sprintf("%s is to be published via dns entry %q, which does not look at DNS", t.Name, t.Via),
				"set its propagation: {servers: [...]} to name servers that can be asked from here")
		}
		if r.certs.tlsa == nil {
			r.certs.tlsa = make(map[string]TLSA)
		}
		first, ok := r.certs.tlsa[t.Name]
		if ok && (first.Via != t.Via || first.TTL != t.TTL) {
			r.out.add(at, fmt.Sprintf("the records of %s are to be published via %q with a ttl of %s here, and via %q with %s elsewhere", t.Name, t.Via, FormatDuration(t.TTL), first.Via, FormatDuration(first.TTL)),
				"they are one set: say the same everywhere")
		}
		r.certs.tlsa[t.Name] = *t
	}
}

// publisher is the entry in `dns` that records of a name are published by
// where the configuration does not say: the one with the longest zone around
// it, else the only one that takes any zone.
func publisher(cfg *Config, name string) (via, hint string) {
	longest := ""
	var any []string
	for _, entry := range dnsNames(cfg) {
		d := cfg.DNS[entry]
		if d.Provider == ProviderZoneFile {
			continue // its program makes them
		}
		if len(d.Zones) == 0 {
			any = append(any, entry)
		}
		for _, zone := range d.Zones {
			switch {
			case !within(name, zone) || len(zone) < len(longest):
			case zone == longest && via != entry:
				return "", fmt.Sprintf("dns entries %q and %q both have the zone %s: name one of them by via", via, entry, zone)
			default:
				via, longest = entry, zone
			}
		}
	}
	switch {
	case via != "":
		return via, ""
	case len(any) == 1:
		return any[0], ""
	case len(any) > 1:
		return "", "name one of the dns entries by via: " + strings.Join(any, ", ")
	}
	_, parent, _ := strings.Cut(strings.SplitN(name, ".", 3)[2], ".")
	return "", fmt.Sprintf("add an entry with the zone to dns, for example dns: {main: {provider: rfc2136, zones: [%s], tsig_file: /etc/certkeep/update.key}}", parent)
}

// ofKeys reports whether the records speak of the certificate's key.
func (t TLSA) ofKeys() bool { return strings.HasSuffix(t.Usage, "-ee") && t.Selector == "spki" }

// nameOf is the name in DNS of a service.
func (t TLSA) nameOf() string { return "_" + strconv.Itoa(t.Port) + "._" + t.Protocol + "." + t.Host }
