package engine

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/ocsp"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/servertest"
	"github.com/certkeep/certkeep/internal/store"
)

const ecKey = "ecdsa-p256"

// response checks the file of a certificate's response against what is
// installed for it, and returns its bytes.
func (f *fixture) response(name string) []byte {
	f.Helper()
	der, err := os.ReadFile(filepath.Join(f.dir, "ocsp", name+"."+ecKey+".ocsp"))
	if err != nil {
		f.Fatal(err)
	}
	certs := f.chain(name)
	said, err := ocsp.Check(der, certs[0], certs[1], time.Now())
	if err != nil || said.Status != ocsp.Good {
		f.Errorf("the file holds %q: %v", said.Status, err)
	}
	return der
}

// chain is what is installed for a certificate.
func (f *fixture) chain(name string) []*x509.Certificate {
	f.Helper()
	text, err := os.ReadFile(filepath.Join(f.dir, "out", name, "fullchain.pem"))
	if err != nil {
		f.Fatal(err)
	}
	var certs []*x509.Certificate
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			f.Fatal(err)
		}
		certs = append(certs, cert)
	}
	return certs
}

// stapled shakes hands with a server and returns the response that it staples.
func stapled(t *testing.T, address, name string) ([]byte, *x509.Certificate) {
	t.Helper()
	conn, err := tls.Dial("tcp", address, &tls.Config{ServerName: name, InsecureSkipVerify: true}) // the response is compared
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.OCSPResponse(), conn.ConnectionState().PeerCertificates[0]
}

// ocspConfig is one certificate whose responses are kept.
func (f *fixture) ocspConfig(more string) string {
	return fmt.Sprintf("certificates: {a.test: {ocsp: {file: %q}%s}}\n", f.dir+"/ocsp/{name}.{key_type}.ocsp", more)
}

// TestStaplesThroughNginx has a real nginx staple what was obtained, from its
// first start and through a renewal, which switches certificate and response
// together and reloads once.
func TestStaplesThroughNginx(t *testing.T) {
	f := newFixture(t, acmetest.Options{OCSP: true})
	address := servertest.FreeAddress(t)
	pidFile := filepath.Join(f.dir, "nginx.pid")
	reload := f.script("reload", fmt.Sprintf("echo reload >> %[1]s/log\ntest ! -e %[2]s || kill -HUP $(cat %[2]s)\n", f.dir, pidFile))
	hook := f.script("hook", fmt.Sprintf("cat >> %[1]s/told; echo >> %[1]s/told\n", f.dir))
	config := fmt.Sprintf("services: {web: {reload: %s}}\nhooks: {ocsp-updated: {command: %s}}\n", reload, hook) + f.ocspConfig(", services: [web]")
	f.configure(config)
	f.apply()
	first := f.response("a.test")
	if n := len(f.lines("log")); n != 1 {
		t.Errorf("reloaded %d times for a certificate with its response, want once", n)
	}
	if told := f.lines("told"); len(told) != 1 || !strings.Contains(told[0], `"event":"ocsp-updated"`) || !strings.Contains(told[0], "/ocsp/a.test.ecdsa-p256.ocsp") {
		t.Errorf("the hook was told %q", told)
	}
	if n := f.happened("a.test", store.EventOCSPUpdated); n != 1 {
		t.Errorf("%d events, want 1", n)
	}
	if again := f.apply(); len(again.Done) != 0 {
		t.Errorf("the second pass did %+v", again.Done)
	}

	nginx := servertest.Nginx(t, address, fmt.Sprintf(`
	server { listen %s ssl; server_name a.test; ssl_stapling on; ssl_stapling_file %[2]s/ocsp/a.test.ecdsa-p256.ocsp;
		ssl_certificate %[2]s/out/a.test/fullchain.pem; ssl_certificate_key %[2]s/out/a.test/privkey.pem; }`, address, f.dir))
	if got, leaf := stapled(t, address, "a.test"); !slices.Equal(got, first) || !leaf.Equal(f.chain("a.test")[0]) {
		t.Errorf("nginx staples %d bytes for serial %x", len(got), leaf.SerialNumber)
	}
	if err := os.WriteFile(pidFile, fmt.Appendln(nil, nginx.PID), 0o600); err != nil {
		t.Fatal(err)
	}
	f.ask(plan.AskRenew, "a.test")
	f.apply()
	second := f.response("a.test")
	nginx.Ready(t, "", func(context.Context) error {
		if got, leaf := stapled(t, address, "a.test"); !slices.Equal(got, second) || !leaf.Equal(f.chain("a.test")[0]) {
			return fmt.Errorf("nginx staples %d bytes for serial %x", len(got), leaf.SerialNumber)
		}
		return nil
	})
	if n := len(f.lines("log")); n != 2 {
		t.Errorf("reloaded %d times after a renewal, want once more", n)
	}

	// Where there is no response for a new certificate, that of the one before
	// must not be stapled: clients refuse it.
	f.ca.OCSP.Fail(http.StatusInternalServerError)
	f.ask(plan.AskRenew, "a.test")
	f.failing()
	nginx.Ready(t, "", func(context.Context) error {
		if got, leaf := stapled(t, address, "a.test"); !slices.Equal(got, ocsp.TryLater()) || !leaf.Equal(f.chain("a.test")[0]) {
			return fmt.Errorf("nginx staples %d bytes for serial %x", len(got), leaf.SerialNumber)
		}
		return nil
	})
	f.ca.OCSP.Fail(0)
	f.askApply("a.test")
	f.apply()
	third := f.response("a.test")
	nginx.Ready(t, "", func(context.Context) error {
		if got, _ := stapled(t, address, "a.test"); !slices.Equal(got, third) {
			return fmt.Errorf("nginx staples %d bytes", len(got))
		}
		return nil
	})
}

