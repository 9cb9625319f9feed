package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestModMDMoves moves from the store that a real mod_md wrote, as
// docs/from-mod_md.md says: with the account, and without a new order.
func TestModMDMoves(t *testing.T) {
	t.Parallel()
	m := newModMD(t)
	m.begins()
	m.process.Signal(t, syscall.SIGUSR1) // which puts into force what was obtained
	m.awaits("/md-status/full.test", func(text string) bool { return strings.Contains(text, `"state": 2,`) })
	m.process.Stop(syscall.SIGTERM)

	put(t, m.dir+"/certkeep.yaml", fmt.Sprintf(`state: %[1]s/state
email: admin@example.test
accept_terms: true
listen: {status: false, http: "%[2]s", outside: {80: %[3]d}}
issuers: {test: {directory: "%[4]s", roots_file: %[1]s/roots.pem}}
defaults: {issuer: [test], path: %[1]s/ssl, key_types: [rsa-2048]}
certificates:
  full.test: {names: [full.test, www.full.test], key_types: [rsa-2048, ecdsa-p256]}
  staged.test: {names: [staged.test]}
`, m.dir, m.plain, m.ca.HTTPPort(), m.ca.DirectoryURL()))
	c := called{t, "", m.dir}
	certkeep := func(code int, args ...string) string {
		t.Helper()
		return c.must(code, append([]string{"--config", m.dir + "/certkeep.yaml"}, args...)...)
	}

	account := m.store("accounts", "ACME-127.0.0.1-0000")
	var theirs struct{ URL string }
	if err := json.Unmarshal([]byte(read(t, account+"/account.json")), &theirs); err != nil {
		t.Fatal(err)
	}
	put(t, m.dir+"/alone/account.pem", read(t, account+"/account.pem"))
	contains(t, certkeep(2, "account", "import", "test", m.dir+"/alone"), "is under the key of mod_md's store", "copy the store as a whole")
	put(t, m.dir+"/broken/md_store.json", `{"store": {"version": 3.0}, "key": "c2VjcmV0"}`)
	put(t, m.dir+"/broken/accounts/x/account.pem", read(t, account+"/account.pem"))
	if said := certkeep(2, "account", "import", "test", m.dir+"/broken/accounts/x/account.pem"); strings.Contains(said, "c2VjcmV0") || !strings.Contains(said, "passphrase") {
		t.Errorf("with another key: %s", said)
	}
	certkeep(0, "account", "import", "test", account)
	contains(t, certkeep(0, "account", "show"), theirs.URL)

	for _, commands := range []string{documented(t, "from-mod_md.md", "install -d"), documented(t, "from-mod_md.md", ".secp256r1.pem")} {
		shell := exec.CommandContext(t.Context(), "sh", "-ec", strings.ReplaceAll(strings.ReplaceAll(commands, "/etc/ssl/certkeep", m.dir+"/ssl"), "NAME", "full.test"))
		shell.Dir = m.store()
		if out, err := shell.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	contains(t, certkeep(0, "plan", "full.test"), "adopt")
	certkeep(0, "apply", "full.test")
	for ours, their := range map[string]string{"fullchain.pem": "pubcert.pem", "privkey.pem": "privkey.pem", "fullchain.ecdsa-p256.pem": "pubcert.secp256r1.pem"} {
		if now, before := read(t, filepath.Join(m.dir, "ssl/full.test", ours)), read(t, m.store("domains", "full.test", their)); now != before {
			t.Errorf("%s is not mod_md's %s:\n%s\n%s", ours, their, now, before)
		}
	}
	certkeep(0, "renew", "full.test")
	contains(t, certkeep(0, "account", "show"), theirs.URL)
}

// TestModMDKeys: the keys that docs/from-mod_md.md names for directives are taken,
// together.
func TestModMDKeys(t *testing.T) {
	t.Parallel()
	c := called{t, "", t.TempDir()}
	put(t, c.dir+"/c.yaml", fmt.Sprintf(`state: %[1]s/state
email: a@example.com
accept_terms: [corp]
listen: {outside: {80: 8080, 443: false}, http: {address: ":8080", redirect: true}, status: "127.0.0.1:9780"}
issuers: {corp: {directory: "https://127.0.0.1:1/dir", verify_tls: false, proxy: "http://p.example:3128", email: b@example.com}}
dns: {main: {provider: command, command: [/bin/true], arguments: true, zones: [example.com]}}
challenges: [{names: [".example.com"], try: [{dns-01: {via: main}}, {http-01: {}}]}]
notify: {command: {command: /bin/true, arguments: true}}
hooks: {renewing: {command: /bin/true, arguments: true}, challenge-setup: {command: /bin/true, arguments: true}, installed: {command: {shell: 'x "$CERTKEEP_CERTIFICATE"'}}}
defaults: {issuer: [corp], renew: {ari: false, before: 33%%}, warn: 10%%, key_types: [rsa-2048], must_staple: false, profile: x, profile_mandatory: false, ocsp: {before: 33%%, keep: 7d}, activate: on-restart, maintenance: {from: "02:00", to: "05:00"}, services: [apache]}
certificates:
  a: {names: [a.example.com], quarantine: true}
  b: {names: [b.example.com], mode: manual}
`, c.dir))
	c.must(0, "--config", c.dir+"/c.yaml", "config", "check")
}

// documented returns the commands in a page of docs in whose block a text stands.
func documented(t *testing.T, page, part string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(moduleDir(), "docs", page))
	if err != nil {
		t.Fatal(err)
	}
	for i, block := range strings.Split(string(text), "```") {
		if i%2 == 1 && strings.Contains(block, part) {
			return block
		}
	}
	t.Fatalf("docs/%s has no commands with %q", page, part)
	return ""
}
