package acmebot

import (
	"strings"
)

// issuerName is the issuer of a directory that is not built in.
const issuerName = "acmebot"

// directories are the directories of issuers that Certkeep knows by name.
func directories() map[string]string {
	return map[string]string{
		"https://acme-v02.api.letsencrypt.org/directory":         "letsencrypt",
		"https://acme-staging-v02.api.letsencrypt.org/directory": "letsencrypt-staging",
	}
}

// gone are directories that acmebot once had by default, or that its users
// were told of, and that exist no more; and who is asked instead.
func gone() map[string]string {
	return map[string]string{
		"acme-v01.api.letsencrypt.org":     "letsencrypt",
		"acme-staging.api.letsencrypt.org": "letsencrypt-staging",
	}
}

// issuer says which CA is asked.
func (t *translator) issuer(out object) {
	defaults := object{s: t.source0(), v: out.v.get("defaults")}
	directory := t.settings.option("acme_directory_url")
	url := directory.text("https://acme-v02.api.letsencrypt.org/directory")
	known := directories()[strings.TrimSuffix(url, "/")]
	_, rest, _ := strings.Cut(url, "://")
	host, _, _ := strings.Cut(rest, "/")
	if instead := gone()[host]; instead != "" {
		t.warn(directory.Origin, host+" exists no more", "the issuer "+instead+" is asked instead")
		known = instead
	}
	roots := t.settings.option("acme_directory_roots_file")
	file := roots.text("")
	if url == "" {
		t.fail(directory.Origin, "no directory is named", "remove the key, or name the URL of a CA's directory")
		return
	}
	s := directory.source()
	entry := t.object(s)
	if known == "" || file != "" {
		known = issuerName
		entry.set("directory", s.text(url))
	}
	if file != "" {
		entry.set("roots_file", roots.source().text(t.absolute(file)))
	} else if verify := t.settings.option("acme_directory_verify_ssl"); !verify.truth(true) {
		entry.set("verify_tls", verify.source().truth(false))
	}
	if o := t.settings.option("max_domains_per_order"); o.number(standardOrder) != standardOrder {
		entry.set("names_per_order", o.source().number(max(1, o.number(standardOrder))))
	}
	resource := t.dirs.option("resource")
	if folder := resource.text(standardFolder); folder != "" {
		entry.set("account_key_file", resource.source().text(t.absolute(folder)+"/client_key.json"))
	}
	out.child("issuers", s).set(known, entry.v)
	t.issuerName = known
	defaults.set("issuer", s.texts(known))
}

// standardOrder is how many names acmebot puts into an order.
const standardOrder = 100

// source0 makes values that come from the whole of the configuration.
func (t *translator) source0() *source { return t.sourceOf(Origin{At: t.place, Default: true}) }