// TestResponseIsRenewed: half-way through its life another response is asked
// for, under conditions, and services are told of a new one alone.
func TestResponseIsRenewed(t *testing.T) {
	f := newFixture(t, acmetest.Options{OCSP: true})
	reload := f.script("reload", fmt.Sprintf("echo reload >> %s/log\n", f.dir))
	f.configure(fmt.Sprintf("services: {web: {reload: %s}}\n", reload) + f.ocspConfig(", services: [web]"))
	f.apply()
	reloads := len(f.lines("log"))
	first, fact := f.response("a.test"), f.known("a.test").OCSP[ecKey]
	if wait := time.Until(fact.AskAgain); wait < 3*24*time.Hour || wait > 4*24*time.Hour || !fact.Tries.Last.IsZero() {
		t.Errorf("asked again in %s: %+v", wait, fact)
	}
	f.due("a.test")
	f.apply()
	asked := f.ca.OCSP.Asked()
	if last := asked[len(asked)-1]; len(asked) != 2 || !last.Conditional || !last.Same {
		t.Errorf("asked %+v", asked)
	}
	if again := f.response("a.test"); !slices.Equal(again, first) || len(f.lines("log")) != reloads {
		t.Errorf("reloaded %d times, though nothing changed", len(f.lines("log"))-reloads)
	}
	f.ca.OCSP.Renew(8 * 24 * time.Hour)
	f.due("a.test")
	f.apply()
	if second := f.response("a.test"); slices.Equal(second, first) || len(f.lines("log")) != reloads+1 {
		t.Errorf("reloaded %d times after a new response", len(f.lines("log"))-reloads)
	}
	if left, err := filepath.Glob(filepath.Join(f.dir, "state/archive/a.test/*")); err != nil || len(left) != 0 {
		t.Errorf("the archive holds %q: %v", left, err)
	}
}

// due makes it time to ask for a newer response.
func (f *fixture) due(name string) {
	f.Helper()
	err := f.store.UpdateCert(f.Context(), name, func(k *plan.KnownCert) error {
		staple := k.OCSP[ecKey]
		staple.AskAgain = time.Now().Add(-2 * time.Hour)
		k.OCSP[ecKey] = staple
		return nil
	})
	if err != nil {
		f.Fatal(err)
	}
}

// TestResponseIsPutBack: a file that was deleted or altered comes back without
// the responder being asked; where the stored copy is lost too, it is.
func TestResponseIsPutBack(t *testing.T) {
	f := newFixture(t, acmetest.Options{OCSP: true})
	f.configure(f.ocspConfig(""))
	f.apply()
	path, want := filepath.Join(f.dir, "ocsp/a.test.ecdsa-p256.ocsp"), f.response("a.test")
	for _, spoil := range []func() error{
		func() error { return os.Remove(path) },
		func() error { return os.WriteFile(path, []byte("spoilt"), 0o644) },
	} {
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		f.reopen()
		f.configure(f.ocspConfig(""))
		f.apply()
		if !slices.Equal(f.response("a.test"), want) {
			t.Error("another response was put back")
		}
	}
	if n := len(f.ca.OCSP.Asked()); n != 1 {
		t.Errorf("the responder was asked %d times", n)
	}
	f.spoil("statements/a.test/*.json", "{}")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	f.reopen()
	f.configure(f.ocspConfig(""))
	f.apply()
	if n := len(f.ca.OCSP.Asked()); n != 2 || !slices.Equal(f.response("a.test"), want) {
		t.Errorf("the responder was asked %d times", n)
	}
}

