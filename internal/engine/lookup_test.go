package engine

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/store"
)

// listing is a CA whose certificates name a revocation list.
type listing struct {
	f     *fixture
	key   *ecdsa.PrivateKey
	cert  *x509.Certificate
	url   string
	list  atomic.Pointer[[]byte]
	asked atomic.Int32
}

func newListing(f *fixture) *listing {
	f.Helper()
	l := &listing{f: f}
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		l.asked.Add(1)
		_, _ = w.Write(*l.list.Load())
	}))
	f.Cleanup(web.Close)
	l.url = web.URL
	l.key = l.newKey()
	root := &x509.Certificate{Subject: pkix.Name{CommonName: "root"}}
	l.cert = l.sign(&x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ca"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign}, root, l.key)
	l.revoke(nil)
	return l
}

func (l *listing) newKey() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		l.f.Fatal(err)
	}
	return key
}

func (l *listing) sign(template, parent *x509.Certificate, key *ecdsa.PrivateKey) *x509.Certificate {
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().AddDate(0, 3, 0)
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), l.key)
	if err != nil {
		l.f.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		l.f.Fatal(err)
	}
	return cert
}

// install puts a certificate where it is adopted.
func (l *listing) install(name string, serial int64) {
	key := l.newKey()
	leaf := l.sign(&x509.Certificate{SerialNumber: big.NewInt(serial), DNSNames: []string{name}, CRLDistributionPoints: []string{l.url}}, l.cert, key)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		l.f.Fatal(err)
	}
	own, ca := &pem.Block{Type: "CERTIFICATE", Bytes: leaf.Raw}, &pem.Block{Type: "CERTIFICATE", Bytes: l.cert.Raw}
	l.f.writePEMs(name, map[string][]*pem.Block{"privkey": {{Type: "PRIVATE KEY", Bytes: der}}, "cert": {own}, "chain": {ca}, "fullchain": {own, ca}})
}

// revoke makes a list.
func (l *listing) revoke(reasons map[int64]int) {
	list := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: time.Now(), NextUpdate: time.Now().Add(72 * time.Hour)}
	for serial, reason := range reasons {
		list.RevokedCertificateEntries = append(list.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: big.NewInt(serial), RevocationTime: time.Now(), ReasonCode: reason})
	}
	der, err := x509.CreateRevocationList(rand.Reader, list, l.cert, l.key)
	if err != nil {
		l.f.Fatal(err)
	}
	l.list.Store(&der)
}

// TestListedCertificatesAreReplaced: those that the CA's list names are replaced
// at once, and only those. One fetch serves all of them.
func TestListedCertificatesAreReplaced(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	l := newListing(f)
	names := []string{"a.test", "b.test", "c.test"}
	for i, name := range names {
		l.install(name, int64(100+i))
	}
	l.revoke(map[int64]int{101: 4, 102: 1})
	f.configure(`certificates: {a.test: {renew: {crl: true}}, b.test: {renew: {crl: true}}, c.test: {renew: {crl: true}}}`)
	f.apply()
	if p := f.served("a.test"); p.Issuer != "" {
		t.Errorf("a certificate that is not listed was replaced: %+v", p)
	}
	for _, name := range names[1:] {
		k := f.known(name)
		if p := f.served(name); p.Issuer != "pebble" || k.Targets["default"].Version != k.Published {
			t.Errorf("%s was not replaced and installed: %+v", name, p)
		}
		if f.happened(name, store.EventRevoked) != 1 {
			t.Errorf("%s: the history does not tell of the revocation", name)
		}
	}
	if banned, err := f.store.Banned(t.Context()); err != nil || len(banned) != 1 {
		t.Errorf("banned keys: %v, %v; want that of the compromised certificate", banned, err)
	}
	if n := l.asked.Load(); n != 1 {
		t.Errorf("the list was fetched %d times", n)
	}
	if p := f.known("b.test").ListingOf(f.served("b.test")); !p.Missing {
		t.Errorf("Pebble's certificates name no list: %+v", p)
	}
}

// TestAListThatCannotBeUsed replaces nothing, waits, and is told after some time.
func TestAListThatCannotBeUsed(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	l := newListing(f)
	l.install("a.test", 100)
	garbage := []byte("<html>")
	l.list.Store(&garbage)
	f.configure(`certificates: {a.test: {renew: {crl: true}}}`)
	if _, err := f.Apply(t.Context(), nil, Only{}); err != nil {
		t.Fatal(err)
	}
	tries := f.known("a.test").ListingOf(f.served("a.test")).Tries
	if tries.Count != 1 || tries.Open || !tries.WaitsUntil(time.Now()).After(time.Now()) || tries.Fault.Code != plan.CodeCRL {
		t.Errorf("tries %+v", tries)
	}
	if p := f.served("a.test"); p.Issuer != "" {
		t.Error("it was replaced")
	}
	if problems := f.problems("a.test"); len(problems) != 0 {
		t.Errorf("told after one failure: %v", problems)
	}
	if _, err := f.Apply(t.Context(), nil, Only{}); err != nil {
		t.Fatal(err)
	}
	if n := l.asked.Load(); n != 1 {
		t.Errorf("asked %d times at once", n)
	}
}
