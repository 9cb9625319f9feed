package config

import (
	"fmt"
	"slices"
	"time"

	"github.com/certkeep/certkeep/internal/keys"
	"github.com/certkeep/certkeep/internal/plan"
)

// defaults are the settings that a certificate starts from.
func defaults() shape[Settings] {
	s := object("defaults", "Settings of all certificates that do not say otherwise. A certificate replaces what it names, `renew` key by key.",
		settingsKeys(func(s *Settings) *Settings { return s }), func(r *reader, n *node, _ *Settings) { onePassphrase(r, n) })
	s.fresh = standardSettings
	return s
}

// standardSettings are the settings where `defaults` says nothing.
func standardSettings() Settings {
	return Settings{
		Issuers:  []string{"letsencrypt"},
		KeyTypes: []keys.Type{keys.ECDSAP256},
		Renew:    plan.RenewPolicy{ARI: true},
		Warn:     plan.Span{Percent: 10},
		Layout:   LayoutStandard,
		Mode:     ModeAuto,
		Activate: ActivateReload,

		StapleWait:       50 * time.Second,
		ProfileMandatory: true,
	}
}

// settingsKeys are the keys that `defaults` and certificates share. They have
// no defaults of their own: a certificate starts from `defaults`.
func settingsKeys[T any](at func(*T) *Settings) []key[T] {
	std := standardSettings()
	list := []key[T]{
		inherited(field("issuer", issuerList(), func(t *T) *[]string { return &at(t).Issuers }, about{
			doc: "Issuer, or several in order of preference: the next one is asked when one fails. A certificate is kept while its issuer is listed.", example: "[letsencrypt, zerossl]", off: true,
		}), showText(std.Issuers[0])),
		inherited(field("key_types", filled(distinct(listOf(keyType(), "a list of key types", "[ecdsa-p256]"))), func(t *T) *[]keys.Type { return &at(t).KeyTypes }, about{
			doc: "Kinds of private key, a certificate for each, side by side. The first one is the plain one.", example: "[ecdsa-p256, rsa-2048]", off: true,
		}), keyTypeNode(std.KeyTypes)),
		profileKey(at),
		profileMandatoryKey(at),
		mustStapleKey(at),
		stapleWaitKey(at),
		quarantineKey(at),
		inherited(field("key_reuse", truth(), func(t *T) *bool { return &at(t).KeyReuse }, about{
			doc: "Whether a renewal keeps the private key. It then changes by `certkeep rollover` only, as pins and TLSA records want it.",
		}), truth().show(false)),
		inherited(field("backup_key", truth(), func(t *T) *bool { return &at(t).BackupKey }, about{
			doc: "Whether the next key is kept ready, and can be published before it is used. A certificate with `tlsa` records of its key does so unless it says false itself.",
		}), truth().show(false)),
		inherited(field("activate", oneOf("activation", ActivateReload, ActivateOnRestart), func(t *T) *string { return &at(t).Activate }, about{
			doc: "When services read new files: `reload` tells them at once; with `on-restart` they are checked and not told, what they serve stays until somebody restarts them, and it is looked hourly whether it was done. That nobody did is a problem once little is left (`warn`) of what they serve. They are told all the same where that has ended, was revoked, or is recalled by its CA.",
		}), showText(std.Activate)),
		inherited(field("mode", oneOf("mode", ModeAuto, ModeManual, ModeStatic), func(t *T) *string { return &at(t).Mode }, about{
			doc: "`auto` obtains and renews by itself. `manual` orders only what a person asks for (`certkeep renew NAME`, `apply NAME`), and tells what is due; what is there is installed and verified all the same. `static` orders nothing: the files named by `static` are watched, and what is good in them is installed and verified; that it ends is told, since nobody here renews it.",
		}), showText(std.Mode)),
		field("renew", renew(), func(t *T) *plan.RenewPolicy { return &at(t).Renew }, about{doc: "When to renew."}),
		inherited(field("warn", span(), func(t *T) *plan.Span { return &at(t).Warn }, about{
			doc: "How much life left is worth a warning: a share of the lifetime, or a duration.",
		}), span().show(std.Warn)),
		field("maintenance", maintenance(), func(t *T) *[]Window { return &at(t).Maintenance }, about{
			doc: "Times in which services may be disturbed: automatic renewals and installations wait for them. They do not where waiting would leave less than `warn`, where nothing valid is served, where it was revoked or its CA recalls it (by a renewal window moved into the past), and where a person asks by `certkeep renew NAME` or `apply NAME`. A change of the config waits, too. `false` does all at any time.", standard: "at any time", example: `{days: [sat, sun], from: "02:00", to: "05:00", timezone: Europe/Berlin}`, off: true,
		}),
		field("services", distinct(listOf(reference("service", "nginx", serviceNames, knownService), "a list of services", "[nginx]")), func(t *T) *[]string { return &at(t).Services }, about{
			doc: "Services that read the files: checked before, reloaded after they are written.", standard: "none", example: "[nginx]",
		}),
		field("verify", either("a list of ports or false", "[443]",
			endpointList(), off([]Endpoint{}, func(e []Endpoint) bool { return e != nil && len(e) == 0 })), func(t *T) *[]Endpoint { return &at(t).Verify }, about{
			doc: "Where the certificate has to be seen: ports, or tables with more. `false` connects nowhere.", standard: "the ports of the `services`", example: "[443, {port: 25, starttls: smtp}]", off: true,
		}),
		field("reload_zones", distinct(listOf(zone(), "a list of zones", "[example.com]")), func(t *T) *[]string { return &at(t).ReloadZones }, about{
			doc: "Zones that are made anew after an installation by the entry of `dns` that is a `zonefile` for them, since they have TLSA records made of installed files. A failure is logged, and no more.", standard: "none", example: "[example.com]", off: true,
		}),
		field("path", absolute("/etc/ssl/certkeep"), func(t *T) *string { return &at(t).Path }, about{
			doc: "Folder below which the layout puts its files.", standard: "`/etc/ssl/certkeep`, and `/etc/ssl` with the layout `acmebot`", example: "/etc/ssl/certkeep", off: true,
		}),
		inherited(field("layout", oneOf("layout", LayoutStandard, LayoutCertbot, LayoutNixOS, LayoutHAProxy, LayoutAcmebot), func(t *T) *string { return &at(t).Layout }, about{
			doc: "Which files are written: `standard` = NAME/{privkey,cert,chain,fullchain}.pem; `certbot` = live/NAME/ with the same four; `nixos` = NAME/{key,cert,chain,fullchain,full}.pem; `haproxy` = NAME.pem with everything in it; `acmebot` = private/NAME.rsa.key, certs/NAME.rsa.pem and so on, as acmebot names them.",
		}), showText(std.Layout)),
		field("owner", userName(), func(t *T) *string { return &at(t).Owner }, about{
			doc: "Owner of the files.", standard: "the running user", example: "root", off: true,
		}),
		field("group", userName(), func(t *T) *string { return &at(t).Group }, about{
			doc: "Group of the files. With one, private keys are 0640, without 0600.", standard: "that of the running user", example: "ssl-cert", off: true,
		}),
	}
	return slices.Concat(list, fileKeys(at), statementKeys(at))
}

