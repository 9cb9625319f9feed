package engine

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/keys"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/servertest"
)

// A real nginx serves what somebody else makes, each next one without being
// restarted, and goes on with the last good one where the files are broken.
func TestTakesInForNginx(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	m := newMaker(f)
	m.put()
	address := servertest.FreeAddress(t)
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	pidFile := filepath.Join(f.dir, "nginx.pid")
	before := fmt.Sprintf("certificates: {a.test: {static: {certificate: %s, key: %s}}}\n", m.cert, m.own)
	f.configure(before)
	if fault := m.look(); fault != nil {
		t.Fatalf("%+v", fault)
	}
	nginx := servertest.Nginx(t, address, fmt.Sprintf(`
	server { listen %s ssl; server_name a.test;
		ssl_certificate %[2]s/out/a.test/fullchain.pem; ssl_certificate_key %[2]s/out/a.test/privkey.pem; }`, address, f.dir))
	if err := os.WriteFile(pidFile, fmt.Appendln(nil, nginx.PID), 0o600); err != nil {
		t.Fatal(err)
	}
	f.configure(fmt.Sprintf(`services: {web: {reload: {signal: HUP, pid_file: %s}}}
certificates: {a.test: {static: {certificate: %s, key: %s}, services: [web], verify: [{port: %s, address: 127.0.0.1}]}}
`, pidFile, m.cert, m.own, port))
	for round := range 2 {
		m.newKey(keys.ECDSAP256)
		m.put()
		if fault := m.look(); fault != nil {
			t.Fatalf("round %d: %+v", round, fault)
		}
		nginx.OneWorker(t)
		if _, leaf := stapled(t, address, "a.test"); !leaf.Equal(f.chain("a.test")[0]) {
			t.Errorf("round %d: nginx shows serial %x", round, leaf.SerialNumber)
		}
		if state := f.known("a.test").Targets["default"].State; state != plan.TargetVerified {
			t.Errorf("round %d: the target is %s", round, state)
		}
	}
	_, last := stapled(t, address, "a.test")
	m.newKey(keys.ECDSAP256)
	m.putCertificate() // and not its key
	m.look()
	if _, leaf := stapled(t, address, "a.test"); !leaf.Equal(last) {
		t.Errorf("nginx shows serial %x, which has no key", leaf.SerialNumber)
	}
	if p := f.problem(plan.CodeGiven); p.Remedy == "" {
		t.Errorf("problem %+v", p)
	}
}
