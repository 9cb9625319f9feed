package verify

import (
	"crypto"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/chain"
	"github.com/certkeep/certkeep/internal/keys"
)

// authority is a root with one intermediate.
type authority struct {
	root, intermediate *x509.Certificate
	key                crypto.Signer // of the intermediate
}

func sign(t *testing.T, template, parent *x509.Certificate, public crypto.PublicKey, key crypto.Signer) *x509.Certificate {
	t.Helper()
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber = serial
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func generate(t *testing.T, kind keys.Type) crypto.Signer {
	t.Helper()
	key, err := keys.Generate(kind)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	ca := func(name string) *x509.Certificate {
		return &x509.Certificate{Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	}
	rootKey, key := generate(t, "ecdsa-p256"), generate(t, "ecdsa-p256")
	template := ca("Test Root")
	root := sign(t, template, template, rootKey.Public(), rootKey)
	return &authority{root: root, intermediate: sign(t, ca("Test Intermediate"), root, key.Public(), rootKey), key: key}
}

// pair is a certificate with its key, as files too.
type pair struct {
	key   crypto.Signer
	chain chain.Chain // leaf and intermediate
}

func (a *authority) issue(t *testing.T, kind keys.Type, names ...string) pair {
	t.Helper()
	key := generate(t, kind)
	leaf := sign(t, &x509.Certificate{Subject: pkix.Name{CommonName: names[0]}, DNSNames: names}, a.intermediate, key.Public(), a.key)
	return pair{key: key, chain: chain.Chain{Certs: []*x509.Certificate{leaf, a.intermediate}}}
}

// files writes the key and the certificates, and returns the paths.
func (p pair) files(t *testing.T, certs ...*x509.Certificate) (certFile, keyFile string) {
	t.Helper()
	dir := t.TempDir()
	keyPEM, err := keys.Marshal(p.key)
	if err != nil {
		t.Fatal(err)
	}
	var certPEM []byte
	for _, cert := range certs {
		certPEM = append(certPEM, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})...)
	}
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for path, text := range map[string][]byte{certFile: certPEM, keyFile: keyPEM} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile
}

// tls is the pair for a server in Go.
func (p pair) tls(certs ...*x509.Certificate) tls.Certificate {
	c := tls.Certificate{PrivateKey: p.key}
	for _, cert := range certs {
		c.Certificate = append(c.Certificate, cert.Raw)
	}
	return c
}
