package acmebot

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// obsolete warns of what has no meaning any more. What merely repeats
// acmebot's default is passed over: nobody wished anything by it.
func (t *translator) obsolete() {
	for _, k := range []struct {
		in                   table
		key, standard        string
		words, insteadOfThat string
	}{
		{t.settings, "nsupdate_command", "/usr/bin/nsupdate", "no program is needed for updates of DNS", "Certkeep sends them itself (RFC 2136)"},
		{t.settings, "max_authorization_attempts", "30", "the CA says how often it is asked", "its Retry-After is followed"},
		{t.settings, "authorization_delay", "10", "the CA says how often it is asked", "its Retry-After is followed"},
		{t.settings, "cert_poll_time", "30", "the CA says how often it is asked", "its Retry-After is followed, and an order is never given up"},
		{t.settings, "public_suffix_list_url", "https://publicsuffix.org/list/public_suffix_list.dat", "the list is built into Certkeep", "list alt_names where a zone is missing in it"},
		{t.dirs, "temp", "", "files are staged beside their places", "so that each is exchanged by one rename"},
	} {
		if o := k.in.option(k.key); o.given() && o.text(k.standard) != k.standard && !o.null() {
			t.warn(o.Origin, k.words, k.insteadOfThat)
		}
	}
	if o := t.settings.option("slave_mode"); o.given() {
		t.warn(o.Origin, "an older name", "write follower_mode")
	}
	for _, k := range t.keys {
		t.cipher(k)
	}
}

// cipher warns of ciphers that OpenSSL dropped, where one would be used.
func (t *translator) cipher(k *privateKey) {
	o := k.option("key_cipher")
	if !o.given() || o.null() || !k.encrypted() {
		return
	}
	words := strings.ToLower(o.text(""))
	if strings.HasPrefix(words, "aes-256") || strings.HasPrefix(words, "aes256") {
		return
	}
	t.warn(o.Origin, fmt.Sprintf("keys are not encrypted by %s", quoted(words)), "AES-256 is used, which every OpenSSL reads")
}

// endedLog reports whether a URL is that of a log which acmebot had by default
// or named in its README, and which has ended.
func endedLog(address string) bool {
	_, rest, _ := strings.Cut(address, "://")
	return slices.Contains([]string{
		"ct.googleapis.com/pilot", "ct.googleapis.com/icarus", "ct.googleapis.com/rocketeer", "ct.googleapis.com/skydiver", "ct.googleapis.com/testtube",
		"ct1.digicert-ct.com/log", "ct2.digicert-ct.com/log", "sabre.ct.comodo.com", "mammoth.ct.comodo.com",
	}, rest)
}

// deadResponder reports whether a URL is that of an OCSP responder that exists
// no more: those of Let's Encrypt were turned off on 2025-08-06.
func deadResponder(text string) bool {
	u, err := url.Parse(text)
	if err != nil {
		return false
	}
	host := u.Hostname()
	return strings.HasSuffix(host, ".letsencrypt.org") || strings.HasSuffix(host, ".lencr.org")
}
