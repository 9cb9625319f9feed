package chain_test

import (
	"bytes"
	"crypto/x509"
	"slices"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/chain"
	"github.com/certkeep/certkeep/internal/keys"
)

func pool(certs ...*x509.Certificate) *x509.CertPool {
	p := x509.NewCertPool()
	for _, cert := range certs {
		p.AddCert(cert)
	}
	return p
}

// The root is found where the chain leads there, whatever the clock says.
func TestRoot(t *testing.T) {
	root := newAuthority(t, "root", nil)
	inter := newAuthority(t, "inter", root)
	other := newAuthority(t, "root", nil) // of the same name
	key := newKey(t, keys.ECDSAP256)
	template := leaf(7, "a.test")
	template.NotBefore, template.NotAfter = time.Unix(1000, 0), time.Unix(2000, 0) // long ago
	end := sign(t, template, key.Public(), inter, nil)

	// A root of a new kind, signed by the old one too.
	young := newAuthority(t, "young", nil)
	crossed := sign(t, young.cert, young.key.Public(), root, nil)
	yend := sign(t, template, key.Public(), young, nil)

	for name, test := range map[string]struct {
		certs []*x509.Certificate
		roots *x509.CertPool
		want  *x509.Certificate
	}{
		"in the pool":                {[]*x509.Certificate{end, inter.cert}, pool(other.cert, root.cert), root.cert},
		"not in the pool":            {[]*x509.Certificate{end, inter.cert}, pool(other.cert), nil},
		"no pool":                    {[]*x509.Certificate{end, inter.cert}, nil, nil},
		"without the intermediate":   {[]*x509.Certificate{end}, pool(root.cert), nil},
		"the chain ends in it":       {[]*x509.Certificate{end, inter.cert, root.cert}, pool(other.cert), root.cert},
		"by the chain that was sent": {[]*x509.Certificate{yend, crossed}, pool(young.cert, root.cert), root.cert},
		"that it was signed by too":  {[]*x509.Certificate{yend, crossed}, pool(young.cert), young.cert},
	} {
		got := chain.Chain{Certs: test.certs}.Root(test.roots)
		if (got == nil) != (test.want == nil) || got != nil && !got.Equal(test.want) {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
	if text := chain.RootPEM(root.cert); !bytes.Equal(text, encode(root.cert)) || chain.RootPEM(nil) != nil {
		t.Errorf("RootPEM = %q", text)
	}
}

func TestParseRoots(t *testing.T) {
	root := newAuthority(t, "root", nil)
	good := slices.Concat([]byte("# ours\n"), encode(root.cert), []byte("-----BEGIN X-----\n-----END X-----\n"))
	got, err := chain.ParseRoots(good)
	if err != nil || !got.Equal(pool(root.cert)) {
		t.Errorf("%v, %v", got, err)
	}
	for name, text := range map[string][]byte{
		"empty": nil, "no certificate": []byte("-----BEGIN X-----\n-----END X-----\n"),
		"damaged":   []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
		"far large": bytes.Repeat([]byte("#"), 5<<20),
	} {
		if _, err := chain.ParseRoots(text); err == nil {
			t.Errorf("%s passes", name)
		}
	}
}
