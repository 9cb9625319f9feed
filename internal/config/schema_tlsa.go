package config

import (
	"slices"
	"strings"
	"time"

	"github.com/certkeep/certkeep/internal/dane"
)

// maxTTL is the longest time to live that records are given.
const maxTTL = 24 * time.Hour

func tlsa() shape[TLSA] {
	s := object("tlsa", "TLSA records (DANE, RFC 7671) of a service that presents the certificate. The zone has to be signed (DNSSEC). All entries of one name, also of several certificates, are one set: Certkeep removes what it does not know. Taken out of the config, records stay as they are.", []key[TLSA]{
		field("name", tlsaName(), func(t *TLSA) *string { return &t.Name }, about{
			doc: "Where the records stand: `_PORT._PROTOCOL.HOST`. Required, unless `host` and `port` are given.", example: "_25._tcp.smtp.example.com",
		}),
		field("host", tlsaHost(), func(t *TLSA) *string { return &t.Host }, about{
			doc: "Instead of `name`: the host that clients connect to.", example: "smtp.example.com", off: true,
		}),
		field("port", whole("a port", 1, 65535), func(t *TLSA) *int { return &t.Port }, about{doc: "With `host`: the port.", example: "25", off: true}),
		field("protocol", oneOf("protocol", "tcp", "udp", "sctp"), func(t *TLSA) *string { return &t.Protocol }, about{
			doc: "With `host`: the protocol.", standard: "`tcp`", example: "tcp", off: true,
		}),
		fieldOr("usage", oneOf("usage", dane.Usages()...), func(t *TLSA) *string { return &t.Usage }, "dane-ee", about{
			doc: "What clients do with a record. `dane-ee` and `pkix-ee` speak of the certificate, `dane-ta` and `pkix-ta` of the authorities in its chain.",
		}),
		fieldOr("selector", oneOf("selector", dane.Selectors()...), func(t *TLSA) *string { return &t.Selector }, "spki", about{
			doc: "What of it: the key (`spki`) or all (`cert`), which changes at each renewal.",
		}),
		fieldOr("matching", either("a matching type or a list of them", "[sha256, sha512]",
			single(oneOf("matching type", matchings()...)), filled(distinct(listOf(oneOf("matching type", matchings()...), "a list of matching types", "[sha256, sha512]")))),
			func(t *TLSA) *[]string { return &t.Matching }, []string{"sha256"}, about{doc: "In which form, a record for each: a digest, or `full`."}),
		fieldOr("ttl", duration(time.Second), func(t *TLSA) *time.Duration { return &t.TTL }, 5*time.Minute, about{
			doc: "Time to live of the records, at most a day. A new key waits twice as long before it is used.",
		}),
		field("via", reference("dns entry", "main", dnsNames, func(c *Config, name string) bool { _, ok := c.DNS[name]; return ok }),
			func(t *TLSA) *string { return &t.Via }, about{
				doc: "The entry in `dns` that writes them.", standard: "the one whose zones cover the name", example: "main", off: true,
			}),
	}, checkTLSA)
	s.such = "{name: _25._tcp.smtp.example.com}"
	show := s.show
	s.show = func(t TLSA) *node {
		n := show(t)
		n.pairs = slices.DeleteFunc(n.pairs, func(p pair) bool {
			switch p.key {
			case "name":
				return t.Host != ""
			case "host", "port", "protocol":
				return t.Host == ""
			}
			return false
		})
		return n
	}
	return s
}

// checkTLSA makes the name, and refuses what is said twice or not at all.
func checkTLSA(r *reader, n *node, t *TLSA) {
	parts := n.has("host") || n.has("port") || n.has("protocol")
	switch {
	case n.has("name") && parts:
		r.out.add(n.at, "a name stands beside host, port or protocol", "give either the name or its parts")
	case parts && (!n.has("host") || !n.has("port")):
		r.out.add(n.at, r.is()+" needs host and port", "for example {host: smtp.example.com, port: 25}")
	case !parts && !n.has("name"):
		r.out.add(n.at, r.is()+" has no name", "for example {name: _25._tcp.smtp.example.com}")
	}
	if t.Host != "" && t.Port > 0 {
		if t.Protocol == "" {
			t.Protocol = "tcp"
		}
		t.Name = t.nameOf()
		if _, err := dane.ParseName(t.Name); err != nil {
			r.out.add(n.at, err.Error(), "give host a shorter name, without a wildcard")
		}
	}
	if t.TTL > maxTTL {
		r.out.add(n.placeOf("ttl"), "a ttl of more than a day keeps a new key waiting for days", "at most 24h")
	}
}

// tlsaName is where TLSA records stand. The host may be given in any script.
func tlsaName() shape[string] {
	return scalar(text, "a name", "_25._tcp.smtp.example.com", func(_ *reader, n *node) (string, string, string) {
		given := strings.TrimSuffix(n.text, ".")
		if labels := strings.SplitN(given, ".", 3); len(labels) == 3 {
			if host, wrong, _ := checkName(labels[2]); wrong == "" {
				given = labels[0] + "." + labels[1] + "." + host
			}
		}
		name, err := dane.ParseName(given)
		if err != nil {
			return "", err.Error(), "for example _25._tcp.smtp.example.com"
		}
		return name.String(), "", ""
	}, showText)
}

// tlsaHost is a host that clients connect to.
func tlsaHost() shape[string] {
	return scalar(text, "a host", "smtp.example.com", func(_ *reader, n *node) (string, string, string) {
		name, wrong, hint := checkName(strings.TrimSuffix(n.text, "."))
		if wrong == "" && (isIP(name) || strings.HasPrefix(name, "*.")) {
			return "", n.text + " is not a host that TLSA records can stand at", "one such as smtp.example.com"
		}
		return name, wrong, hint
	}, showText)
}
