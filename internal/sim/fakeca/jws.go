package fakeca

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	_ "crypto/sha512" // SHA-384 and SHA-512
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
)

// envelope is a flattened JWS, RFC 8555 section 6.2.
type envelope struct {
	Protected string `json:"protected"`
	Payload   string `json:"payload"`
	Signature string `json:"signature"`
}

// protected is the signed header.
type protected struct {
	Alg   string `json:"alg"`
	Nonce string `json:"nonce"`
	URL   string `json:"url"`
	KID   string `json:"kid"`
	JWK   *jwk   `json:"jwk"`
}

// jwk is a public key, RFC 7517.
type jwk struct {
	Kty string `json:"kty"`
	Crv string `json:"crv"`
	X   string `json:"x"`
	Y   string `json:"y"`
	N   string `json:"n"`
	E   string `json:"e"`
}

// publicKey is a key that signs requests, and its name.
type publicKey struct {
	key        crypto.PublicKey
	thumbprint string // RFC 7638
}

// algorithms are those that the CA accepts; for EC each belongs to one curve.
func algorithms() []string { return []string{"ES256", "ES384", "ES512", "RS256"} }

// readEnvelope reads a JWS without checking its signature.
func readEnvelope(body []byte) (envelope, protected, error) {
	var e envelope
	if err := json.Unmarshal(body, &e); err != nil {
		return e, protected{}, fmt.Errorf("the request is no JWS: %w", err)
	}
	header, err := base64.RawURLEncoding.DecodeString(e.Protected)
	if err != nil {
		return e, protected{}, fmt.Errorf("the protected header is no base64url: %w", err)
	}
	var p protected
	if err := json.Unmarshal(header, &p); err != nil {
		return e, protected{}, fmt.Errorf("the protected header is no JSON: %w", err)
	}
	if (p.KID == "") == (p.JWK == nil) {
		return e, protected{}, errors.New("a request has either a kid or a jwk (RFC 8555 section 6.2)")
	}
	return e, p, nil
}

// public reads a key.
func (j jwk) public() (publicKey, error) {
	switch j.Kty {
	case "EC":
		return j.publicEC()
	case "RSA":
		return j.publicRSA()
	}
	return publicKey{}, fmt.Errorf("keys of type %q are not accepted", j.Kty)
}

func (j jwk) publicEC() (publicKey, error) {
	curve := map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521()}[j.Crv]
	if curve == nil {
		return publicKey{}, fmt.Errorf("the curve %q is not accepted", j.Crv)
	}
	x, errX := base64.RawURLEncoding.DecodeString(j.X)
	y, errY := base64.RawURLEncoding.DecodeString(j.Y)
	if err := errors.Join(errX, errY); err != nil {
		return publicKey{}, fmt.Errorf("the key is no base64url: %w", err)
	}
	size := (curve.Params().BitSize + 7) / 8
	if len(x) != size || len(y) != size {
		return publicKey{}, errors.New("the key's coordinates have a wrong length")
	}
	key, err := ecdsa.ParseUncompressedPublicKey(curve, append(append([]byte{4}, x...), y...))
	if err != nil {
		return publicKey{}, fmt.Errorf("the key is none: %w", err)
	}
	return publicKey{key, thumbprint(fmt.Sprintf(`{"crv":%q,"kty":"EC","x":%q,"y":%q}`, j.Crv, j.X, j.Y))}, nil
}

func (j jwk) publicRSA() (publicKey, error) {
	n, errN := base64.RawURLEncoding.DecodeString(j.N)
	e, errE := base64.RawURLEncoding.DecodeString(j.E)
	if err := errors.Join(errN, errE); err != nil {
		return publicKey{}, fmt.Errorf("the key is no base64url: %w", err)
	}
	modulus, exponent := new(big.Int).SetBytes(n), new(big.Int).SetBytes(e)
	if bits := modulus.BitLen(); bits < 2048 || bits > 4096 || len(e) > 4 || exponent.Int64() < 3 {
		return publicKey{}, errors.New("RSA keys have 2048 to 4096 bits here")
	}
	return publicKey{
		&rsa.PublicKey{N: modulus, E: int(exponent.Int64())},
		thumbprint(fmt.Sprintf(`{"e":%q,"kty":"RSA","n":%q}`, j.E, j.N)),
	}, nil
}

// thumbprint names a key by its canonical form, RFC 7638 section 3.
func thumbprint(canonical string) string {
	sum := sha256.Sum256([]byte(canonical))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// errAlgorithm says that a signature is of a kind that the CA does not take,
// or that does not belong to the key.
var errAlgorithm = errors.New("the signature's algorithm is not accepted for this key")

// verify checks the signature and returns the payload.
func (e envelope) verify(alg string, key crypto.PublicKey) ([]byte, error) {
	signature, err := base64.RawURLEncoding.DecodeString(e.Signature)
	if err != nil {
		return nil, fmt.Errorf("the signature is no base64url: %w", err)
	}
	signed := []byte(e.Protected + "." + e.Payload)
	good := false
	switch key := key.(type) {
	case *ecdsa.PublicKey:
		size, hash := (key.Curve.Params().BitSize+7)/8, curveHash(key.Curve, alg)
		if hash == 0 {
			return nil, errAlgorithm
		}
		if len(signature) == 2*size {
			r, s := new(big.Int).SetBytes(signature[:size]), new(big.Int).SetBytes(signature[size:])
			good = ecdsa.Verify(key, digest(hash, signed), r, s)
		}
	case *rsa.PublicKey:
		if alg != "RS256" {
			return nil, errAlgorithm
		}
		good = rsa.VerifyPKCS1v15(key, crypto.SHA256, digest(crypto.SHA256, signed), signature) == nil
	}
	if !good {
		return nil, errors.New("the signature does not fit the key")
	}
	payload, err := base64.RawURLEncoding.DecodeString(e.Payload)
	if err != nil {
		return nil, fmt.Errorf("the payload is no base64url: %w", err)
	}
	return payload, nil
}

// curveHash is the hash of a curve's algorithm (RFC 7518 section 3.4), or
// zero where alg is not that algorithm.
func curveHash(curve elliptic.Curve, alg string) crypto.Hash {
	switch {
	case curve == elliptic.P256() && alg == "ES256":
		return crypto.SHA256
	case curve == elliptic.P384() && alg == "ES384":
		return crypto.SHA384
	case curve == elliptic.P521() && alg == "ES512":
		return crypto.SHA512
	}
	return 0
}

func digest(hash crypto.Hash, data []byte) []byte {
	h := hash.New()
	h.Write(data)
	return h.Sum(nil)
}
