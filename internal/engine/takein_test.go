package engine

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/keys"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/store"
)

// maker is somebody else who makes certificates, and puts them into files.
type maker struct {
	*fixture
	key       crypto.Signer // of the next certificate
	ends      time.Time
	names     []string
	cert, own string // paths
}

func newMaker(f *fixture) *maker {
	m := &maker{fixture: f, ends: time.Now().Add(90 * 24 * time.Hour), names: []string{"a.test"}, cert: filepath.Join(f.dir, "in.pem"), own: filepath.Join(f.dir, "in.key")}
	m.newKey(keys.ECDSAP256)
	return m
}

func (m *maker) newKey(kind keys.Type) {
	m.Helper()
	key, err := keys.Generate(kind)
	if err != nil {
		m.Fatal(err)
	}
	m.key = key
}

// put puts a new certificate there, changed long enough ago for nobody to be
// writing it.
func (m *maker) put() {
	m.Helper()
	m.putCertificate()
	text, err := keys.Marshal(m.key)
	if err != nil {
		m.Fatal(err)
	}
	m.write(m.own, text)
}

func (m *maker) putCertificate() {
	m.Helper()
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		m.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: serial, DNSNames: m.names, NotBefore: time.Now().Add(-24 * time.Hour), NotAfter: m.ends}
	der, err := x509.CreateCertificate(rand.Reader, template, template, m.key.Public(), m.key)
	if err != nil {
		m.Fatal(err)
	}
	m.write(m.cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func (m *maker) write(path string, text []byte) {
	m.Helper()
	before := time.Now().Add(-time.Minute)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		m.Fatal(err)
	}
	if err := os.Chtimes(path, before, before); err != nil {
		m.Fatal(err)
	}
}

// look does what is due after the files were looked at anew, as a new process
// would, and returns what failed.
func (m *maker) look() *plan.Fault {
	m.Helper()
	report, err := m.Apply(m.Context(), nil, Only{})
	if err != nil {
		m.Fatal(err)
	}
	for _, o := range report.Done {
		if o.Fault != nil {
			return o.Fault
		}
	}
	return nil
}

// A certificate that somebody else makes is taken in, installed and seen by a
// handshake; the next one replaces it; no CA hears of it.
func TestTakesInWhatOthersMake(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	m := newMaker(f)
	m.put()
	l := newLive(t, f.dir)
	full := filepath.Join(f.dir, "out/a.test/fullchain.pem")
	reload := f.script("reload", l.reload(filepath.Join(f.dir, "out/a.test/privkey.pem"), full))
	f.configure(fmt.Sprintf(`services: {web: {reload: %s}}
certificates: {a.test: {static: {certificate: %s, key: %s}, services: [web], verify: [%d]}}
`, reload, m.cert, m.own, l.port))
	for round := range 2 {
		if fault := m.look(); fault != nil {
			t.Fatalf("round %d: %+v", round, fault)
		}
		k := f.known("a.test")
		if got := k.Targets["default"]; got.State != plan.TargetVerified || got.Version != k.Published || k.Ready != "" {
			t.Errorf("round %d: %+v", round, got)
		}
		if l.shows(f) != f.leaf(m.cert) || f.leaf(full) != f.leaf(m.cert) {
			t.Errorf("round %d: another certificate is served or installed than was put there", round)
		}
		m.newKey(keys.ECDSAP256)
		m.put()
	}
	if got := len(f.known("a.test").Versions); got != 2 {
		t.Errorf("%d versions are stored, want 2", got)
	}
	if got := f.ca.Requests(); len(got) > 0 {
		t.Errorf("the CA was asked %d times", len(got))
	}
}

