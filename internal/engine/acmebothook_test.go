package engine

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/certkeep/certkeep/internal/acmetest"
)

// TestAcmebotHooks has hooks of acmebot's events write down what they are told.
// One that fails stops nothing, and answers are gone when they are told of that.
func TestAcmebotHooks(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	log, answers := filepath.Join(f.dir, "told"), filepath.Join(f.dir, "answers")
	serveFolder(t, f, answers)
	hook := func(event, fields string) string {
		return fmt.Sprintf("  %s: {command: {shell: 'echo \"%s %s\" >> %s'}}\n", event, event, fields, log)
	}
	f.configure("challenges: [{http-01: {folder: " + answers + "}}]\n" +
		"hooks:\n" +
		hook("set_http_challenge", "$domain ${challenge_file%/*}") +
		fmt.Sprintf("  clear_http_challenge: {command: {shell: 'test ! -e $challenge_file && echo cleared $domain >> %s; exit 3'}}\n", log) +
		hook("set_dns_challenge", "never") +
		hook("certificate_installed", "$key_name $certificate_name $key_type $certificate_file") +
		hook("full_key_installed", "$full_key_file") +
		hook("chain_installed", "$chain_file") +
		hook("private_key_installed", "$key_name $key_type $private_key_file") +
		hook("params_installed", "never") +
		"certificates:\n  www:\n    names: [a.test]\n    key_types: [ecdsa-p256, ecdsa-p384]\n    files:\n" +
		"      - {path: \"" + f.dir + "/{key_type}.key\", content: key}\n" +
		"      - {path: \"" + f.dir + "/{key_type}.pem\", content: [certificate, chain]}\n" +
		"      - {path: " + f.dir + "/chain.pem, content: chain}\n" +
		"      - {path: " + f.dir + "/full.pem, content: [key, fullchain]}\n")
	f.apply()
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Split(strings.TrimSpace(strings.ReplaceAll(string(text), f.dir, "DIR")), "\n")
	slices.Sort(got)
	got = slices.Compact(got) // a challenge may be answered for each kind of key
	want := []string{
		"certificate_installed www www ecdsa DIR/ecdsa-p256.pem",
		"certificate_installed www www ecdsa DIR/ecdsa-p384.pem",
		"chain_installed DIR/chain.pem",
		"cleared a.test",
		"full_key_installed DIR/full.pem",
		"private_key_installed www ecdsa DIR/ecdsa-p256.key",
		"private_key_installed www ecdsa DIR/ecdsa-p384.key",
		"set_http_challenge a.test DIR/answers",
	}
	if !slices.Equal(got, want) {
		t.Errorf("hooks were told\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if again := f.apply(); len(again.Done) > 0 {
		t.Errorf("a second run did %+v", again.Done)
	}
}

// serveFolder shows a folder where the CA looks for answers.
func serveFolder(t *testing.T, f *fixture, folder string) {
	t.Helper()
	const below = "/.well-known/acme-challenge/"
	server := &http.Server{Addr: fmt.Sprintf("127.0.0.1:%d", f.ca.HTTPPort()), Handler: http.StripPrefix(below, http.FileServer(http.Dir(folder)))}
	ended := make(chan error, 1)
	go func() { ended <- server.ListenAndServe() }()
	t.Cleanup(func() {
		_ = server.Close()
		<-ended
	})
}
