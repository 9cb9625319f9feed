package config

import (
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/certkeep/certkeep/internal/keys"
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
			doc: "DNS names, wildcards and IP addresses that the certificate is for. Their order does not matter.", standard: "the certificate's own name; with a `csr`, the names in it", example: "[www.example.com, example.com]",
		}),
		field("common_name", wordsOf("a name", "www.example.com"), func(c *Certificate) *string { return &c.CommonName }, about{
			doc: "One of the names, at most 64 characters, to stand in the subject; left out where the profile has none.", standard: "the first DNS name that is short enough", example: "www.example.com", off: true,
		}),
		field("key", reference("keys", "shared", keySetNames, knownKeySet), func(c *Certificate) *string { return &c.Key }, about{
			doc: "Name of the `keys` that it shares with other certificates.", standard: "keys of its own", example: "shared", off: true,
		}),
		field("csr", pointer(csr()), func(c *Certificate) **CSR { return &c.CSR }, about{
			doc: "A signing request of your own, instead of keys that Certkeep makes.", off: true,
		}),
	}
	all = append(all, settingsKeys(func(c *Certificate) *Settings { return &c.Settings })...)
	all = append(all,
		field("challenges", ruleList(), func(c *Certificate) *[]Rule { return &c.Challenges }, about{
			doc: "Rules for this certificate alone, looked at before the general ones.", example: "[{http-01: {webroot: /var/www/html}}]", off: true,
		}),
		field("files", listOf(file(), "a list of files", `[{path: /etc/postfix/tls.pem, content: [key, fullchain]}]`), func(c *Certificate) *[]File { return &c.Files }, about{
			doc: "Files to write instead of a layout. An empty list writes none.", standard: "as the layout says", off: true,
		}),
		field("tlsa", filled(listOf(tlsa(), "a list of TLSA records", "[{name: _25._tcp.smtp.example.com}]")), func(c *Certificate) *[]TLSA { return &c.TLSA }, about{
			doc: "TLSA records (DANE) to keep in DNS beside the certificate. A new key is not used before every cache has its record.", off: true,
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
		return c.CSR != nil
	case "key_reuse", "backup_key":
		return c.CSR != nil || c.Key != ""
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

func file() shape[File] {
	parts := oneOf("part", fileParts()...)
	return object("file", "A file that is written.", []key[File]{
		field("path", checked("an absolute path", "/etc/postfix/tls.pem", checkFilePath), func(f *File) *string { return &f.Path }, about{
			doc: "Where. `{key_type}` stands for the kind of key, and writes a file for each. Required.", example: "/etc/postfix/tls.pem",
		}),
		field("content", either("a part or a list of parts", "fullchain",
			single(parts), filled(listOf(parts, "a list of parts", "[key, fullchain]"))), func(f *File) *[]Part { return &f.Content }, about{
			doc: "What, in this order: `key`, `certificate` (the leaf alone), `chain` (all but the leaf), `fullchain` (both). Or one by itself: `pkcs12` or `jks` (all of it, under a password), `pkcs12-legacy` (for programs that know old encryption only), `der-key`, `der-certificate`. Required.", example: "[key, fullchain]",
		}),
		field("password_file", checked("an absolute path", "/etc/certkeep/app.password", checkSecretFile), func(f *File) *string { return &f.Password.File }, about{
			doc: "File that holds the password of a key store. A changed password counts from the next installation on.", example: "/etc/certkeep/app.password", off: true,
		}),
		field("password_env", checked("the name of an environment variable", "APP_PASSWORD", checkEnv), func(f *File) *string { return &f.Password.Env }, about{
			doc: "Environment variable that holds it.", example: "APP_PASSWORD", off: true,
		}),
		field("password_credential", identifier("credential", "app"), func(f *File) *string { return &f.Password.Credential }, about{
			doc: "systemd credential (LoadCredential=) that holds it.", example: "app-password", off: true,
		}),
		field("owner", userName(), func(f *File) *string { return &f.Owner }, about{doc: "Owner.", standard: "the certificate's", example: "root", off: true}),
		field("group", userName(), func(f *File) *string { return &f.Group }, about{doc: "Group.", standard: "the certificate's", example: "ssl-cert", off: true}),
		field("mode", mode(), func(f *File) *fs.FileMode { return &f.Mode }, about{
			doc: "Permissions, a quoted octal number.", standard: "`\"0644\"`; with a private key `\"0600\"`, or `\"0640\"` with a group", example: `"0640"`, off: true,
		}),
		field("target", identifier("target", "app"), func(f *File) *string { return &f.Target }, about{
			doc: "Files with the same target are switched together.", standard: "`" + DefaultTarget + "`", example: "mail", off: true,
		}),
		field("key_type", keyType(), func(f *File) *keys.Type { return &f.KeyType }, about{
			doc: "Whose certificate, where `key_types` lists several.", standard: "the first", example: "ecdsa-p256", off: true,
		}),
	}, func(r *reader, n *node, f *File) {
		for _, k := range []string{"path", "content"} {
			if !n.has(k) {
				r.out.add(n.at, fmt.Sprintf("a file has no %s", k), "for example {path: /etc/postfix/tls.pem, content: [key, fullchain]}")
			}
		}
		checkBinary(r, n, f)
	})
}

func checkFilePath(s string) (wrong, hint string) {
	bare := strings.ReplaceAll(s, "{key_type}", "x")
	if strings.ContainsAny(bare, "{}") {
		return fmt.Sprintf("%q has an unknown placeholder", shorten(s)), "known: {key_type}"
	}
	if strings.HasSuffix(s, "/") {
		return fmt.Sprintf("%q names a folder", shorten(s)), "name the file"
	}
	return checkPath(s)
}

// mode is a quoted octal number: without quotes YAML would read 0640 as 416.
func mode() shape[fs.FileMode] {
	s := scalar(text|number, "a quoted octal number", `"0640"`, func(r *reader, n *node) (fs.FileMode, string, string) {
		digits := n.text
		if n.kind == number {
			if len(digits) == 3 {
				digits = "0" + digits
			}
			return 0, fmt.Sprintf("%s takes a quoted octal number, not the bare number %s", r.is(), n.text), fmt.Sprintf("write %q", digits)
		}
		m, err := strconv.ParseUint(digits, 8, 32)
		if err != nil || len(digits) < 3 || len(digits) > 4 || m > 0o777 {
			return 0, fmt.Sprintf("%s: %q is not an octal number of permissions", r.is(), shorten(digits)), `write one such as "0640"`
		}
		return fs.FileMode(m), "", ""
	}, func(m fs.FileMode) *node { return &node{kind: text, text: fmt.Sprintf("%04o", m)} })
	s.json = func() *jsonSchema { return &jsonSchema{Type: "string", Pattern: "^0?[0-7]{3}$"} }
	return s
}