// What is broken replaces nothing, is told once, and is over when it is mended.
// What was there before comes back without another version.
func TestBrokenPairReplacesNothing(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	m := newMaker(f)
	m.put()
	f.configure(fmt.Sprintf("certificates: {a.test: {names: [a.test], static: {certificate: %s, key: %s}}}\n", m.cert, m.own))
	m.look()
	good := f.known("a.test").Published
	certificate, key := f.read("in.pem"), f.read("in.key")
	for i, c := range []struct {
		words string
		spoil func()
	}{
		{"does not fit", func() { m.newKey(keys.ECDSAP256); m.putCertificate() }},
		{"does not cover a.test", func() { m.names = []string{"b.test"}; m.put(); m.names = []string{"a.test"} }},
		{"ended on", func() { m.ends = time.Now().Add(-time.Hour); m.put(); m.ends = time.Now().Add(time.Hour) }},
		{"no certificate", func() { m.write(m.cert, []byte("not yet")) }},
		{"no such file", func() { _ = os.Remove(m.own) }},
		{"kind of key", func() { m.newKey(keys.RSA2048); m.put() }},
		{"may be changed by others", func() { m.put(); _ = os.Chmod(m.own, 0o666) }},
	} {
		c.spoil()
		for range 2 {
			fault := m.look()
			if fault == nil || fault.Code != plan.CodeGiven || !strings.Contains(fault.Words, c.words) {
				t.Errorf("%s: fault %+v", c.words, fault)
			}
		}
		if got := f.known("a.test").Published; got != good {
			t.Fatalf("%s: published is %s, want %s", c.words, got, good)
		}
		if p := f.problems("a.test")[plan.CodeGiven]; p.Severity != plan.Warning || !strings.Contains(p.Words, c.words) {
			t.Errorf("%s: problem %+v", c.words, p)
		}
		if got := f.happened("a.test", store.EventErrored); got != i+1 {
			t.Errorf("%s: told %d times, want once each", c.words, got)
		}
		_ = os.Remove(m.own)
		m.write(m.cert, []byte(certificate))
		m.write(m.own, []byte(key))
		if fault := m.look(); fault != nil || len(f.problems("a.test")) > 0 {
			t.Errorf("%s, mended: %+v, problems %v", c.words, fault, f.problems("a.test"))
		}
		if k := f.known("a.test"); k.Published != good || len(k.Versions) != 1 {
			t.Errorf("%s, mended: published %s of %d versions", c.words, k.Published, len(k.Versions))
		}
	}
}

// Two files do not change at once: what does not fit yet is no fault while
// somebody writes.
func TestPairBeingWrittenIsNoFault(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	m := newMaker(f)
	m.put()
	f.configure(fmt.Sprintf("certificates: {a.test: {static: {certificate: %s, key: %s}}}\n", m.cert, m.own))
	m.look()
	m.newKey(keys.ECDSAP256)
	m.putCertificate()
	if err := os.Chtimes(m.cert, time.Now(), time.Now()); err != nil {
		t.Fatal(err)
	}
	if fault := m.look(); fault != nil || len(f.problems("a.test")) > 0 {
		t.Errorf("while it is written: %+v, %v", fault, f.problems("a.test"))
	}
	f.ask(plan.AskApply, "a.test") // who asks is answered
	if fault := m.look(); fault == nil || fault.Code != plan.CodeGiven {
		t.Errorf("asked while it is written: %+v", fault)
	}
}

// Where services read the administrator's files themselves, nothing is copied:
// they are told, and looked at.
func TestTellsWhoReadsTheFiles(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	m := newMaker(f)
	m.put()
	l := newLive(t, f.dir)
	f.configure(fmt.Sprintf(`services: {web: {reload: %s}}
certificates: {a.test: {static: {certificate: %s, key: %s}, files: [], services: [web], verify: [%d]}}
`, f.script("reload", l.reload(m.own, m.cert)), m.cert, m.own, l.port))
	for round := range 2 {
		if fault := m.look(); fault != nil {
			t.Fatalf("round %d: %+v", round, fault)
		}
		if got := f.known("a.test").Targets["default"]; got.State != plan.TargetVerified || len(got.Files) > 0 {
			t.Errorf("round %d: %+v", round, got)
		}
		if got := len(f.lines("log")); got != round+1 {
			t.Errorf("round %d: told %d times", round, got)
		}
		m.put()
	}
	if _, err := os.Stat(filepath.Join(f.dir, "out")); !os.IsNotExist(err) {
		t.Errorf("something was copied: %v", err)
	}
}

// A restored version is held against what lies in the files, until released.
func TestRestoredIsHeldAgainstFiles(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	m := newMaker(f)
	m.put()
	f.configure(fmt.Sprintf("certificates: {a.test: {static: {certificate: %s, key: %s}}}\n", m.cert, m.own))
	m.look()
	first := f.known("a.test").Published
	m.put()
	m.look()
	second := f.known("a.test").Published
	if err := f.Ask(t.Context(), plan.AskRestore, []string{"a.test"}, first); err != nil {
		t.Fatal(err)
	}
	m.look()
	if k := f.known("a.test"); k.Published != first || !k.Held {
		t.Fatalf("published %s, held %t after a restore of %s", k.Published, k.Held, first)
	}
	m.look()
	if k := f.known("a.test"); k.Published != first {
		t.Error("a held version gave way to the files")
	}
	f.ask(plan.AskRelease, "a.test")
	m.look()
	if k := f.known("a.test"); k.Published != second || k.Held {
		t.Errorf("released: published %s, want %s; held %t", k.Published, second, k.Held)
	}
}
