package dane

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/keys"
)

// authority signs test certificates.
type authority struct {
	key  crypto.Signer
	cert *x509.Certificate
}

// start and end are when test certificates are valid.
func start() time.Time { return time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC) }
func end() time.Time   { return start().AddDate(0, 0, 90) }

func newKey(t testing.TB) crypto.Signer {
	t.Helper()
	key, err := keys.Generate(keys.ECDSAP256)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// sign makes a certificate of key; a nil parent signs itself.
func sign(t testing.TB, template *x509.Certificate, key crypto.Signer, parent *authority) *x509.Certificate {
	t.Helper()
	if parent == nil {
		parent = &authority{key: key, cert: template}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent.cert, key.Public(), parent.key)
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
	key := newKey(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: start().AddDate(-1, 0, 0), NotAfter: end().AddDate(1, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	return &authority{key: key, cert: sign(t, template, key, parent)}
}

// leaf is a certificate of mail.example.com.
func (a *authority) leaf(t testing.TB, key crypto.Signer) *x509.Certificate {
	t.Helper()
	return sign(t, &x509.Certificate{
		SerialNumber: big.NewInt(2), DNSNames: []string{"mail.example.com"}, NotBefore: start(), NotAfter: end(),
	}, key, a)
}

// house is a root, an intermediate, and a leaf below it.
type house struct {
	root, inner *authority
	key         crypto.Signer
	leaf        *x509.Certificate
}

func newHouse(t testing.TB) house {
	t.Helper()
	root := newAuthority(t, "root", nil)
	inner := newAuthority(t, "inner", root)
	key := newKey(t)
	return house{root: root, inner: inner, key: key, leaf: inner.leaf(t, key)}
}

func (h house) material() Material {
	return Material{
		Leaves: []*x509.Certificate{h.leaf}, Authorities: []*x509.Certificate{h.inner.cert, h.root.cert}, Keys: []crypto.PublicKey{h.key.Public()},
	}
}

func (h house) presented() Presented {
	return Presented{Chain: []*x509.Certificate{h.leaf, h.inner.cert}, Root: h.root.cert}
}

func mustMake(t testing.TB, w Want, m Material) Set {
	t.Helper()
	set, err := Make(w, m)
	if err != nil {
		t.Fatal(err)
	}
	return set
}
