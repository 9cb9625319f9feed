package config

import (
	"fmt"
	"maps"
	"slices"
)

// ZoneFileOf is the entry of `dns` that makes a zone anew; "" where there is
// none. One that lists its zones goes before one that takes any.
func (c *Config) ZoneFileOf(zone string) string {
	anyZone := ""
	for _, name := range slices.Sorted(maps.Keys(c.DNS)) {
		d := c.DNS[name]
		switch {
		case d.Provider != ProviderZoneFile:
		case slices.Contains(d.Zones, zone):
			return name
		case len(d.Zones) == 0 && anyZone == "":
			anyZone = name
		}
	}
	return anyZone
}

// checkReloadZones makes sure that somebody can make each of them anew.
func checkReloadZones(r *reader, n *node, c *Certificate) {
	for _, zone := range c.ReloadZones {
		if r.cfg.ZoneFileOf(zone) == "" {
			at := r.certs.at
			if n.has("reload_zones") {
				at = n.placeOf("reload_zones")
			}
			r.out.add(at, fmt.Sprintf("no entry of dns can make the zone %q anew", zone),
				fmt.Sprintf("add one: dns: {local: {provider: zonefile, zones: [%s], directory: /etc/ssl/challenges, command: [/etc/bind/reload-zone.sh]}}", zone))
		}
	}
}
