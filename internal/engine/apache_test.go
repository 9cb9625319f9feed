package engine

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/servertest"
)

// TestTwoKindsOfKeyThroughApache has Apache present a certificate of each kind of
// key, from the placeholder through a renewal, and sees each by a handshake.
func TestTwoKindsOfKeyThroughApache(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	port, err := acmetest.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	address := fmt.Sprintf("127.0.0.1:%d", port)
	f.configure(fmt.Sprintf(`
services:
  web: {reload: {signal: USR1, pid_file: %[1]s/pid}}
certificates:
  a.test:
    key_types: [rsa-2048, ecdsa-p256]
    services: [web]
    verify: [{port: %[2]d, address: 127.0.0.1}]
    files: [{path: "%[1]s/{key_type}.key", content: key}, {path: "%[1]s/{key_type}.pem", content: fullchain}]
`, f.dir, port))
	// The CA cannot reach the name yet: there are placeholders.
	if err := f.ca.DNS.ServFail("a.test"); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Apply(t.Context(), nil, Only{}); err != nil {
		t.Fatal(err)
	}
	apache := servertest.ApacheIn(t, f.dir, "socache_shmcb", "ssl")
	apache.Configure(t, fmt.Sprintf(`Listen %[1]s
<VirtualHost *:%[2]d>
	ServerName a.test
	SSLEngine on
	SSLCertificateFile %[3]s/rsa-2048.pem
	SSLCertificateKeyFile %[3]s/rsa-2048.key
	SSLCertificateFile %[3]s/ecdsa-p256.pem
	SSLCertificateKeyFile %[3]s/ecdsa-p256.key
</VirtualHost>
`, address, port, f.dir))
	apache.Start(t, address)
	if err := f.ca.DNS.ClearServFail("a.test"); err != nil {
		t.Fatal(err)
	}
	for _, ask := range []plan.AskKind{plan.AskApply, plan.AskRenew} {
		f.ask(ask, "a.test")
		f.apply()
		known := f.known("a.test")
		target := known.Targets["default"]
		if target.State != plan.TargetVerified || target.Verify.Version != known.Published {
			t.Fatalf("after %s: target %+v", ask, target)
		}
		for _, keyType := range []string{"rsa-2048", ec256} {
			if !slices.ContainsFunc(target.Verify.Results, func(r plan.Result) bool { return r.KeyType == keyType && r.Verdict == plan.VerdictRight }) {
				t.Errorf("after %s: no %s certificate was seen: %+v", ask, keyType, target.Verify.Results)
			}
		}
	}
	if keys, err := filepath.Glob(filepath.Join(f.dir, "*.key")); err != nil || len(keys) != 2 {
		t.Errorf("keys %q, %v", keys, err)
	}
}
