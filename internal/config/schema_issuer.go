package config

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/certkeep/certkeep/internal/plan"
)

// namesPerOrder is what most CAs allow.
const namesPerOrder = 100

// builtinIssuers are the CAs that need no directory in the configuration.
func builtinIssuers() map[string]Issuer {
	list := []Issuer{
		{Name: "letsencrypt", Directory: "https://acme-v02.api.letsencrypt.org/directory", Staging: "letsencrypt-staging", Limits: letsEncryptLimits()},
		{Name: "letsencrypt-staging", Directory: "https://acme-staging-v02.api.letsencrypt.org/directory", Limits: stagingLimits()},
		{Name: "google", Directory: "https://dv.acme-v02.api.pki.goog/directory"},
		{Name: "zerossl", Directory: "https://acme.zerossl.com/v2/DV90"},
		{Name: "actalis", Directory: "https://acme-api.actalis.com/acme/directory"},
		// For ECDSA keys, as is the default; RSA keys have another directory.
		{Name: "sslcom", Directory: "https://acme.ssl.com/sslcom-dv-ecc"},
	}
	issuers := make(map[string]Issuer, len(list))
	for _, i := range list {
		i.NamesPerOrder = namesPerOrder
		issuers[i.Name] = i
	}
	return issuers
}

// issuerNames lists the known issuers, for hints.
func issuerNames(c *Config) []string { return declaredNames(c.Issuers) }

// issuers are the built-in ones, changed and added to key by key.
func issuers() shape[map[string]Issuer] {
	s := mapOf("NAME", issuer(), "a table of issuers", identifierKey("issuer"),
		func(i *Issuer, name string) { i.Name = name })
	s.fresh = builtinIssuers
	read := s.read
	s.read = func(r *reader, n *node, v *map[string]Issuer) {
		read(r, n, v)
		for _, p := range n.pairs {
			staging := (*v)[p.key].Staging
			if _, ok := (*v)[staging]; !ok && staging != "" {
				r.out.add(p.value.placeOf("staging"), fmt.Sprintf("unknown issuer %q", staging), hintAmong(staging, declaredNames(*v)))
			}
		}
	}
	return s
}

func issuer() shape[Issuer] {
	return object("issuer", "A certification authority that speaks ACME. "+builtinIssuerWords(), []key[Issuer]{
		field("directory", checked("a URL", "https://ca.example/acme/directory", checkDirectory), func(i *Issuer) *string { return &i.Directory }, about{
			doc: "URL of the CA's ACME directory.", standard: "that of the built-in issuer; others need one", example: "https://ca.corp.example/acme/directory",
		}),
		field("roots_file", absolute("/etc/certkeep/corp-root.pem"), func(i *Issuer) *string { return &i.RootsFile }, about{
			doc: "PEM file of the roots by which the CA's own web server is trusted.", standard: "the system's", example: "/etc/certkeep/corp-root.pem", off: true,
		}),
		verifyTLS(),
		field("proxy", checked("a URL", "http://proxy.example:3128", checkProxy), func(i *Issuer) *string { return &i.Proxy }, about{
			doc: "HTTP proxy for requests to the CA, to the OCSP responders of its certificates, and for its revocation lists. One that needs a password is given by the environment variable HTTPS_PROXY.", standard: "as the environment says for the CA, none for the others", example: `"http://proxy.corp.example:3128"`, off: true,
		}),
		field("email", checked("a mail address", "tls@example.com", checkEmail), func(i *Issuer) *string { return &i.Email }, about{
			doc: "Mail address that this CA is told of. For accounts that differ in it, give the CA several entries with the same directory.", standard: "`email`", example: "tls@example.com", off: true,
		}),
		field("profile", wordsOf("the name of a profile", ""), func(i *Issuer) *string { return &i.Profile }, about{
			doc: "ACME profile for certificates that name none.", standard: "the CA's choice", example: "tlsserver", off: true,
		}),
		field("preferred_chain", wordsOf("the common name of a root", "ISRG Root X1"), func(i *Issuer) *string { return &i.PreferredChain }, about{
			doc: "Common name of the root to prefer where the CA offers several chains.", standard: "the CA's first", example: "Corp Root", off: true,
		}),
		field("eab", eab(), func(i *Issuer) **EAB { return &i.EAB }, about{
			doc: "External account binding, which the CA hands out for new accounts.", off: true,
		}),
		fieldOr("names_per_order", whole("a number of names", 1, 1000), func(i *Issuer) *int { return &i.NamesPerOrder }, namesPerOrder, about{
			doc: "How many of the `authorizations` share an order at most.",
		}),
		accountKeyFile(),
		field("limits", issuerLimits(), func(i *Issuer) *plan.Limits { return &i.Limits }, about{
			doc: "What the CA allows. A limit that is spent puts an order off, or sends it to the next issuer listed; `plan` says so.", standard: "those that Let's Encrypt publishes for it and its staging, none for others", off: true,
		}),
		field("staging", wordsOf("the name of an issuer", "letsencrypt-staging"), func(i *Issuer) *string { return &i.Staging }, about{
			doc: "Name of the issuer that `--dry-run` asks instead.", standard: "`letsencrypt-staging` for `letsencrypt`", example: "letsencrypt-staging", off: true,
		}),
	}, func(r *reader, n *node, i *Issuer) {
		if i.Directory == "" && !n.has("directory") {
			hint := `set directory: "https://…"`
			if near := nearest(i.Name, declaredNames(builtinIssuers())); near != "" {
				hint = fmt.Sprintf("did you mean the built-in %q?", near)
			}
			r.out.add(n.at, fmt.Sprintf("issuer %q has no directory", i.Name), hint)
		}
		if built, ok := builtinIssuers()[i.Name]; ok && i.Directory != built.Directory && !n.has("limits") {
			i.Limits = plan.Limits{} // another CA under a known name
		}
		r.mark("issuers."+i.Name, n)
	})
}

