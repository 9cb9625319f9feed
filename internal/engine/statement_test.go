package engine

import (
	"context"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/ocsp"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/servertest"
	"github.com/certkeep/certkeep/internal/store"
)

// TestSilentResponderHoldsUpNobody: certificates that wait for a responder's
// answer, more than may ask at once, keep no other from being issued.
func TestSilentResponderHoldsUpNobody(t *testing.T) {
	f := newFixture(t, acmetest.Options{OCSP: true})
	names, config := []string{"a.test", "b.test", "c.test"}, "concurrency: 1\ncertificates:\n"
	for _, name := range names {
		config += fmt.Sprintf("  %s: {ocsp: {file: %s/ocsp/%s}}\n", name, f.dir, name)
	}
	f.configure(config)
	f.apply()
	for _, name := range names {
		f.due(name)
	}
	f.ca.OCSP.Hang(true)
	f.configure(config + "  d.test: {}\n")
	begin := time.Now()
	if _, err := f.Apply(t.Context(), nil, Only{}); err != nil {
		t.Fatal(err)
	}
	for event, err := range f.store.History(t.Context(), "d.test") {
		if err != nil {
			t.Fatal(err)
		}
		if took := event.Time.Sub(begin); event.Kind == store.EventInstalled && took > statementTime {
			t.Errorf("d.test was installed after %s", took)
		}
	}
	f.checkServed("d.test")
}

// TestInterruptedQuestionIsNoFailure: an end that came in order takes back the
// count of the attempt, also of the first one.
func TestInterruptedQuestionIsNoFailure(t *testing.T) {
	f := newFixture(t, acmetest.Options{OCSP: true})
	f.ca.OCSP.Hang(true)
	log := newTestLog(t)
	f.configure(fmt.Sprintf("ct_logs: {own: [%s]}\n", log.config("one")) + f.ocspConfig(fmt.Sprintf(", sct: {directory: %s/scts, logs: [one]}", f.dir)))
	for _, stage := range []string{"asking for the OCSP response", "handing the"} {
		ctx, cancel := context.WithCancel(t.Context())
		f.Watch = func(p Progress) {
			if strings.HasPrefix(p.Stage, stage) {
				cancel()
			}
		}
		if _, err := f.Apply(ctx, nil, Only{}); err == nil {
			t.Fatalf("nobody was interrupted while %s", stage)
		}
		if k := f.known("a.test"); k.OCSP[ecKey].Tries.Count != 0 || len(k.SCT[ecKey].Logs) != 0 {
			t.Errorf("while %s: known %+v, %+v", stage, k.OCSP, k.SCT)
		}
		f.ca.OCSP.Hang(false)
	}
	f.Watch = func(Progress) {}
	f.apply()
	f.response("a.test")
	if n := len(log.received()); n != 1 {
		t.Errorf("the log received %d certificates", n)
	}
}

// TestEachAttemptBeginsWithAnother: of several responders the first may use up
// all the time; then the next attempt begins with another one.
func TestEachAttemptBeginsWithAnother(t *testing.T) {
	silent, answers := newFixture(t, acmetest.Options{OCSP: true}), newFixture(t, acmetest.Options{OCSP: true})
	silent.ca.OCSP.Hang(true)
	f := answers
	f.configure(fmt.Sprintf("certificates: {a.test: {ocsp: {file: %q, force: true, responders: [%q, %q]}}}\n", f.dir+"/ocsp/{name}.{key_type}.ocsp", silent.ca.OCSP.URL(), f.ca.OCSP.URL()))
	if fault := f.failing(); fault.Blame != plan.BlameNetwork {
		t.Errorf("fault %+v", fault)
	}
	f.askApply("a.test")
	f.apply()
	f.response("a.test")
}

// TestResponderAsksToWait: what a responder asks for binds also a person.
func TestResponderAsksToWait(t *testing.T) {
	f := newFixture(t, acmetest.Options{OCSP: true})
	f.ca.OCSP.Fail(http.StatusTooManyRequests)
	f.configure(f.ocspConfig(""))
	f.failing()
	if tries := f.known("a.test").OCSP[ecKey].Tries; time.Until(tries.Imposed) < 50*time.Minute {
		t.Errorf("tries %+v", tries)
	}
	f.askApply("a.test")
	f.apply()
	if tries := f.known("a.test").OCSP[ecKey].Tries; tries.Count != 1 {
		t.Errorf("asked %d times", tries.Count)
	}
}

