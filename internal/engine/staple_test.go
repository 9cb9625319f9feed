package engine

import (
	"crypto/tls"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/servertest"
)

// verifiedAt is the config of a certificate that has to be seen at a port.
func (f *fixture) verifiedAt(address, more string) string {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		f.Fatal(err)
	}
	return f.ocspConfig(fmt.Sprintf(", verify: [{port: %s, address: 127.0.0.1}]%s", port, more))
}

// TestStapleIsDemanded: a service that does not staple what its certificate
// demands is heard, and not taken for right; that it serves the certificate is
// no doubt, so it is not told again and again.
func TestStapleIsDemanded(t *testing.T) {
	f := newFixture(t, acmetest.Options{OCSP: true})
	bare, stapling := servertest.FreeAddress(t), servertest.FreeAddress(t)
	must := ", must_staple: true, staple_wait: 300ms"
	f.configure(f.ocspConfig(must))
	f.apply()
	server := `
	server { listen %s ssl; server_name a.test; %s
		ssl_certificate %[3]s/out/a.test/fullchain.pem; ssl_certificate_key %[3]s/out/a.test/privkey.pem; }`
	servertest.Nginx(t, bare, fmt.Sprintf(server, bare, "", f.dir)+fmt.Sprintf(server, stapling,
		fmt.Sprintf("ssl_stapling on; ssl_stapling_file %s/ocsp/a.test.ecdsa-p256.ocsp;", f.dir), f.dir))

	f.configure(f.verifiedAt(bare, must))
	fault := f.failing()
	if fault.Code != plan.CodeVerifyStaple || !strings.Contains(strings.Join(fault.Detail, " "), "staples no OCSP response, which the certificate demands") {
		t.Errorf("fault = %+v", fault)
	}
	if p := f.problem(plan.CodeVerifyStaple); p.Severity != plan.Critical || p.Remedy == "" {
		t.Errorf("problem %+v", p)
	}
	f.askApply("a.test")
	f.failing()
	if target := f.known("a.test").Targets["default"]; target.State != plan.TargetReloaded || target.Verify.Tries.Count != 2 {
		t.Errorf("target %+v", target)
	}

	f.configure(f.verifiedAt(stapling, must))
	f.askApply("a.test")
	f.apply()
	if state := f.known("a.test").Targets["default"].State; state != plan.TargetVerified {
		t.Errorf("target is %s", state)
	}
}

// TestStapleOfAnother: what clients refuse must not be stapled to any
// certificate.
func TestStapleOfAnother(t *testing.T) {
	f := newFixture(t, acmetest.Options{OCSP: true})
	address := servertest.FreeAddress(t)
	ocsp := "{ocsp: {file: '" + f.dir + "/ocsp/{name}.{key_type}.ocsp'}}"
	f.configure(fmt.Sprintf("certificates: {a.test: %[1]s, other.test: %[1]s}\n", ocsp))
	f.apply()
	servertest.Nginx(t, address, fmt.Sprintf(`
	server { listen %s ssl; server_name a.test; ssl_stapling on; ssl_stapling_file %[2]s/ocsp/other.test.ecdsa-p256.ocsp;
		ssl_certificate %[2]s/out/a.test/fullchain.pem; ssl_certificate_key %[2]s/out/a.test/privkey.pem; }`, address, f.dir))
	f.configure(f.verifiedAt(address, ", staple_wait: 0s"))
	if fault := f.failing(); fault.Code != plan.CodeVerifyStaple || !strings.Contains(strings.Join(fault.Detail, " "), "about another certificate") {
		t.Errorf("fault = %+v", fault)
	}
}

// TestStapleIsWaitedFor: a server that asks the responder itself has no
// response for those who come first.
func TestStapleIsWaitedFor(t *testing.T) {
	f := newFixture(t, acmetest.Options{OCSP: true})
	f.configure(f.ocspConfig(", must_staple: true"))
	f.apply()
	response := f.response("a.test")
	folder := filepath.Join(f.dir, "out", "a.test")
	pair, err := tls.LoadX509KeyPair(filepath.Join(folder, "fullchain.pem"), filepath.Join(folder, "privkey.pem"))
	if err != nil {
		t.Fatal(err)
	}
	var connections atomic.Int32
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		answer := pair
		if connections.Add(1) > 2 {
			answer.OCSPStaple = response
		}
		return &answer, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return // closed
			}
			go func() {
				defer conn.Close()
				_ = conn.(*tls.Conn).HandshakeContext(t.Context()) // the client is judged, not this
			}()
		}
	}()
	f.configure(f.verifiedAt(listener.Addr().String(), ", must_staple: true"))
	f.apply()
	if state := f.known("a.test").Targets["default"].State; state != plan.TargetVerified || connections.Load() != 3 {
		t.Errorf("target is %s after %d connections", state, connections.Load())
	}
}