// TestFailingResponder: a responder that fails or hangs keeps nothing from
// being installed, is asked again later, and never costs a response that
// holds.
func TestFailingResponder(t *testing.T) {
	f := newFixture(t, acmetest.Options{OCSP: true})
	f.ca.OCSP.Fail(http.StatusServiceUnavailable)
	f.configure(f.ocspConfig(""))
	fault := f.failing()
	if fault.Code != plan.CodeOCSP || fault.Blame != plan.BlameCA || !strings.Contains(fault.Words, f.ca.OCSP.URL()) {
		t.Errorf("fault %+v", fault)
	}
	f.checkServed("a.test")
	if p := f.problem(plan.CodeOCSP); p.Severity != plan.Warning || p.Remedy == "" {
		t.Errorf("problem %+v", p)
	}
	tries := f.known("a.test").OCSP[ecKey].Tries
	if wait := time.Until(tries.NotBefore); tries.Count != 1 || wait < 50*time.Second || wait > 75*time.Second {
		t.Errorf("tries %+v", tries)
	}
	if again := f.apply(); len(again.Done) != 0 {
		t.Errorf("asked again at once: %+v", again.Done)
	}
	f.ca.OCSP.Fail(0)
	f.askApply("a.test")
	f.apply()
	want := f.response("a.test")

	f.ca.OCSP.Hang(true)
	f.due("a.test")
	begin := time.Now()
	if fault := f.failing(); fault.Blame != plan.BlameNetwork || !strings.Contains(fault.Words, "10s") {
		t.Errorf("fault %+v", fault)
	}
	if took := time.Since(begin); took > 2*statementTime {
		t.Errorf("a silent responder was waited for for %s", took)
	}
	if !slices.Equal(f.response("a.test"), want) {
		t.Error("the response changed")
	}
	world, err := f.World(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if problems := plan.CertProblems(time.Now(), world, world.Wanted.Certs[0]); len(problems) != 0 {
		t.Errorf("one failure while a response holds is worth %+v", problems)
	}
}

// TestRevokedIsReplaced: what the CA says it revoked is issued again at once,
// and the file holds the response of the new certificate.
func TestRevokedIsReplaced(t *testing.T) {
	f := newFixture(t, acmetest.Options{OCSP: true})
	f.configure(f.ocspConfig(""))
	f.apply()
	before := f.chain("a.test")[0]
	f.ca.OCSP.Revoke(plan.RevokeSuperseded.Number())
	f.due("a.test")
	f.apply()
	if n := f.happened("a.test", store.EventRevoked); n != 1 {
		t.Errorf("%d events of a revocation", n)
	}
	f.checkServed("a.test")
	f.response("a.test")
	if f.chain("a.test")[0].Equal(before) {
		t.Error("the revoked certificate is served")
	}
	k := f.known("a.test")
	if old := k.Versions[0].Pairs[0]; !old.Revoked || k.Versions[1].Pairs[0].Revoked {
		t.Errorf("versions %+v", k.Versions)
	}
}

// TestNothingIsLostAtAnyWriteOfAResponse sweeps a renewal whose OCSP response
// comes with it: in the end the file holds the response of what is installed,
// and the service has read both.
func TestNothingIsLostAtAnyWriteOfAResponse(t *testing.T) {
	l := newLifeAt(t, acmetest.Options{OCSP: true})
	l.config = "services: {web: {reload: $DIR/reload}}\n" +
		"certificates: {a.test: {services: [web], ocsp: {file: \"$DIR/ocsp/{name}.{key_type}.ocsp\"}}}\n"
	l.judge = func(f *fixture) {
		f.checkServed("a.test")
		f.response("a.test")
		f.checkRead("ocsp/a.test.ecdsa-p256.ocsp")
		k := f.known("a.test")
		if target := k.Targets[plan.CompanionOCSP]; target.State != plan.TargetReloaded || k.OCSP[ecKey].Tries.Count != 0 {
			f.Errorf("known %+v, %+v", k.OCSP, target)
		}
	}
	l.prepare(t, func(f *fixture) {
		f.reads("ocsp/a.test.ecdsa-p256.ocsp")
		f.apply()
		f.ask(plan.AskRenew, "a.test")
	})
	l.sweep(t, 9)
}

// TestResponseInPlaceWithoutFact: after a kill between the file and the fact
// of it no byte is written again, and the service is told.
func TestResponseInPlaceWithoutFact(t *testing.T) {
	f := newFixture(t, acmetest.Options{OCSP: true})
	reload := f.script("reload", fmt.Sprintf("echo reload >> %s/log\n", f.dir))
	f.configure(fmt.Sprintf("services: {web: {reload: %s}}\n", reload) + f.ocspConfig(", services: [web]"))
	f.apply()
	path, reloads := filepath.Join(f.dir, "ocsp/a.test.ecdsa-p256.ocsp"), len(f.lines("log"))
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	err = f.store.UpdateTargets(t.Context(), "a.test", func(targets map[string]plan.Target) error {
		delete(targets, plan.CompanionOCSP)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	f.reopen()
	f.configure(fmt.Sprintf("services: {web: {reload: %s}}\n", reload) + f.ocspConfig(", services: [web]"))
	f.apply()
	after, err := os.Stat(path)
	if err != nil || !os.SameFile(before, after) || after.ModTime() != before.ModTime() {
		t.Errorf("the file was written again: %v", err)
	}
	if n := len(f.lines("log")) - reloads; n != 1 {
		t.Errorf("the service was told %d times", n)
	}
	if n := len(f.ca.OCSP.Asked()); n != 1 {
		t.Errorf("the responder was asked %d times", n)
	}
}
