// Package keys makes, reads and names private keys.
//
// Generate makes a key of a Type, Marshal and Parse turn it into PEM and
// back, MarshalEncrypted and ParseWith do so under a passphrase, and
// Fingerprint gives the name under which it is stored and compared everywhere:
// the SHA-256 of its public half. No error of this package ever carries key
// material or a passphrase.
package keys

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"strings"
)

// Type names a kind of key that Certkeep makes, as written in configs.
type Type string

// The types, all of which public CAs accept.
const (
	RSA2048   Type = "rsa-2048"
	RSA3072   Type = "rsa-3072"
	RSA4096   Type = "rsa-4096"
	ECDSAP256 Type = "ecdsa-p256"
	ECDSAP384 Type = "ecdsa-p384"
	ECDSAP521 Type = "ecdsa-p521"
)

// Types returns every type, in the order in which help texts list them.
func Types() []Type {
	return []Type{RSA2048, RSA3072, RSA4096, ECDSAP256, ECDSAP384, ECDSAP521}
}

// ParseType checks that s names a type. The error names the allowed ones.
func ParseType(s string) (Type, error) {
	var allowed []string
	for _, t := range Types() {
		if s == string(t) {
			return t, nil
		}
		allowed = append(allowed, string(t))
	}
	return "", fmt.Errorf("unknown key type %q; allowed are %s", s, strings.Join(allowed, ", "))
}

// Generate makes a new key. RSA keys take up to some seconds.
func Generate(t Type) (crypto.Signer, error) {
	if bits := t.rsaBits(); bits > 0 {
		return rsa.GenerateKey(rand.Reader, bits)
	}
	if curve := t.curve(); curve != nil {
		return ecdsa.GenerateKey(curve, rand.Reader)
	}
	_, err := ParseType(string(t))
	return nil, err
}

// rsaBits is the length of an RSA type's modulus, or 0.
func (t Type) rsaBits() int {
	switch t {
	case RSA2048:
		return 2048
	case RSA3072:
		return 3072
	case RSA4096:
		return 4096
	}
	return 0
}

// curve is the curve of an ECDSA type, or nil.
func (t Type) curve() elliptic.Curve {
	switch t {
	case ECDSAP256:
		return elliptic.P256()
	case ECDSAP384:
		return elliptic.P384()
	case ECDSAP521:
		return elliptic.P521()
	}
	return nil
}

// TypeOf names the type of a public key. Keys that Certkeep would not make
// (Ed25519, RSA of another length, P-224) give an error that says what it is.
func TypeOf(pub crypto.PublicKey) (Type, error) {
	for _, t := range Types() {
		switch k := pub.(type) {
		case *rsa.PublicKey:
			if k.N.BitLen() == t.rsaBits() {
				return t, nil
			}
		case *ecdsa.PublicKey:
			if k.Curve == t.curve() {
				return t, nil
			}
		}
	}
	return "", fmt.Errorf("a key of kind %s is not among Certkeep's key types", describe(pub))
}

// describe says what a public key is, for people.
func describe(pub crypto.PublicKey) string {
	switch k := pub.(type) {
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA with %d bits", k.N.BitLen())
	case *ecdsa.PublicKey:
		return "ECDSA " + k.Curve.Params().Name
	case ed25519.PublicKey:
		return "Ed25519"
	}
	return fmt.Sprintf("%T", pub)
}

// Fingerprint names a key: the SHA-256, in lower-case hex, of the public
// key's SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7). A certificate and
// its private key have the same one.
func Fingerprint(pub crypto.PublicKey) (string, error) {
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return "", fmt.Errorf("name public key: %w", err)
	}
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:]), nil
}
