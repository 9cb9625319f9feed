package deploy

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/chain"
	"github.com/certkeep/certkeep/internal/keys"
)

// testCA is a root with an intermediate that signs leaves.
type testCA struct {
	inter    *x509.Certificate
	interKey crypto.Signer
}

// newCA makes a testCA.
func newCA(t testing.TB, name string) *testCA {
	t.Helper()
	rootKey, root := issue(t, nil, nil, &x509.Certificate{Subject: pkix.Name{CommonName: name + " root"}, IsCA: true}, nil)
	interKey, inter := issue(t, root, rootKey, &x509.Certificate{Subject: pkix.Name{CommonName: name}, IsCA: true}, nil)
	return &testCA{inter: inter, interKey: interKey}
}

// issue signs a certificate; a nil parent makes it sign itself, a nil key a new one.
func issue(t testing.TB, parent *x509.Certificate, parentKey crypto.Signer, template *x509.Certificate, key crypto.Signer) (crypto.Signer, *x509.Certificate) {
	t.Helper()
	var err error
	if key == nil {
		if key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			t.Fatal(err)
		}
	}
	if parent == nil {
		parent, parentKey = template, key
	}
	if template.NotAfter.IsZero() {
		template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour)
	}
	if template.IsCA {
		template.BasicConstraintsValid, template.KeyUsage = true, x509.KeyUsageCertSign
	}
	if template.SerialNumber, err = rand.Int(rand.Reader, big.NewInt(1<<62)); err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), parentKey)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return key, cert
}

// sharedRSA is one RSA key for all tests: making one takes long.
var sharedRSA = sync.OnceValues(func() (crypto.Signer, error) { return keys.Generate(keys.RSA2048) })

// shortRSA is one RSA key that is too short to serve.
var shortRSA = sync.OnceValues(func() (crypto.Signer, error) { return rsa.GenerateKey(rand.Reader, 1024) })

// pair makes a pair of a key type.
func (ca *testCA) pair(t testing.TB, keyType string, names ...string) Pair {
	t.Helper()
	var key crypto.Signer
	var err error
	if keyType == string(keys.RSA2048) {
		key, err = sharedRSA()
	} else {
		key, err = keys.Generate(keys.Type(keyType))
	}
	if err != nil {
		t.Fatal(err)
	}
	return ca.pairFor(t, keyType, key, &x509.Certificate{DNSNames: names, Subject: pkix.Name{CommonName: first(names)}})
}

func (ca *testCA) pairFor(t testing.TB, keyType string, key crypto.Signer, template *x509.Certificate) Pair {
	t.Helper()
	_, leaf := issue(t, ca.inter, ca.interKey, template, key)
	text, err := keys.Marshal(key)
	if err != nil {
		t.Fatal(err)
	}
	return Pair{KeyType: keyType, Key: text, Leaf: pemOf(leaf), Rest: pemOf(ca.inter)}
}

func pemOf(cert *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})
}

const (
	p256 = string(keys.ECDSAP256)
	p384 = string(keys.ECDSAP384)
	rsa2 = string(keys.RSA2048)
)

// content makes a content of one ECDSA pair.
func (ca *testCA) content(t testing.TB, version string, names ...string) Content {
	t.Helper()
	return Content{Version: version, Pairs: []Pair{ca.pair(t, p256, names...)}}
}

func TestCheckProvesTheFit(t *testing.T) {
	ca := newCA(t, "ca")
	good, other := ca.pair(t, p256, "a.test"), ca.pair(t, p256, "a.test")
	foreign := newCA(t, "another").pair(t, p256, "a.test")
	for name, test := range map[string]struct {
		pair Pair
		fits bool
	}{
		"fitting":                    {good, true},
		"without a key (CSR)":        {Pair{KeyType: p256, Key: nil, Leaf: good.Leaf, Rest: good.Rest}, true},
		"without a chain":            {Pair{KeyType: p256, Key: good.Key, Leaf: good.Leaf, Rest: nil}, true},
		"somebody else's key":        {Pair{KeyType: p256, Key: other.Key, Leaf: good.Leaf, Rest: good.Rest}, false},
		"somebody else's chain":      {Pair{KeyType: p256, Key: good.Key, Leaf: good.Leaf, Rest: foreign.Rest}, false},
		"no certificate":             {Pair{KeyType: p256, Key: good.Key, Leaf: nil, Rest: good.Rest}, false},
		"two certificates as a leaf": {Pair{KeyType: p256, Key: good.Key, Leaf: join(good.Leaf, good.Rest)}, false},
		"a key that is none":         {Pair{KeyType: p256, Key: []byte("secret?"), Leaf: good.Leaf, Rest: good.Rest}, false},
	} {
		t.Run(name, func(t *testing.T) {
			err := Content{Pairs: []Pair{test.pair}}.Check()
			if (err == nil) != test.fits {
				t.Fatalf("Check() = %v, want fitting: %v", err, test.fits)
			}
			if _, ok := errors.AsType[*UnfitError](err); !test.fits && !ok {
				t.Errorf("the error is a %T, want *UnfitError", err)
			}
			if err != nil && strings.Contains(err.Error(), "secret?") {
				t.Errorf("the error shows the key: %v", err)
			}
		})
	}
	if err := (Content{}).Check(); err == nil {
		t.Error("a content of nothing passes")
	}
	err := Content{Pairs: []Pair{{KeyType: p256, Key: other.Key, Leaf: good.Leaf}}}.Check()
	if _, ok := errors.AsType[*chain.KeyError](err); !ok {
		t.Errorf("a wrong key gives %v, want a *chain.KeyError within", err)
	}
}

func TestRenderedParts(t *testing.T) {
	p := newCA(t, "ca").pair(t, p256, "a.test")
	alone := Pair{KeyType: p256, Key: p.Key, Leaf: p.Leaf}
	for name, test := range map[string]struct {
		pair  Pair
		parts []Part
		want  [][]byte
	}{
		"key":                         {p, []Part{PartKey}, [][]byte{p.Key}},
		"key and all":                 {p, []Part{PartKey, PartFullchain}, [][]byte{p.Key, p.Leaf, p.Rest}},
		"in the order asked for":      {p, []Part{PartChain, PartCertificate, PartKey}, [][]byte{p.Rest, p.Leaf, p.Key}},
		"an empty chain on its own":   {alone, []Part{PartChain}, [][]byte{p.Leaf}},
		"an empty chain among others": {alone, []Part{PartCertificate, PartChain}, [][]byte{p.Leaf}},
		"fullchain without a chain":   {alone, []Part{PartFullchain}, [][]byte{p.Leaf}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := test.pair.render(test.parts, Params{})
			if want := bytes.Join(test.want, nil); err != nil || !bytes.Equal(got, want) {
				t.Errorf("render = %q, %v, want %q", got, err, want)
			}
			if bytes.Contains(got, []byte("\n\n")) || !bytes.HasSuffix(got, []byte("-----\n")) {
				t.Error("blank lines in it, or no line feed at its end")
			}
		})
	}
	if _, err := (Pair{Leaf: p.Leaf}).render([]Part{PartKey}, Params{}); err == nil {
		t.Error("a key was rendered that nobody holds")
	}
	if _, err := p.render([]Part{"kex"}, Params{}); err == nil {
		t.Error("an unknown part was rendered")
	}
}
