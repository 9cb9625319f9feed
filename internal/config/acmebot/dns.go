package acmebot

import (
	"fmt"
	"net"
	"path"
	"slices"
	"strconv"
	"strings"
)

// standardReload is acmebot's default of reload_zone_command.
const standardReload = "/etc/bind/reload-zone.sh"

// recordTTL is the time to live of the records of dns-01, in seconds: acmebot
// writes no other.
const recordTTL = 300

// zoneKey is an entry of zone_update_keys.
type zoneKey struct {
	zone   string
	file   string // absolute
	server string // host:port; "" is the zone's primary
	origin Origin
}

// zoneKeys are the entries of zone_update_keys.
type zoneKeys struct {
	list   []zoneKey
	byZone map[string]zoneKey
}

// zoneEntry is the name of the entry of dns for a zone with an update key.
func zoneEntry(zone string) string { return "zone-" + zone }

// zoneKeys reads the section zone_update_keys.
func (t *translator) zoneKeys(in table) zoneKeys {
	all := zoneKeys{byZone: make(map[string]zoneKey)}
	for _, p := range in.pairs() {
		o := in.option(p.Key)
		k := zoneKey{zone: strings.ToLower(p.Key), origin: o.Origin}
		switch o.v.Kind {
		case Null:
			continue
		case Table:
			fields := o.fields()
			t.unknown(fields, updateKeys())
			file := fields.option("file")
			if k.file = file.text(""); k.file == "" {
				t.fail(o.Origin, "has no file", "name the file of the update key")
				continue
			}
			k.server = t.server(fields)
		default:
			if k.file = o.text(""); k.file == "" {
				continue
			}
		}
		dir := t.dirs.option("update_key").text("/etc/ssl/update_keys")
		if !strings.HasPrefix(k.file, "/") {
			k.file = t.absolute(dir) + "/" + k.file
		}
		k.file = t.absolute(k.file)
		all.list = append(all.list, k)
		all.byZone[k.zone] = k
	}
	return all
}

// server is where updates go; "" is the zone's primary.
func (t *translator) server(fields table) string {
	host := fields.option("server").text("")
	if host == "" {
		return "" // a port alone means nothing to nsupdate
	}
	port := 53
	if o := fields.option("port"); o.given() && !o.null() {
		port = o.number(53)
		if port < 1 || port > 65535 {
			t.fail(o.Origin, fmt.Sprintf("%d is not a port", port), "ports are 1 to 65535")
			port = 53
		}
	}
	return net.JoinHostPort(strings.Trim(host, "[]"), strconv.Itoa(port))
}

// updater is the entry of dns for a zone with an update key.
func (t *translator) updater(dns object, k zoneKey) {
	s := t.sourceOf(k.origin)
	entry := dns.child(zoneEntry(k.zone), s)
	entry.set("provider", s.text("rfc2136"))
	entry.set("zones", s.texts(k.zone))
	if k.server != "" {
		entry.set("server", s.text(k.server))
	}
	file := k.file
	if base, ok := strings.CutSuffix(file, ".private"); ok && t.facts.Exists(base+".key") {
		file = base + ".key" // dnssec-keygen's pair: nsupdate takes either
	}
	entry.set("tsig_file", s.text(file))
	entry.set("ttl", s.seconds(recordTTL))
	t.propagation(entry)
}

// localWriter is the entry of dns for zones that are made from files here.
func (t *translator) localWriter(dns object) {
	w := t.proofs.ways["dns-01"]
	if w == nil {
		return
	}
	zones := strings.Fields(w.zone)
	slices.Sort(zones)
	reload := t.settings.option("reload_zone_command")
	s := reload.source()
	entry := dns.child(localZones, s)
	entry.set("provider", s.text("zonefile"))
	entry.set("zones", s.texts(slices.Compact(zones)...))
	entry.set("command", s.texts(reload.text(standardReload)))
	entry.set("timeout", s.seconds(longest))
	folder := t.dirs.option("challenge")
	file, ok := t.fileIn(folder, "/etc/ssl/challenges", "challenge", "{name}", map[string]string{"name": "{zone}"})
	if dir := path.Dir(file); ok && strings.Contains(dir, "{zone}") {
		t.fail(folder.Origin, "the files of all zones have to be in one folder", "name one without a field")
	} else if ok {
		entry.set("directory", folder.source().text(dir))
		entry.set("file_name", folder.source().text(path.Base(file)))
	}
	t.propagation(entry)
}

// firstGiven is the option that says something; the first one where none does.
func firstGiven(options ...option) option {
	if i := slices.IndexFunc(options, option.given); i >= 0 {
		return options[i]
	}
	return options[0]
}

// propagation says how long records are looked for: so many times, so many
// seconds apart.
func (t *translator) propagation(entry object) {
	attempts, delay := t.settings.option("max_dns_lookup_attempts"), t.settings.option("dns_lookup_delay")
	s := firstGiven(attempts, delay).source()
	n := attempts.number(30)
	if n == 0 {
		entry.set("propagation", s.truth(false))
		return
	}
	entry.child("propagation", s).set("timeout", s.seconds(max(1, n*delay.number(10))))
}