// inherited documents a default that comes from standardSettings.
func inherited[T any](k key[T], standard *node) key[T] {
	k.standardNode = standard
	return k
}

func keyTypeNode(types []keys.Type) *node {
	n := &node{kind: list}
	for _, t := range types {
		n.items = append(n.items, showText(string(t)))
	}
	return n
}

func keyType() shape[keys.Type] { return oneOf("key type", keys.Types()...) }

// issuerList is one issuer, or a list of them.
func issuerList() shape[[]string] {
	one := reference("issuer", "letsencrypt", issuerNames, func(c *Config, name string) bool { _, ok := c.Issuers[name]; return ok })
	return either("an issuer or a list of issuers", "letsencrypt",
		single(one), filled(distinct(listOf(one, "a list of issuers", "[letsencrypt]"))))
}

func knownService(c *Config, name string) bool {
	_, ok := c.Services[name]
	return ok
}

func renew() shape[plan.RenewPolicy] {
	s := object("renew", "When to renew.", []key[plan.RenewPolicy]{
		field("before", span(), func(p *plan.RenewPolicy) *plan.Span { return &p.Before }, about{
			doc: "How long before the end, unless the CA advises otherwise: a share of the lifetime, or a duration.", standard: "`33%`, and `50%` where the lifetime is under 10 days", example: "33%", off: true,
		}),
		inherited(field("ari", truth(), func(p *plan.RenewPolicy) *bool { return &p.ARI }, about{
			doc: "Whether the CA is asked when to renew (RFC 9773), and followed.",
		}), truth().show(true)),
		inherited(field("crl", truth(), func(p *plan.RenewPolicy) *bool { return &p.CRL }, about{
			doc: "Whether the revocation lists that certificates name are looked at daily; one that is revoked is replaced at once. CAs that say when to renew say so of a revocation, too.",
		}), truth().show(false)),
	}, nil)
	s.fresh = nil // a certificate's starts from that of `defaults`
	return s
}

// endpointList is where a certificate has to be seen.
func endpointList() shape[[]Endpoint] {
	s := listOf(endpoint(), "a list of ports", "[443]")
	show := s.show
	s.show = func(e []Endpoint) *node {
		if len(e) == 0 {
			return nil
		}
		return show(e)
	}
	return s
}

