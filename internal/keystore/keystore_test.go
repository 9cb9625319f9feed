package keystore_test

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
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/keystore"
)

const password = "change it, do"

// entry makes a key with a certificate, and two certificates above it.
func entry(t *testing.T, key crypto.Signer) keystore.Entry {
	t.Helper()
	above, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	issue := func(name string, serial int64, public crypto.PublicKey, ca bool, by *x509.Certificate) *x509.Certificate {
		template := &x509.Certificate{
			SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name},
			NotBefore: begin, NotAfter: begin.AddDate(20, 0, 0), IsCA: ca, BasicConstraintsValid: true,
		}
		if by == nil {
			by = template
		}
		der, err := x509.CreateCertificate(rand.Reader, template, by, public, above)
		if err != nil {
			t.Fatal(err)
		}
		c, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	root := issue("root.test", 1, above.Public(), true, nil)
	middle := issue("middle.test", 2, above.Public(), true, root)
	leaf := issue("leaf.test", 3, key.Public(), false, middle)
	return keystore.Entry{Key: key, Chain: []*x509.Certificate{leaf, middle, root}, Alias: "leaf.test"}
}

func ecKey(t *testing.T) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func rsaKey(t *testing.T) crypto.Signer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func encode(t *testing.T, e keystore.Entry, f keystore.Format, password string) []byte {
	t.Helper()
	file, err := e.Encode(f, password)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// The same entry gives the same file; any part that differs gives another.
func TestEncodeIsStable(t *testing.T) {
	one := entry(t, ecKey(t))
	shorter, named := one, one
	shorter.Chain = one.Chain[:2]
	named.Alias = "other.test"
	for _, f := range keystore.Formats() {
		file := encode(t, one, f, password)
		if !bytes.Equal(file, encode(t, one, f, password)) {
			t.Errorf("%s: the same entry gives another file", f)
		}
		for what, other := range map[string][]byte{
			"password": encode(t, one, f, password+"!"),
			"chain":    encode(t, shorter, f, password),
			"alias":    encode(t, named, f, password),
		} {
			if bytes.Equal(file, other) {
				t.Errorf("%s: another %s gives the same file", f, what)
			}
		}
	}
}

func TestEncodeRefuses(t *testing.T) {
	one := entry(t, ecKey(t))
	foreign, bare, nameless := one, one, one
	foreign.Key, bare.Chain, nameless.Alias = ecKey(t), nil, ""
	for _, test := range []struct {
		e    keystore.Entry
		f    keystore.Format
		want string
	}{
		{foreign, keystore.FormatPKCS12, "does not belong"},
		{bare, keystore.FormatPKCS12Legacy, "needs a private key and its certificate"},
		{nameless, keystore.FormatJKS, "alias"},
		{one, "pem", `unknown format "pem"`},
	} {
		file, err := test.e.Encode(test.f, password)
		if file != nil || err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), password) {
			t.Errorf("%s: %v", test.want, err)
		}
	}
}

func TestCheckPassword(t *testing.T) {
	for _, f := range keystore.Formats() {
		for _, good := range []string{"123456", password, "~ \\\"'$`"} {
			if err := keystore.CheckPassword(f, good); err != nil {
				t.Errorf("%s, %q: %v", f, good, err)
			}
		}
		for _, bad := range []string{"", "pass\u00e4word", "password\n", "pass\x00word", "\xffpassword"} {
			err := keystore.CheckPassword(f, bad)
			wrong, ok := errors.AsType[*keystore.PasswordError](err)
			if !ok || wrong.Format != f || bad != "" && strings.Contains(err.Error(), bad) {
				t.Errorf("%s, %q: %v", f, bad, err)
			}
			if file, err := entry(t, ecKey(t)).Encode(f, bad); file != nil || err == nil {
				t.Errorf("%s, %q: encoded", f, bad)
			}
		}
	}
	if keystore.CheckPassword(keystore.FormatJKS, "12345") == nil || keystore.CheckPassword(keystore.FormatPKCS12, "1") != nil {
		t.Error("six characters are the least in a JKS file, and only there")
	}
}

func TestDER(t *testing.T) {
	leaf := entry(t, ecKey(t)).Chain[0]
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf.Raw})
	if der, err := keystore.DER(append([]byte("leaf.test\n"), block...)); err != nil || !bytes.Equal(der, leaf.Raw) {
		t.Errorf("%x, %v", der, err)
	}
	old := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Headers: map[string]string{"Proc-Type": "4,ENCRYPTED"}, Bytes: []byte("x")})
	for want, text := range map[string][]byte{
		"no PEM":           leaf.Raw,
		"one thing":        append(block, block...),
		"only PEM has":     old,
		"there is no PEM ": nil,
	} {
		if der, err := keystore.DER(text); der != nil || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}
