package config

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
)

func dnsWriters() shape[map[string]DNS] {
	return mapOf("NAME", dnsWriter(), "a table of ways to write records", identifierKey("dns"),
		func(d *DNS, name string) { d.Name = name })
}

// dnsNames lists what `via` may name, for hints.
func dnsNames(c *Config) []string { return declaredNames(c.DNS) }

func dnsWriter() shape[DNS] {
	keys := []key[DNS]{
		field("provider", oneOf("provider", ProviderRFC2136, ProviderCommand, ProviderZoneFile), func(d *DNS) *string { return &d.Provider }, about{
			doc: "`rfc2136` sends dynamic updates to a name server; `command` runs a program; `zonefile` writes the answers of a zone to a file, from which a program makes the zone, as acmebot and bindtool do. Required.", example: ProviderRFC2136,
		}),
		field("zones", filled(distinct(listOf(zone(), "a list of zones", "[example.com]"))), func(d *DNS) *[]string { return &d.Zones }, about{
			doc: "Zones below which records may be written.", standard: "any", example: "[example.com]",
		}),
		field("server", server(), func(d *DNS) *string { return &d.Server }, about{
			doc: "rfc2136: the name server that takes updates, with a port if it is not 53.", standard: "the zone's primary", example: `"192.0.2.53:53"`,
		}),
		field("tsig_file", absolute("/etc/certkeep/update.key"), func(d *DNS) *string { return &d.TSIGFile }, about{
			doc: "rfc2136: key file as `tsig-keygen` writes it, or the `.key` file that `dnssec-keygen` once wrote.", standard: "updates are not signed", example: "/etc/certkeep/update.key", off: true,
		}),
		field("directory", absolute("/etc/ssl/challenges"), func(d *DNS) *string { return &d.Directory }, about{
			doc: "zonefile: folder with a file for each zone, named like it and readable for all: `{\"www.example.com\":\"TEXT\"}` for the TXT records of `_acme-challenge` names. Required.", example: "/etc/ssl/challenges", off: true,
		}),
		zoneFileName(),
		field("command", command("[/usr/local/bin/dns-record]"), func(d *DNS) *Command { return &d.Command }, about{
			doc: "command: the program that writes and removes records. zonefile: the program that makes a zone anew; the zone is its last argument.", example: "[/usr/local/bin/dns-record]", off: true,
		}),
		fieldOr("arguments", manner(), func(d *DNS) *Manner { return &d.Arguments }, MannerNone, about{
			doc: "command: what follows its own arguments. `true` is what mod_md tells its MDChallengeDns01: `setup NAME VALUE` and `teardown NAME VALUE`, for TXT records of `_acme-challenge` names only. `lego` is what lego tells a program of its provider `exec`: `present RECORD. VALUE` and `cleanup RECORD. VALUE`, for TXT records, aliases followed.", example: "lego", off: true,
		}),
		fieldOr("timeout", duration(time.Millisecond), func(d *DNS) *time.Duration { return &d.Timeout }, standardDNSTimeout, about{
			doc: "command, zonefile: how long one run may take.",
		}),
		fieldOr("ttl", duration(0), func(d *DNS) *time.Duration { return &d.TTL }, standardDNSTTL, about{doc: "Time to live of the records."}),
		field("resolver", server(), func(d *DNS) *string { return &d.Resolver }, about{
			doc: "Resolver that is asked for zones, name servers and aliases.", standard: "the system's", example: `"127.0.0.1:53"`, off: true,
		}),
		field("propagation", either("a table or false", "{timeout: 5m}", propagation(), off(Propagation{Off: true}, func(p Propagation) bool { return p.Off })),
			func(d *DNS) *Propagation { return &d.Propagation }, about{
				doc: "How it is made sure that a new record can be seen before the CA is told; `false` does not look.",
			}),
	}
	s := object("dns", "A way to write DNS records.", append(keys, environmentKeys()...), checkDNSWriter)
	show := s.show
	s.show = func(d DNS) *node {
		n := show(d)
		n.pairs = slices.DeleteFunc(n.pairs, func(p pair) bool { return !d.takes(p.key) })
		return n
	}
	return s
}

// takes reports whether a key belongs to the provider, or to all of them.
func (d DNS) takes(key string) bool {
	switch key {
	case "server", "tsig_file":
		return d.Provider == ProviderRFC2136
	case "directory", "file_name":
		return d.Provider == ProviderZoneFile
	case "environment_file", "environment_env", "environment_credential":
		return d.Provider == ProviderRFC2136 || d.Provider == ProviderCommand
	case "arguments":
		return d.Provider == ProviderCommand
	case "ttl":
		return d.Provider != ProviderZoneFile
	case "command", "timeout":
		return d.Provider == ProviderCommand || d.Provider == ProviderZoneFile
	}
	return true
}