// endpoint is a port, or a table with more.
func endpoint() shape[Endpoint] {
	port := as(whole("a port", 1, 65535),
		func(_ *reader, _ *node, port int) (Endpoint, bool) {
			return Endpoint{Port: port, StartTLS: starttlsOf(port)}, true
		},
		func(e Endpoint) (int, bool) {
			plain := e.StartTLS == starttlsOf(e.Port) && len(e.Hosts) == 0 && e.Address == "" && len(e.KeyTypes) == 0 && !e.Pins
			return e.Port, plain
		})
	long := object("endpoint", "A port where the certificate has to be seen. Where it has an RSA and an ECDSA key type each is asked for, in TLS 1.2 and 1.3.", []key[Endpoint]{
		field("port", whole("a port", 1, 65535), func(e *Endpoint) *int { return &e.Port }, about{doc: "TCP port. Required.", example: "25"}),
		field("starttls", either("a protocol or false", "smtp",
			oneOf("protocol", "smtp", "imap", "pop3", "sieve", "ftp", "xmpp", "xmpp-server", "ldap", "postgres"), off("", func(string) bool { return true })), func(e *Endpoint) *string { return &e.StartTLS }, about{
			doc:      "Protocol in which TLS is asked for: `smtp`, `imap`, `pop3`, `sieve`, `ftp`, `xmpp`, `xmpp-server`, `ldap` or `postgres`; `false` where it begins at once. In the two of XMPP each of the `hosts` is a domain that the server serves.",
			standard: "by the port: 25 and 587 smtp, 143 imap, 110 pop3, 4190 sieve, 21 ftp, 5222 xmpp, 5269 xmpp-server, 389 ldap, 5432 postgres", example: "smtp",
		}),
		field("hosts", filled(distinct(listOf(hostName(), "a list of names", "[mail.example.com]"))), func(e *Endpoint) *[]string { return &e.Hosts }, about{
			doc: "Names that are asked for (SNI).", standard: "the certificate's", example: "[mail.example.com]", off: true,
		}),
		field("address", checked("an address", "192.0.2.7", checkAddress), func(e *Endpoint) *string { return &e.Address }, about{
			doc: "Where to connect: an IP address, a host, or `dns` for what DNS says about each name.", standard: "this machine", example: "dns", off: true,
		}),
		field("key_types", filled(distinct(listOf(keyType(), "a list of key types", "[ecdsa-p256]"))), func(e *Endpoint) *[]keys.Type { return &e.KeyTypes }, about{
			doc: "Kinds of key that are asked for. Those that the certificate does not have are passed over.", standard: "the certificate's", example: "[ecdsa-p256]", off: true,
		}),
		field("pins", truth(), func(e *Endpoint) *bool { return &e.Pins }, about{
			doc: "Whether the site is asked for `/` over HTTP too, and its header `Public-Key-Pins` has to name every key of the certificate: those in use, the next and the previous ones. Of a header that `hpkp` writes this is looked at once it is in place.", standard: "`false`", example: "true", off: true,
		}),
	}, func(r *reader, n *node, e *Endpoint) {
		if !n.has("port") {
			r.out.add(n.at, r.is()+" has no port", "for example {port: 443}")
		}
		if !n.has("starttls") {
			e.StartTLS = starttlsOf(e.Port)
		}
		if e.Pins && e.StartTLS != "" {
			r.out.add(n.placeOf("pins"), fmt.Sprintf("pins are a header of HTTP, and %s is spoken at port %d", e.StartTLS, e.Port), "leave pins out, or say starttls: false")
		}
	})
	long.kinds = table
	return either("a port or a table", "443", port, long)
}

// starttlsOf is how TLS begins on well-known ports.
func starttlsOf(port int) string {
	switch port {
	case 21:
		return "ftp"
	case 25, 587:
		return "smtp"
	case 110:
		return "pop3"
	case 143:
		return "imap"
	case 389:
		return "ldap"
	case 4190:
		return "sieve"
	case 5222:
		return "xmpp"
	case 5269:
		return "xmpp-server"
	case 5432:
		return "postgres"
	}
	return ""
}

// hostName is a DNS name that can be asked for.
func hostName() shape[string] {
	return scalar(text, "a name", "mail.example.com", func(_ *reader, n *node) (string, string, string) {
		name, wrong, hint := checkName(n.text)
		if wrong == "" && len(name) > 1 && name[:2] == "*." {
			return "", "a wildcard cannot be connected to", "name a host below it"
		}
		return name, wrong, hint
	}, showText)
}

func checkAddress(s string) (wrong, hint string) {
	if s == AddressDNS {
		return "", ""
	}
	if _, wrong, _ := checkName(s); wrong != "" {
		return fmt.Sprintf("%q is not an address", shorten(s)), "write an IP address, a host, or dns"
	}
	return "", ""
}