// TestStaplesThroughHAProxy: HAProxy staples the response beside its combined
// file, and nothing where there is none for a new certificate.
func TestStaplesThroughHAProxy(t *testing.T) {
	program := servertest.Find(t, "haproxy")
	f := newFixture(t, acmetest.Options{OCSP: true})
	f.configure(fmt.Sprintf("certificates: {a.test: {files: [{path: %[1]s/a.pem, content: [key, fullchain]}, {path: %[1]s/out/a.test/fullchain.pem, content: fullchain}], ocsp: {file: %[1]s/a.pem.ocsp}}}\n", f.dir))
	f.apply()
	response, err := os.ReadFile(f.dir + "/a.pem.ocsp")
	if err != nil {
		t.Fatal(err)
	}
	serve := func() ([]byte, *x509.Certificate) {
		address := servertest.FreeAddress(t)
		config := filepath.Join(t.TempDir(), "haproxy.cfg")
		text := fmt.Sprintf("defaults\n  mode http\n  timeout client 5s\n  timeout server 5s\n  timeout connect 5s\nfrontend f\n  bind %s ssl crt %s/a.pem\n", address, f.dir)
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		p := servertest.Start(t, syscall.SIGTERM, program, "-f", config)
		p.Ready(t, "", servertest.Accepts(address))
		return stapled(t, address, "a.test")
	}
	if got, leaf := serve(); !slices.Equal(got, response) || !leaf.Equal(f.chain("a.test")[0]) {
		t.Errorf("HAProxy staples %d bytes for %s", len(got), leaf.SerialNumber.Text(16))
	}
	f.ca.OCSP.Fail(http.StatusInternalServerError)
	f.ask(plan.AskRenew, "a.test")
	if fault := f.failing(); fault.Code != plan.CodeOCSP {
		t.Errorf("fault %+v", fault)
	}
	if left, err := os.ReadFile(f.dir + "/a.pem.ocsp"); err != nil || !slices.Equal(left, ocsp.TryLater()) {
		t.Errorf("the file holds %x: %v", left, err)
	}
	if got, leaf := serve(); len(got) != 0 || !leaf.Equal(f.chain("a.test")[0]) {
		t.Errorf("HAProxy staples %d bytes of another certificate for %s", len(got), leaf.SerialNumber.Text(16))
	}
}

// TestCompromisedSaysTheCA: a key that the CA calls compromised is not used
// again, though the config keeps keys.
func TestCompromisedSaysTheCA(t *testing.T) {
	f := newFixture(t, acmetest.Options{OCSP: true})
	f.configure(f.ocspConfig(", key_reuse: true"))
	f.apply()
	before := f.chain("a.test")[0]
	f.ca.OCSP.Revoke(plan.RevokeCompromise.Number())
	f.due("a.test")
	f.apply()
	f.checkServed("a.test")
	f.response("a.test")
	if after := f.chain("a.test")[0]; slices.Equal(after.RawSubjectPublicKeyInfo, before.RawSubjectPublicKeyInfo) {
		t.Error("the new certificate is on the compromised key")
	}
	if again := f.apply(); len(again.Done) != 0 {
		t.Errorf("a further pass did %+v", again.Done)
	}
}

// TestNoResponder: a certificate that names no responder is no problem, and is
// asked about nobody but whom the config names.
func TestNoResponder(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	f.configure(f.ocspConfig(""))
	f.apply()
	if fact := f.known("a.test").OCSP[ecKey]; !fact.Missing {
		t.Errorf("known %+v", fact)
	}
	if again := f.apply(); len(again.Done) != 0 {
		t.Errorf("the second pass did %+v", again.Done)
	}
	world, err := f.World(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if problems := plan.CertProblems(time.Now(), world, world.Wanted.Certs[0]); len(problems) != 0 {
		t.Errorf("problems %+v", problems)
	}
	f.configure(fmt.Sprintf("certificates: {a.test: {ocsp: {file: %s/x.ocsp, responders: [\"http://127.0.0.1:1\"]}}}\n", f.dir))
	if fault := f.failing(); fault.Code != plan.CodeOCSP || !strings.Contains(fault.Words, "127.0.0.1:1") {
		t.Errorf("fault %+v", fault)
	}
}
