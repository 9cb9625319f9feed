package main

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/certkeep/certkeep/internal/acmetest"
)

// secretHMAC binds an account at a CA; secretTSIG signs DNS updates.
const (
	secretHMAC = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"
	secretTSIG = "dGhpcyBpcyBhIHNlY3JldCBvZiBhIG5hbWUgc2VydmVy"
)

// betrayal prints all that a program that Certkeep starts is given, and how
// Certkeep itself was started.
const betrayal = `#!/bin/sh
{ env; cat; echo "$@"; tr '\0' '\n' < /proc/$PPID/cmdline; } >> $DIR/betrayed
echo "could not reload" >&2
exit 1
`

// TestSecretsStayInside has a CA that binds accounts, a key for DNS updates, a
// hook and a service, and things that go wrong with each of them, all of it told in
// full. No secret is in what is printed, logged, stored as history, or given to
// a program.
func TestSecretsStayInside(t *testing.T) {
	ca := acmetest.Start(t, acmetest.Options{EAB: map[string]string{"kid-1": secretHMAC}})
	s := newStage(t, buildProgram(t), ca, map[string]string{
		"certkeep.yaml": `
state: $DIR/state
accept_terms: true
listen: {http: "$HTTP", status: false}
log: {level: debug, file: $DIR/log}
issuers:
  test: {directory: $DIRECTORY, roots_file: $DIR/roots.pem, eab: {kid: kid-1, hmac_file: $DIR/hmac}}
  wrong: {directory: $DIRECTORY, roots_file: $DIR/roots.pem, eab: {kid: kid-2, hmac_env: CERTKEEP_TEST_HMAC}}
dns: {main: {provider: rfc2136, server: "127.0.0.1:1", tsig_file: $DIR/tsig}}
challenges: [{names: [dns.test], dns-01: {via: main}}, {http-01: {}}]
services: {web: {check: /bin/true, reload: $DIR/bin/betray}}
hooks: {installed: {command: $DIR/bin/betray}}
defaults: {issuer: [test], path: $DIR/ssl}
certificates:
  good: {names: [good.test], services: [web]}
  hooked: {names: [hooked.test]}
  named: {names: [dns.test]}
  bound: {names: [bound.test], issuer: [wrong]}
`,
		"hmac": secretHMAC + "\n", "bin/betray": betrayal,
		"tsig": `key "update" { algorithm hmac-sha256; secret "` + secretTSIG + `"; };`,
	})
	s.env = []string{"CERTKEEP_TEST_HMAC=" + secretHMAC}
	for _, args := range [][]string{
		{"-v", "apply"},
		{"-v", "renew", "hooked"},
		{"account", "show"},
		{"--json", "account", "show"},
		{"-v", "account", "roll-key", "test"},
		{"status"},
		{"--json", "status"},
		{"plan"},
		{"--json", "plan"},
		{"--json", "history", "good"},
		{"history", "named"},
		{"history", "bound"},
		{"config", "show"},
		{"config", "check"},
		{"-v", "verify"},
	} {
		s.run(args...)
	}
	secrets := append(s.keys(), secretHMAC, secretTSIG)
	if len(secrets) < 8 {
		t.Fatalf("only %d secrets are known: %s", len(secrets), s.said.String())
	}
	s.hide("what was printed", s.said.String(), secrets)
	for place, text := range s.outside() {
		s.hide(place, text, secrets)
	}
	for _, sign := range []string{"CERTKEEP_EVENT=installed", `"event":"installed"`} {
		if !strings.Contains(s.read("betrayed"), sign) {
			t.Errorf("no program betrayed %q:\n%s", sign, s.said.String())
		}
	}
}

// hide fails where a secret is in a text.
func (s *stage) hide(place, text string, secrets []string) {
	s.Helper()
	for _, secret := range secrets {
		if strings.Contains(text, secret) {
			s.Errorf("%s holds a secret, %s…", place, secret[:8])
		}
	}
}

// keys are lines out of the middle of every private key that is stored.
func (s *stage) keys() []string {
	s.Helper()
	var lines []string
	for place, text := range s.files() {
		if !isVault(place) || !strings.HasSuffix(place, ".json") {
			continue
		}
		var record struct{ Secret struct{ Data string } }
		if err := json.Unmarshal([]byte(text), &record); err != nil {
			s.Fatalf("%s: %v", place, err)
		}
		for line := range strings.Lines(record.Secret.Data) {
			if line = strings.TrimSpace(line); !strings.HasPrefix(line, "-----") {
				lines = append(lines, line)
			}
		}
	}
	return lines
}

// isVault reports whether a file is there to hold secrets.
func isVault(place string) bool {
	return strings.HasPrefix(place, "state/records/keys/") || strings.HasPrefix(place, "state/records/accounts/") ||
		place == "hmac" || place == "tsig" || strings.HasSuffix(place, "privkey.pem") || strings.HasPrefix(place, "state/archive/")
}

// outside are the files that are not made to hold secrets.
func (s *stage) outside() map[string]string {
	files := s.files()
	for place := range files {
		if isVault(place) {
			delete(files, place)
		}
	}
	return files
}

// files are all files of the stage.
func (s *stage) files() map[string]string {
	s.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(s.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		files[strings.TrimPrefix(path, s.dir+"/")] = string(text)
		return err
	})
	if err != nil {
		s.Fatal(err)
	}
	return files
}
