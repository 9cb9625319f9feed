package chain_test

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/keys"
)

// authority signs test certificates.
type authority struct {
	key  crypto.Signer
	cert *x509.Certificate
}

func newKey(t testing.TB, kind keys.Type) crypto.Signer {
	t.Helper()
	key, err := keys.Generate(kind)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// sign makes a certificate. A nil parent signs itself.
func sign(t testing.TB, template *x509.Certificate, pub crypto.PublicKey, parent *authority, key crypto.Signer) *x509.Certificate {
	t.Helper()
	by := template
	if parent != nil {
		by, key = parent.cert, parent.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, by, pub, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func newAuthority(t testing.TB, name string, parent *authority) *authority {
	t.Helper()
	key := newKey(t, keys.ECDSAP256)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<33, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	return &authority{key: key, cert: sign(t, template, key.Public(), parent, key)}
}

// leaf is a template with the given names and serial.
func leaf(serial int64, names ...string) *x509.Certificate {
	c := &x509.Certificate{
		SerialNumber: big.NewInt(serial),
		NotBefore:    time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC),
		NotAfter:     time.Date(2027, 2, 18, 9, 0, 0, 0, time.UTC),
	}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			c.IPAddresses = append(c.IPAddresses, ip)
		} else {
			c.DNSNames = append(c.DNSNames, name)
		}
	}
	return c
}

func encode(certs ...*x509.Certificate) []byte {
	var b []byte
	for _, c := range certs {
		b = append(b, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	return b
}