func builtinIssuerWords() string {
	var names []string
	for _, name := range declaredNames(builtinIssuers()) {
		names = append(names, fmt.Sprintf("`%s` (%s)", name, builtinIssuers()[name].Directory))
	}
	return "Built in, and changed key by key: " + strings.Join(names, ", ") + ". For RSA keys, `sslcom` needs the directory https://acme.ssl.com/sslcom-dv-rsa."
}

// eab is shown and read through a pointer: most issuers have none.
func eab() shape[*EAB] {
	return pointer(object("eab", "External account binding (RFC 8555 section 7.3.4). The key comes from a file, the environment or a systemd credential, never from here.", []key[EAB]{
		field("kid", wordsOf("text", ""), func(e *EAB) *string { return &e.KID }, about{doc: "Key identifier, as the CA gave it. Required.", example: "k1"}),
		field("hmac_file", checked("an absolute path", "/etc/certkeep/eab.key", checkSecretFile), func(e *EAB) *string { return &e.HMAC.File }, about{
			doc: "File that holds the MAC key as the CA gave it (base64url).", example: "/etc/certkeep/corp-eab.key",
		}),
		field("hmac_env", checked("the name of an environment variable", "EAB_HMAC", checkEnv), func(e *EAB) *string { return &e.HMAC.Env }, about{
			doc: "Environment variable that holds it.", example: "CORP_EAB_HMAC", off: true,
		}),
		field("hmac_credential", identifier("credential", "eab"), func(e *EAB) *string { return &e.HMAC.Credential }, about{
			doc: "systemd credential (LoadCredential=) that holds it.", example: "corp-eab", off: true,
		}),
	}, func(r *reader, n *node, e *EAB) {
		given := 0
		for _, k := range []string{"hmac_file", "hmac_env", "hmac_credential"} {
			if n.has(k) {
				given++
			}
		}
		if !n.has("kid") {
			r.out.add(n.at, r.is()+" has no kid", "the CA gives one together with the key")
		}
		if given != 1 {
			r.out.add(n.at, fmt.Sprintf("%s takes exactly one of hmac_file, hmac_env and hmac_credential, not %d", r.is(), given), "")
		}
	}))
}

// pointer reads and shows what may be missing as a whole.
func pointer[V any](s shape[V]) shape[*V] {
	return shape[*V]{
		kinds: s.kinds, words: s.words, such: s.such, json: s.json, table: s.table, below: s.below,
		read: func(r *reader, n *node, v **V) {
			value := s.new()
			if *v != nil {
				value = **v
			}
			s.read(r, n, &value)
			*v = &value
		},
		show: func(v *V) *node {
			if v == nil {
				return nil
			}
			return s.show(*v)
		},
	}
}

func checkDirectory(s string) (wrong, hint string) {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Host == "":
		return fmt.Sprintf("%q is not a URL", shorten(s)), "one such as https://ca.example/acme/directory"
	case u.Scheme != "https":
		return fmt.Sprintf("%q does not begin with https://", shorten(s)), "ACME works over HTTPS only (RFC 8555 section 6.1)"
	case u.User != nil:
		return "a directory URL takes no user name or password", ""
	}
	return "", ""
}

// checkProxy does not repeat what it refuses: a password may be in it.
func checkProxy(s string) (wrong, hint string) {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Host == "" || !slices.Contains([]string{"http", "https", "socks5"}, u.Scheme):
		return "this is not the URL of a proxy", "one such as http://proxy.example:3128"
	case u.User != nil:
		return "user name and password do not belong into a configuration", "set the environment variable HTTPS_PROXY instead"
	}
	return "", ""
}

// checkSecretFile does not repeat what it refuses: it may be the secret.
func checkSecretFile(s string) (wrong, hint string) {
	if wrong, _ := checkPath(s); wrong != "" {
		return "this is not an absolute path", "name the file here, not what is in it"
	}
	return "", ""
}

// checkEnv does not repeat what it refuses: it may be the secret.
func checkEnv(s string) (wrong, hint string) {
	if strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") != "" || s[0] >= '0' && s[0] <= '9' {
		return "this is not the name of an environment variable", "name the variable here, not its value"
	}
	return "", ""
}

func accountKeyFile() key[Issuer] {
	return field("account_key_file", absolute("/var/local/acmebot/client_key.json"), func(i *Issuer) *string { return &i.AccountKeyFile }, about{
		doc: "Private key of an account that another client registered, in PEM or JSON. It is taken over where no account at this CA was stored before; a file that is missing is passed over.", example: "/var/local/acmebot/client_key.json", off: true,
	})
}
