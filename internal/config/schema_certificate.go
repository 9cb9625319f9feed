package config

import (
	"fmt"
	"slices"
	"strings"
)

// certificates are the certificates that are wanted. They are kept sorted by
// name, whatever file they stand in.
func certificates() shape[[]Certificate] {
	one := certificate()
	return shape[[]Certificate]{
		kinds: table | null,
		words: "a table of certificates",
		table: one.table,
		below: ".NAME",
		read: func(r *reader, n *node, v *[]Certificate) {
			if len(n.pairs) == 0 {
				return
			}
			r.certs.begin(r.cfg, len(n.pairs))
			list := make([]Certificate, 0, len(n.pairs))
			for i := range n.pairs {
				p := &n.pairs[i]
				if wrong, hint := checkCertificateName(p.key); wrong != "" {
					r.out.add(p.at, wrong, hint)
					continue
				}
				r.certs.next(p)
				r.key, r.item = p.key, false
				list = append(list, Certificate{Name: p.key, Settings: r.cfg.Defaults})
				readInto(r, one, p.value, &list[len(list)-1])
			}
			slices.SortFunc(list, func(a, b Certificate) int { return strings.Compare(a.Name, b.Name) })
			*v = slices.Clip(list)
		},
		show: func(v []Certificate) *node {
			if len(v) == 0 {
				return nil
			}
			to := &node{kind: table}
			for _, cert := range v {
				to.pairs = append(to.pairs, pair{key: cert.Name, value: one.show(cert)})
			}
			return to
		},
		json: func() *jsonSchema { return &jsonSchema{Type: jsonType(table | null), AdditionalProperties: one.json()} },
	}
}

func certificate() shape[Certificate] {
	all := []key[Certificate]{
		field("names", nameList(), func(c *Certificate) *[]string { return &c.Names }, about{
			doc: "DNS names, wildcards and IP addresses that the certificate is for. Their order does not matter. One that a wildcard among them covers is left out of it, unless it is the `common_name`: CAs refuse an order for both.", standard: "the certificate's own name; with a `csr`, the names in it", example: "[www.example.com, example.com]",
		}),
		field("common_name", wordsOf("a name", "www.example.com"), func(c *Certificate) *string { return &c.CommonName }, about{
			doc: "One of the names, at most 64 characters, to stand in the subject; left out where the profile has none.", standard: "the first DNS name that is short enough", example: "www.example.com", off: true,
		}),
		protectedKey(),
		field("key", reference("keys", "shared", keySetNames, knownKeySet), func(c *Certificate) *string { return &c.Key }, about{
			doc: "Name of the `keys` that it shares with other certificates.", standard: "keys of its own", example: "shared", off: true,
		}),
		field("csr", pointer(csr()), func(c *Certificate) **CSR { return &c.CSR }, about{
			doc: "A signing request of your own, instead of keys that Certkeep makes.", off: true,
		}),
		field("static", staticFiles(), func(c *Certificate) *[]Static { return &c.Static }, about{
			doc: "Files of a certificate that somebody else makes: it is watched, taken in, installed and verified, and never ordered (`mode: static`). A list where there is one for each kind of key. With `files: []` nothing is copied, and the services, which read these files themselves, are told when they change.", off: true,
		}),
	}
	all = append(all, settingsKeys(func(c *Certificate) *Settings { return &c.Settings })...)
	all = append(all,
		field("challenges", ruleList(), func(c *Certificate) *[]Rule { return &c.Challenges }, about{
			doc: "Rules for this certificate alone, looked at before the general ones.", example: "[{http-01: {webroot: /var/www/html}}]", off: true,
		}),
		ownHooksKey(),
		field("tlsa", filled(listOf(tlsa(), "a list of TLSA records", "[{name: _25._tcp.smtp.example.com}]")), func(c *Certificate) *[]TLSA { return &c.TLSA }, about{
			doc: "TLSA records (DANE) to keep in DNS beside the certificate. A new key is not used before every cache has its record; with `backup_key` it has it beforehand.", off: true,
		}),
	)
	shared := make(map[string]bool)
	for _, k := range settingsKeys(func(s *Settings) *Settings { return s }) {
		shared[k.name] = true
	}
	for i := range all {
		all[i].shared = shared[all[i].name]
	}
	s := object("certificate", "A certificate. Nothing but its name is needed: `example.com:` alone is a certificate for that name.", all, finishCertificate)
	s.such = "{names: [example.com, www.example.com]}"
	show := s.show
	s.show = func(c Certificate) *node {
		c.Files = written(c.Files)
		n := show(c)
		n.pairs = slices.DeleteFunc(n.pairs, func(p pair) bool { return hiddenIn(c, p.key) })
		return n
	}
	return s
}

