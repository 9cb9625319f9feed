package main

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/faultfs"
	"github.com/certkeep/certkeep/internal/issuer"
)

// TestAcmebotTakeover: files of two key types that lie where acmebot has them
// are taken over, without a state and without a certificate being ordered, and
// so is its account. The age of keys is that of their files. Receipts, OCSP
// responses and pins are asked for, or written, anew. What is renewed later stays
// on the keys and on the account, with which acmebot could go on.
func TestAcmebotTakeover(t *testing.T) {
	if !onOwnMachine(t) {
		return
	}
	b := newBot(t, "certificates.json")
	b.serveInstalled(map[string][]string{"example.com": {"example.com", "www.example.com"}})
	b.does("apply")
	made := time.Now().Add(-100 * 24 * time.Hour)
	for _, name := range []string{"", "_backup"} {
		for _, kind := range []string{".rsa", ".ecdsa"} {
			if err := os.Chtimes(b.at("etc/ssl/private/example.com"+name+kind+".key"), made, made); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := os.RemoveAll(b.at("var/local/acmebot/certkeep")); err != nil {
		t.Fatal(err)
	}
	url, err := writeAcmebotAccount(issuer.Config{ID: "acmebot", Directory: b.ca.DirectoryURL(), Roots: b.ca.RootPEM()}, b.at("var/local/acmebot"))
	if err != nil {
		t.Fatal(err)
	}
	installed := func() map[string]string {
		tree, err := faultfs.Tree(b.at("etc/ssl"), func(path string) bool { return path == "scts" || path == "ocsp" || path == "hpkp" })
		if err != nil {
			t.Fatal(err)
		}
		return tree
	}
	before := installed()
	old := b.read("etc/ssl/hpkp/example.com.nginx")
	b.ca.ResetRequests()
	b.does("apply")
	for _, r := range b.ca.Requests() {
		if r.Kind == acmetest.Finalize { // the sample keeps names authorised: that takes an order, which is not finalised
			t.Error("the CA was asked for a certificate")
		}
	}
	b.isOn(url)
	if pins := b.read("etc/ssl/hpkp/example.com.nginx"); pins != old {
		t.Errorf("it changed the pins:\n%s\n%s", old, pins)
	}
	if differ := faultfs.Differ(before, installed()); len(differ) > 0 {
		t.Errorf("it changed %q", differ)
	}
	if out, day := b.does("status"), made.UTC().Format(time.DateOnly); strings.Count(out, "ready since "+day) != 2 {
		t.Errorf("the age of keys is not that of their files, %s:\n%s", day, out)
	}
	b.rests()

	b.ca.ResetRequests()
	b.does("renew", "example.com")
	var signed int
	for _, r := range b.ca.Requests() {
		if r.Kind == acmetest.Finalize {
			signed++
		}
	}
	if signed != 2 {
		t.Errorf("%d certificates were ordered, want one for each kind of key", signed)
	}
	changed := faultfs.Differ(before, installed())
	if slices.ContainsFunc(changed, func(line string) bool {
		return strings.Contains(line, "private/example.com.") || strings.Contains(line, "_backup")
	}) {
		t.Errorf("a renewal changed keys: %q", changed)
	}
	b.holds("example.com", "example.com", "rsa", "ecdsa")
	b.isOn(url)
	b.write("back/README", "", 0o600)
	b.does("account", "export", "--format", "acmebot", "--out", b.at("back"))
	if back := b.read("back/registration.json"); !strings.Contains(back, url) {
		t.Errorf("the account that acmebot gets back: %s", back)
	}
}

// isOn checks that there is just this account.
func (b *bot) isOn(url string) {
	b.Helper()
	out := b.does("--json", "account", "show")
	if strings.Count(out, `"url"`) != 1 || !strings.Contains(out, `"`+url+`"`) {
		b.Errorf("the account is not %s:\n%s", url, out)
	}
}
