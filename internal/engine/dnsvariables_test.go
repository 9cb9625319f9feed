package engine

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/bindtest"
	"github.com/certkeep/certkeep/internal/plan"
)

// writeFile writes a file that nobody else reads.
func (f *fixture) writeFile(name, text string) string {
	f.Helper()
	path := filepath.Join(f.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		f.Fatal(err)
	}
	return path
}

// TestLegoEnvironment proves a wildcard by a name server that an environment
// file in lego's words tells of, as NixOS hands it over. A secret that is wrong
// is the administrator's to mend, and is in no message.
func TestLegoEnvironment(t *testing.T) {
	bind := bindtest.Start(t, bindtest.Zone{Name: "test", Records: "a IN A 127.0.0.1\n"})
	f := newFixture(t, acmetest.Options{DNS: bind.Address})
	key := regexp.MustCompile(`(?s)key "([^"]+)".*algorithm "?([a-z0-9-]+)"?;.*secret "([^"]+)"`).FindSubmatch(bind.KeyFile)
	if key == nil {
		t.Fatalf("%s", bind.KeyFile)
	}
	secret := f.writeFile("secret", "bm90IGl0\n")
	env := f.writeFile("dns.env", fmt.Sprintf("RFC2136_NAMESERVER=%s\nRFC2136_TSIG_KEY=%s\nRFC2136_TSIG_ALGORITHM=%s.\nRFC2136_TSIG_SECRET_FILE=%s\nRFC2136_PROPAGATION_TIMEOUT=5\n", bind.Address, key[1], key[2], secret))
	cfg := fmt.Sprintf("dns: {main: {provider: rfc2136, environment_file: %s, resolver: %q, propagation: {servers: [%[2]q]}}}\n", env, bind.Address) +
		"challenges: [{dns-01: {via: main}}]\ncertificates: {a.test: {names: [a.test, \"*.a.test\"]}}\n"
	f.configure(cfg)
	report, err := f.Apply(t.Context(), nil, Only{})
	if err != nil {
		t.Fatal(err)
	}
	fault := f.known("a.test").Tries["ecdsa-p256"].Fault
	if fault == nil || fault.Code != plan.CodeDNSUpdate || fault.Blame != plan.BlameAdmin || strings.Contains(fmt.Sprintf("%+v", report), "bm90IGl0") {
		t.Errorf("fault = %+v", fault)
	}
	f.writeFile("secret", string(key[3])+"\n")
	f.configure(cfg)
	f.askApply("a.test")
	f.apply()
	f.checkServed("a.test")
	if left := bind.TXT(t, "_acme-challenge.a.test"); len(left) != 0 {
		t.Errorf("left: %q", left)
	}
}

// TestCommandEnvironment: a program that writes records gets the variables of
// its entry, and none of ours.
func TestCommandEnvironment(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	t.Setenv("OURS", "hush")
	program := f.script("record", fmt.Sprintf("env | grep -v ^CERTKEEP_DNS_VALUE | sort >> %s/told\ntest $CERTKEEP_DNS_ACTION = remove\n", f.dir))
	env := f.writeFile("dns.env", "API_TOKEN=t0ken\n")
	f.configure(fmt.Sprintf("dns: {main: {provider: command, zones: [test], command: %s, environment_file: %s, resolver: %q}}\n", program, env, f.ca.DNSAddr()) +
		"challenges: [{dns-01: {via: main}}]\ncertificates: {a.test: {}}\n")
	f.failing()
	told := strings.Join(f.lines("told"), " ")
	if !strings.Contains(told, "API_TOKEN=t0ken ") || !strings.Contains(told, "CERTKEEP_DNS_ACTION=add ") || strings.Contains(told, "hush") {
		t.Errorf("told %s", told)
	}
}
