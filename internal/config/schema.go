package config

import (
	"cmp"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// schema is the description of a whole configuration. Reading, Show, the
// reference Markdown, the JSON Schema and Example all follow from it; a key
// exists when it stands here. Keys are read in this order, so that later ones
// can refer to earlier ones.
func schema() shape[Config] {
	root := object("configuration", "A Certkeep configuration.", slices.Insert([]key[Config]{
		fieldOr("state", absolute("/var/lib/certkeep"), func(c *Config) *string { return &c.State }, "/var/lib/certkeep", about{
			doc: "Folder of everything that Certkeep remembers: accounts, keys, certificates, orders, archive, control socket. Always on this machine.",
		}),
		field("node", identifier("node", "web1"), func(c *Config) *string { return &c.Node }, about{
			doc:      "Name of this machine among those that install certificates.",
			standard: "made once and kept in `state`", example: "web1", off: true,
		}),
		field("email", checked("a mail address", "admin@example.com", checkEmail), func(c *Config) *string { return &c.Email }, about{
			doc: "Contact address for new accounts. Some CAs need none.", example: "admin@example.com",
		}),
		field("accept_terms", acceptTerms(), func(c *Config) *Terms { return &c.Terms }, about{
			doc:      "Whether the terms of service of CAs are agreed to: `true`, or a list of issuers. Otherwise a new account is refused, with the URL of the terms.",
			standard: "`false`", example: "true",
		}),
		fieldOr("concurrency", whole("a number of orders", 1, 1000), func(c *Config) *int { return &c.Concurrency }, 20, about{
			doc: "Orders that are under way at once.",
		}),
		fieldOr("issue", truth(), func(c *Config) *bool { return &c.Issue }, true, about{
			doc: "Whether this node may order certificates. With `false` it installs and verifies what is in the store.",
		}),
		fieldOr("solve", truth(), func(c *Config) *bool { return &c.Solve }, true, about{
			doc: "Whether this node may answer challenges. With `false` it orders only what the CA takes as proven already, and leaves every challenge alone. CAs reuse a proof for ever shorter times (Let's Encrypt: 7 hours from 2028), so another node has to keep the names proven at the same account all the time; a CNAME of `_acme-challenge` to a zone that this node may write is better.",
		}),
		waitKey(), warningExitKey(), revokeKey(), pidFileKey(), helperKey(),
		field("listen", listen(), func(c *Config) *Listen { return &c.Listen }, about{doc: "Own listeners."}),
		field("log", logging(), func(c *Config) *Log { return &c.Log }, about{doc: "What is logged, how, and where to."}),
		field("issuers", issuers(), func(c *Config) *map[string]Issuer { return &c.Issuers }, about{doc: "Certification authorities, by names of your choice."}),
		field("dns", dnsWriters(), func(c *Config) *map[string]DNS { return &c.DNS }, about{
			doc: "Ways to write DNS records, by names of your choice.",
		}),
		ctLogsKey(),
		challengesKey(),
		field("services", services(), serviceMap, about{
			doc: "Programs that read certificates, by names of your choice.",
		}),
		hooksKey(),
		metricsKey(),
		notifyKey(),
		field("keep", keep(), func(c *Config) *Keep { return &c.Keep }, about{doc: "How much of the past is kept."}),
		suffixKey(),
		field("defaults", defaults(), func(c *Config) *Settings { return &c.Defaults }, about{
			doc: "Settings of all certificates that do not say otherwise.",
		}),
		field("keys", keySets(), func(c *Config) *map[string]Keys { return &c.Keys }, about{
			doc: "Private keys that certificates share, by names of your choice.",
		}),
		field("authorizations", nameList(), func(c *Config) *[]string { return &c.Authorizations }, about{
			doc: "Names that are kept proven at the first issuer of `defaults`, without a certificate: for nodes with `solve: false` that share the account. Orders for them are never finalised. `status` shows them as `authorizations`.", standard: "none", example: "[xmpp.example.com]", off: true,
		}),
		field("certificates", certificates(), func(c *Config) *[]Certificate { return &c.Certificates }, about{
			doc: "The certificates that are wanted, by names of your choice. The name stands in records, paths and commands; without `names` it is also the only name in the certificate.",
		}),
	}, 1, storeKeyKeys()...), finishConfig)
	return root
}

// finishConfig checks what speaks of more than one key.
func finishConfig(r *reader, n *node, c *Config) {
	for i, issuer := range c.Terms.Issuers {
		if _, ok := c.Issuers[issuer]; !ok {
			at := n.placeOf("accept_terms")
			if p := n.get("accept_terms"); p != nil && i < len(p.value.items) {
				at = p.value.items[i].at
			}
			r.out.add(at, fmt.Sprintf("unknown issuer %q", issuer), hintAmong(issuer, issuerNames(c)))
		}
	}
	r.certs.finish(r)
	finishAuthorizations(r, n, c)
	finishStoreKey(r, n, c)
	finishHelper(r, n, c)
}

// acceptTerms is true, false or a list of issuers. The issuers are looked up
// when all of them were read.
func acceptTerms() shape[Terms] {
	all := as(truth(),
		func(_ *reader, _ *node, yes bool) (Terms, bool) { return Terms{All: yes}, true },
		func(t Terms) (bool, bool) { return t.All, len(t.Issuers) == 0 })
	some := as(filled(listOf(wordsOf("the name of an issuer", ""), "a list of issuers", "[letsencrypt]")),
		func(_ *reader, _ *node, names []string) (Terms, bool) { return Terms{Issuers: names}, true },
		func(t Terms) ([]string, bool) { return t.Issuers, len(t.Issuers) > 0 })
	return either("true, false or a list of issuers", "true", all, some)
}

func listen() shape[Listen] {
	return object("listen", "Own listeners.", []key[Listen]{
		fieldOr("http", httpListener(),
			func(l *Listen) *HTTPListener { return &l.HTTP }, HTTPListener{Address: ":80"}, about{
				doc: "Address for http-01 as \":80\", \"192.0.2.1:80\" or {address: …}; `false` never listens. The port is taken only while a challenge is pending, or always where it redirects.",
			}),
		fieldOr("tls", either("an address or false", `":443"`, address(), off("", isEmpty)),
			func(l *Listen) *string { return &l.TLS }, "", about{
				doc: "Address for tls-alpn-01, such as \":443\"; `false` never listens. The port is taken only while a challenge is pending.",
			}),
		field("outside", outside(), func(l *Listen) *Outside { return &l.Outside }, about{
			doc: "How ports 80 and 443 at the address that the names lead to arrive here: decides which challenges are tried, and which ports the own listeners take.", standard: "as they are", example: "{80: 8080, 443: false}", off: true,
		}),
		statusKey(),
	}, finishListen)
}

func isEmpty(s string) bool { return s == "" }

// address is what a listener binds to.
func address() shape[string] {
	s := scalar(text|number, "an address", `":80"`, func(r *reader, n *node) (string, string, string) {
		if n.kind == number {
			return "", fmt.Sprintf("%s takes an address, not the number %s", r.is(), n.text), fmt.Sprintf(`write ":%s"`, n.text)
		}
		host, port, err := net.SplitHostPort(n.text)
		if err != nil {
			return "", fmt.Sprintf("%s: %q is not an address with a port", r.is(), shorten(n.text)), `write one such as ":80" or "192.0.2.1:80"`
		}
		if _, err := netip.ParseAddr(host); host != "" && err != nil {
			return "", fmt.Sprintf("%s: %q is not an IP address of this machine", r.is(), shorten(host)), `write one such as "192.0.2.1:80", or ":80" for all of them`
		}
		if p, err := strconv.ParseUint(port, 10, 16); err != nil || p == 0 {
			return "", fmt.Sprintf("%s: %q is not a port", r.is(), shorten(port)), "ports are 1 to 65535"
		}
		return n.text, "", ""
	}, showText)
	s.json = func() *jsonSchema { return &jsonSchema{Type: "string"} }
	return s
}

func logging() shape[Log] {
	return object("log", "What is logged, how, and where to.", []key[Log]{
		fieldOr("level", oneOf("log level", "error", "warn", "info", "debug"), func(l *Log) *string { return &l.Level }, "info", about{
			doc: "The least important messages that are logged.",
		}),
		fieldOr("format", oneOf("log format", LogAuto, LogHuman, LogLogfmt, LogJSON), func(l *Log) *string { return &l.Format }, LogAuto, about{
			doc: "How messages look; `auto` is `human` on a terminal and `logfmt` elsewhere.",
		}),
		fieldOr("file", either("an absolute path or false", "/var/log/certkeep.log", absolute("/var/log/certkeep.log"), off("", isEmpty)),
			func(l *Log) *string { return &l.File }, "", about{
				doc: "File to log to instead of stderr. Each message opens it by its name, so that it may be rotated at any time.",
			}),
		field("owner", userName(), func(l *Log) *string { return &l.Owner }, about{
			doc: "Owner of the file where it has to be made.", standard: "the running user", example: "root", off: true,
		}),
		field("group", userName(), func(l *Log) *string { return &l.Group }, about{
			doc: "Group of the file where it has to be made.", standard: "that of the running user", example: "adm", off: true,
		}),
		fieldOr("mode", mode(), func(l *Log) *fs.FileMode { return &l.Mode }, 0o600, about{
			doc: "Mode of the file where it has to be made.",
		}),
		fieldOr("color", oneOf("a word", ColorAuto, ColorAlways, ColorNever), func(l *Log) *string { return &l.Color }, ColorAuto, about{
			doc: "Where commands print in colour; `auto` is on terminals, unless `NO_COLOR` is set. The option `--color` comes first.",
		}),
	}, nil)
}

func keep() shape[Keep] {
	return object("keep", "How much of the past is kept.", []key[Keep]{
		fieldOr("versions", whole("a number of versions", 1, 1000), func(k *Keep) *int { return &k.Versions }, 3, about{
			doc: "Versions of each certificate, the one in use included.",
		}),
		fieldOr("archive", duration(0), func(k *Keep) *time.Duration { return &k.Archive }, year, about{
			doc: "How long files that were replaced are kept; 0s keeps them for ever.",
		}),
		fieldOr("archive_directory", either("an absolute path or false", "/etc/ssl/archive", absolute("/etc/ssl/archive"), off("", isEmpty)),
			func(k *Keep) *string { return &k.ArchiveDirectory }, "", about{
				doc: "Keeps files that were replaced there instead of in the state, as acmebot does: `KEYS/YYYY_MM_DD_HHMMSS/KIND.NAME`, with the name of the keys (or of a certificate that has none), the local time, and a kind such as `certificate` or `private_key`. What is older than `archive` says is removed, also what acmebot left there.",
			}),
		fieldOr("events", whole("a number of events", 0, 1_000_000), func(k *Keep) *int { return &k.Events }, 256, about{
			doc: "Events of each certificate that `history` can show.",
		}),
	}, nil)
}

func checkEmail(s string) (wrong, hint string) {
	name, host, ok := strings.Cut(strings.TrimPrefix(s, "mailto:"), "@")
	switch {
	case strings.HasPrefix(s, "mailto:"):
		return fmt.Sprintf("%q is a URL", shorten(s)), fmt.Sprintf("write %q", shorten(s[len("mailto:"):]))
	case !ok || name == "" || strings.ContainsAny(s, " \t,;<>?"):
		return fmt.Sprintf("%q is not a mail address", shorten(s)), "one such as admin@example.com"
	}
	if _, wrong, hint := checkName(host); wrong != "" {
		return fmt.Sprintf("%q is not a mail address", shorten(s)), cmp.Or(hint, "one such as admin@example.com")
	}
	return "", ""
}

// identifier is a name that stands in records and file names.
func identifier(what, such string) shape[string] {
	return checked("a name", such, func(s string) (string, string) { return checkIdentifier("the "+what+" name", s) })
}

// identifierKey is identifier for the keys of a table.
func identifierKey(what string) func(*reader, place, string) bool {
	return func(r *reader, at place, name string) bool {
		wrong, hint := checkIdentifier("the "+what+" name", name)
		if wrong != "" {
			r.out.add(at, wrong, hint)
		}
		return wrong == ""
	}
}

// userName is a user or group; whether it exists is known where files are
// written.
func userName() shape[string] {
	return checked("a name", "", func(s string) (string, string) {
		if strings.ContainsAny(s, " \t:/") {
			return fmt.Sprintf("%q is not a name of a user or group", shorten(s)), ""
		}
		return "", ""
	})
}

// declaredNames lists the names of a map for hints.
func declaredNames[V any](m map[string]V) []string {
	var names []string
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
