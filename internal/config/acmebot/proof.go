package acmebot

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// proofs say how names are proven: names with the same way stand together, in
// the order in which the ways are met first.
type proofs struct {
	order []string            // ways, by a key of their own
	ways  map[string]*way     // by that key
	seen  map[string]struct{} // names
}

// way is one way to prove names: a folder for http-01, or an entry of dns.
type way struct {
	folder string // http-01
	zone   string // dns-01: the zone whose records are written
	names  []string
	origin Origin
}

// localZones is the entry of dns for zones without an update key.
const localZones = "local-zones"

// proof says how each name of certificates and authorizations is proven.
func (t *translator) proof(out object, top table) {
	keys := t.zoneKeys(t.section(top, "zone_update_keys"))
	folders := t.section(top, "http_challenges")
	granted := t.section(top, "authorizations")
	t.updates = make(map[string]bool)
	for _, k := range keys.list {
		t.updates[k.zone] = true
	}
	follower := t.follower()
	t.proofs = proofs{ways: make(map[string]*way), seen: make(map[string]struct{})}
	authorized := t.zones(granted, "")
	t.wrongNames(authorized)
	if !follower.truth(false) {
		for _, k := range t.keys {
			for _, c := range k.certs {
				t.prove(c.names, keys, folders)
			}
		}
		t.prove(authorized, keys, folders)
	}
	dns := t.object(t.sourceOf(Origin{Key: "zone_update_keys", At: folders.at, Default: true}))
	for _, k := range keys.list {
		t.updater(dns, k)
	}
	t.localWriter(dns)
	if len(dns.v.Pairs) > 0 {
		out.set("dns", dns.v)
	}
	if rules := t.rules(); len(rules.Items) > 0 {
		out.set("challenges", rules)
	}
	if len(authorized) > 0 {
		s := t.origin("authorizations", granted.at)
		list := &Value{Kind: List, At: s.place()}
		for _, n := range authorized {
			list.Items = append(list.Items, t.sourceOf(n.origin).text(n.fqdn))
		}
		out.set("authorizations", list)
	}
	if follower.truth(false) {
		out.set("solve", follower.source().truth(false))
	}
}

// follower is follower_mode, or its older name.
func (t *translator) follower() option {
	o, old := t.settings.option("follower_mode"), t.settings.option("slave_mode")
	if !o.given() && old.given() {
		return old
	}
	return o
}

// prove finds the way for each of some names.
func (t *translator) prove(names []name, keys zoneKeys, folders table) {
	for _, n := range names {
		if _, known := t.proofs.seen[n.fqdn]; known {
			continue
		}
		t.proofs.seen[n.fqdn] = struct{}{}
		if folder, o := t.folderFor(n, folders); folder != "" {
			t.proofs.add("http-01 "+folder, &way{folder: folder, origin: o}, n.fqdn)
			continue
		}
		if k, ok := keys.byZone[n.zone]; ok {
			t.proofs.add("dns-01 "+n.zone, &way{zone: n.zone, origin: k.origin}, n.fqdn)
			continue
		}
		reload := t.settings.option("reload_zone_command")
		if reload.text(standardReload) == "" {
			t.fail(n.origin, fmt.Sprintf("%q can be proven neither by http-01, nor by dns-01: reload_zone_command is off", n.fqdn),
				fmt.Sprintf("set http_challenges for it, zone_update_keys for the zone %s, or settings.reload_zone_command", n.zone))
			continue
		}
		t.proofs.add("dns-01", &way{origin: reload.Origin}, n.fqdn)
		t.proofs.ways["dns-01"].zone += " " + n.zone
	}
}

// add puts a name to those with the same way.
func (p *proofs) add(key string, w *way, fqdn string) {
	if p.ways[key] == nil {
		p.ways[key] = w
		p.order = append(p.order, key)
	}
	p.ways[key].names = append(p.ways[key].names, fqdn)
}

// folderFor is where files of http-01 for a name lie; "" where it is proven by
// dns-01. Wildcards cannot be proven by http-01, whatever is configured.
func (t *translator) folderFor(n name, folders table) (string, Origin) {
	if strings.HasPrefix(n.fqdn, "*.") {
		return "", Origin{}
	}
	own := folders.option(n.fqdn)
	if own.given() {
		folder := own.text("")
		if folder == "" {
			return "", Origin{}
		}
		return t.absolute(folder), own.Origin
	}
	general := t.dirs.option("http_challenge")
	pattern := general.text("")
	if pattern == "" {
		return "", Origin{}
	}
	host, _ := strings.CutSuffix(n.fqdn, n.zone)
	if host = strings.Trim(host, "."); host == "" {
		host = "."
	}
	folder, wrong := format(pattern, map[string]string{"zone": n.zone, "host": host, "fqdn": n.fqdn})
	if wrong != "" {
		t.fail(general.Origin, wrong, "known: {zone}, {host}, {fqdn}")
		return "", Origin{}
	}
	return t.absolute(folder), general.Origin
}

// rules are Certkeep's rules for the names.
func (t *translator) rules() *Value {
	s := t.sourceOf(Origin{Key: "http_challenges", At: t.place, Default: true})
	list := &Value{Kind: List, At: s.place()}
	var later []*Value
	for _, key := range t.proofs.order {
		w := t.proofs.ways[key]
		others, own := partition(w.names, func(name string) bool { return t.proofs.covers(name, w) })
		if len(own) > 0 {
			list.Items = append(list.Items, t.rule(key, w, own))
		}
		if len(others) > 0 {
			later = append(later, t.rule(key, w, others))
		}
	}
	list.Items = append(list.Items, later...)
	return list
}

// covers reports whether a wildcard stands for a name that is proven in another
// way. As a pattern of a rule it counts for that too, unless its rule comes later.
func (p *proofs) covers(wildcard string, own *way) bool {
	zone, ok := strings.CutPrefix(wildcard, "*.")
	if !ok {
		return false
	}
	for _, w := range p.ways {
		if w != own && slices.ContainsFunc(w.names, func(name string) bool {
			_, below, _ := strings.Cut(name, ".")
			return below == zone
		}) {
			return true
		}
	}
	return false
}

// rule is one of them.
func (t *translator) rule(key string, w *way, names []string) *Value {
	s := t.sourceOf(w.origin)
	rule := t.object(s)
	rule.set("names", s.texts(names...))
	if w.folder == "" {
		via := localZones
		if key != "dns-01" {
			via = zoneEntry(w.zone)
		}
		rule.child("dns-01", s).set("via", s.text(via))
	} else { // also where it ends as a web server's does: acmebot makes it where it is missing
		rule.child("http-01", s).set("folder", s.text(path.Clean(w.folder)))
	}
	return rule.v
}

// partition divides names into those for which something holds, and the rest.
func partition(names []string, holds func(string) bool) (yes, no []string) {
	for _, name := range names {
		if holds(name) {
			yes = append(yes, name)
		} else {
			no = append(no, name)
		}
	}
	return yes, no
}