// hiddenIn reports whether a key has no place beside another that is there.
func hiddenIn(c Certificate, key string) bool {
	switch key {
	case "common_name":
		return !c.CommonNameGiven
	case "key_types", "must_staple":
		return c.CSR != nil || len(c.Static) > 0
	case "key_reuse", "backup_key":
		return c.CSR != nil || c.Key != "" || len(c.Static) > 0
	case "issuer", "profile", "profile_mandatory", "quarantine", "renew":
		return len(c.Static) > 0
	case "passphrase", "passphrase_file", "passphrase_env", "passphrase_credential", "kdf":
		return c.Key != "" // said of the keys
	case "layout", "path":
		return c.Files != nil
	}
	return false
}

// nameList is what a certificate is for. Where each name stands is kept for
// what is found later.
func nameList() shape[[]string] {
	s := shape[[]string]{
		kinds: list,
		words: "a list of names",
		such:  "[example.com, www.example.com]",
		read: func(r *reader, n *node, v *[]string) {
			names := make([]string, 0, len(n.items))
			places := r.certs.places[:0]
			for _, item := range n.items {
				if item.kind != text {
					r.out.add(item.at, fmt.Sprintf("an entry of %q takes a name, not %s", r.key, item.describe()), "")
					continue
				}
				name, wrong, hint := checkName(item.text)
				if wrong != "" {
					r.out.add(item.at, wrong, hint)
					continue
				}
				if first := r.certs.seen(names, name); first >= 0 {
					r.out.add(item.at, fmt.Sprintf("%q stands in the list twice", name), "remove one")
					continue
				}
				names, places = append(names, name), append(places, item.at)
			}
			if len(n.items) == 0 {
				r.out.add(n.at, fmt.Sprintf("%q is an empty list", r.key), "leave the key out instead, or list the names")
			}
			*v, r.certs.places = names, places
		},
		show: showNames,
		json: func() *jsonSchema {
			return &jsonSchema{Type: "array", MinItems: 1, Items: &jsonSchema{Type: "string"}}
		},
	}
	return s
}

func showNames(names []string) *node {
	if len(names) == 0 {
		return nil
	}
	to := &node{kind: list}
	for _, name := range names {
		to.items = append(to.items, showText(name))
	}
	return to
}

func csr() shape[CSR] {
	return object("csr", "A signing request of your own. Names, common name and kind of key are those in it.", []key[CSR]{
		field("file", absolute("/etc/certkeep/www.csr"), func(c *CSR) *string { return &c.File }, about{doc: "The request (PKCS#10), PEM or DER. Required.", example: "/etc/certkeep/www.csr"}),
		field("key_file", absolute("/etc/certkeep/www.key"), func(c *CSR) *string { return &c.KeyFile }, about{
			doc: "Its private key, where files are to be written that hold it.", standard: "the key is kept elsewhere", example: "/etc/certkeep/www.key",
		}),
	}, func(r *reader, n *node, c *CSR) {
		if !n.has("file") {
			r.out.add(n.at, r.is()+" has no file", "for example {file: /etc/certkeep/www.csr}")
		}
		r.mark("certificates."+r.certs.name()+".csr", n)
	})
}
