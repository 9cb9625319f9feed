package keys_test

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"strings"
	"testing"

	"github.com/certkeep/certkeep/internal/keys"
)

func generate(t testing.TB, kind keys.Type) crypto.Signer {
	t.Helper()
	key, err := keys.Generate(kind)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func block(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func TestRoundTrip(t *testing.T) {
	for _, kind := range keys.Types() {
		t.Run(string(kind), func(t *testing.T) {
			if kind == keys.RSA4096 && testing.Short() {
				t.Skip("takes seconds; run without -short")
			}
			key := generate(t, kind)
			if got, err := keys.TypeOf(key.Public()); got != kind || err != nil {
				t.Errorf("TypeOf = %q, %v", got, err)
			}
			text, err := keys.Marshal(key)
			if err != nil {
				t.Fatal(err)
			}
			again, err := keys.Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			if !again.Public().(interface{ Equal(crypto.PublicKey) bool }).Equal(key.Public()) {
				t.Error("another key came back")
			}
			one, err := keys.Fingerprint(key.Public())
			if err != nil {
				t.Fatal(err)
			}
			der, err := x509.MarshalPKIXPublicKey(again.Public())
			if err != nil {
				t.Fatal(err)
			}
			if sum := sha256.Sum256(der); one != hex.EncodeToString(sum[:]) {
				t.Errorf("fingerprint = %s", one)
			}
		})
	}
}

func TestParseType(t *testing.T) {
	for _, kind := range keys.Types() {
		if got, err := keys.ParseType(string(kind)); got != kind || err != nil {
			t.Errorf("ParseType(%s) = %q, %v", kind, got, err)
		}
	}
	for _, s := range []string{"", "rsa", "RSA-2048", "ed25519", "rsa-1024"} {
		_, err := keys.ParseType(s)
		if err == nil || !strings.Contains(err.Error(), "ecdsa-p256") {
			t.Errorf("ParseType(%q): %v, want an error that names the allowed ones", s, err)
		}
		if _, err := keys.Generate(keys.Type(s)); err == nil {
			t.Errorf("Generate(%q) made a key", s)
		}
	}
}

func TestTypeOfOthers(t *testing.T) {
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ed, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	odd, err := rsa.GenerateKey(rand.Reader, 2056)
	if err != nil {
		t.Fatal(err)
	}
	for want, pub := range map[string]crypto.PublicKey{"P-224": &p224.PublicKey, "Ed25519": ed, "2056 bits": &odd.PublicKey, "string": "no key"} {
		if kind, err := keys.TypeOf(pub); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("TypeOf(%s) = %q, %v", want, kind, err)
		}
	}
}

func TestParseForms(t *testing.T) {
	rsaKey := generate(t, keys.RSA2048).(*rsa.PrivateKey)
	ecKey := generate(t, keys.ECDSAP384).(*ecdsa.PrivateKey)
	sec1, err := x509.MarshalECPrivateKey(ecKey)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := keys.Marshal(ecKey)
	if err != nil {
		t.Fatal(err)
	}
	parameters := block("EC PARAMETERS", []byte{6, 5, 0x2b, 0x81, 4, 0, 0x22})
	for name, text := range map[string][]byte{
		"PKCS#1":                   block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey)),
		"SEC 1":                    block("EC PRIVATE KEY", sec1),
		"SEC 1 behind parameters":  append(parameters, block("EC PRIVATE KEY", sec1)...),
		"PKCS#8":                   pkcs8,
		"PKCS#8 with text and CRs": []byte("a comment\r\n" + strings.ReplaceAll(string(pkcs8), "\n", "\r\n")),
	} {
		if _, err := keys.Parse(text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	x25519, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(x25519)
	if err != nil {
		t.Fatal(err)
	}
	good, err := keys.Marshal(generate(t, keys.ECDSAP256))
	if err != nil {
		t.Fatal(err)
	}
	for want, text := range map[string][]byte{
		"empty":        []byte(" \n"),
		"no PEM":       []byte("MIGHAgEAMBMGByqGSM49"),
		"cut off":      good[:len(good)-30],
		"CERTIFICATE":  block("CERTIFICATE", []byte("x")),
		"PRIVATE KEY":  block("PRIVATE KEY", []byte("x")),
		"cannot sign":  block("PRIVATE KEY", der),
		"openssl pkey": block("DSA PRIVATE KEY", []byte("x")),
		"too many":     make([]byte, 1<<20),
	} {
		if key, err := keys.Parse(text); key != nil || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func TestParseEncrypted(t *testing.T) {
	old := &pem.Block{Type: "RSA PRIVATE KEY", Headers: map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-128-CBC,00"}, Bytes: []byte("x")}
	for _, text := range [][]byte{block("ENCRYPTED PRIVATE KEY", []byte("x")), pem.EncodeToMemory(old)} {
		_, err := keys.Parse(text)
		if _, ok := errors.AsType[*keys.EncryptedError](err); !ok {
			t.Errorf("err = %v, want an EncryptedError", err)
		}
	}
}

func FuzzParse(f *testing.F) {
	key, err := keys.Marshal(generate(f, keys.ECDSAP256))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(key)
	f.Add(block("EC PRIVATE KEY", []byte{0x30, 3, 2, 1, 1}))
	f.Add(block("ENCRYPTED PRIVATE KEY", []byte("x")))
	f.Add([]byte("-----BEGIN PRIVATE KEY-----\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		key, err := keys.Parse(text)
		if err != nil {
			return
		}
		again, err := keys.Marshal(key)
		if err != nil {
			t.Fatalf("parsed, but not written again: %v", err)
		}
		other, err := keys.Parse(again)
		if err != nil || !other.Public().(interface{ Equal(crypto.PublicKey) bool }).Equal(key.Public()) {
			t.Fatalf("another key came back: %v", err)
		}
	})
}