// checkDNSWriter refuses keys of one provider with another.
func checkDNSWriter(r *reader, n *node, d *DNS) {
	r.mark("dns."+d.Name, n)
	if d.Provider == "" {
		if !n.has("provider") {
			r.out.add(n.at, fmt.Sprintf("dns %q has no provider", d.Name), "rfc2136, command or zonefile")
		}
		return
	}
	for _, p := range n.pairs {
		if !d.takes(p.key) {
			r.out.add(p.at, fmt.Sprintf("the provider %s takes no %q", d.Provider, p.key), "it belongs to another provider")
		}
	}
	oneSecret(r, n, "environment", false)
	if d.takes("command") && !n.has("command") {
		r.out.add(n.at, fmt.Sprintf("dns %q has no command", d.Name), "the provider "+d.Provider+" needs one")
	}
	if d.Provider == ProviderZoneFile {
		checkZoneFile(r, n, d)
	}
}

// checkZoneFile refuses what no zone can be handed to.
func checkZoneFile(r *reader, n *node, d *DNS) {
	if !n.has("directory") {
		r.out.add(n.at, fmt.Sprintf("dns %q has no directory", d.Name), "the folder in which the program that makes zones looks for challenges")
	}
	if d.Command.Shell != "" {
		r.out.add(n.placeOf("command"), "the program that makes a zone gets it as an argument, which a shell text cannot take", "write a list: [/etc/bind/reload-zone.sh]")
	}
}

func propagation() shape[Propagation] {
	s := object("propagation", "How it is made sure that a new record can be seen before the CA is told.", []key[Propagation]{
		fieldOr("timeout", duration(time.Millisecond), func(p *Propagation) *time.Duration { return &p.Timeout }, standardPropagation, about{
			doc: "How long to look before giving up.",
		}),
		field("servers", filled(listOf(server(), "a list of name servers", `["192.0.2.53:53"]`)), func(p *Propagation) *[]string { return &p.Servers }, about{
			doc: "Name servers that are asked.", standard: "every authoritative server of the zone", example: `["192.0.2.53:53"]`, off: true,
		}),
	}, nil)
	show := s.show
	s.show = func(p Propagation) *node {
		if p.Off {
			return nil
		}
		return show(p)
	}
	return s
}

// zone is a DNS zone.
func zone() shape[string] {
	return scalar(text, "a zone", "example.com", func(_ *reader, n *node) (string, string, string) {
		name, wrong, hint := checkName(n.text)
		if wrong == "" && (isIP(name) || strings.HasPrefix(name, "*.")) {
			return "", fmt.Sprintf("%q is not a zone", name), "one such as example.com"
		}
		return name, wrong, hint
	}, showText)
}

// server is a name server; the port is 53 where none is given.
func server() shape[string] {
	return scalar(text, "an address", `"192.0.2.53:53"`, func(r *reader, n *node) (string, string, string) {
		host, port, err := net.SplitHostPort(n.text)
		if err != nil {
			host, port = strings.Trim(n.text, "[]"), "53"
		}
		if p, err := strconv.ParseUint(port, 10, 16); err != nil || p == 0 {
			return "", fmt.Sprintf("%s: %q is not a port", r.is(), shorten(port)), "ports are 1 to 65535"
		}
		name, wrong, _ := checkName(host)
		if wrong != "" || strings.HasPrefix(name, "*") {
			return "", fmt.Sprintf("%s: %q is not a server", r.is(), shorten(host)), `write one such as "192.0.2.53:53"`
		}
		return net.JoinHostPort(name, port), "", ""
	}, showText)
}

// zoneFileName is the name of a zone's file.
func zoneFileName() key[DNS] {
	return fieldOr("file_name", checked("a name with {zone}", "{zone}.json", func(s string) (wrong, hint string) {
		if !strings.Contains(s, "{zone}") || strings.ContainsAny(strings.Replace(s, "{zone}", "", 1), "{}/") {
			return fmt.Sprintf("%q is no name for the files of zones", shorten(s)), "write {zone} where the zone's name stands, as in {zone}.json"
		}
		return "", ""
	}), func(d *DNS) *string { return &d.FileName }, "{zone}", about{doc: "zonefile: how the file of a zone is named."})
}
