package main

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/faultfs"
)

// TestAcmebotTakeover: files of two key types that lie where acmebot has them
// are taken over, without a state and without a certificate being ordered. The
// age of keys is that of their files. Receipts, OCSP responses and pins are
// asked for, or written, anew.
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
}
