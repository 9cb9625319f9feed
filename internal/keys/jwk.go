package keys

import (
	"crypto"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
)

// jwk holds the members of an RSA key with two primes (RFC 7518 section 6.3)
// that say all. What else may be there (dp, dq, qi) follows from them.
type jwk struct {
	Kind string `json:"kty"`
	N    string `json:"n"`
	E    string `json:"e"`
	D    string `json:"d"`
	P    string `json:"p"`
	Q    string `json:"q"`
}

// ParseJWK reads an RSA private key in JSON (RFC 7517), as ACME clients in
// Python keep the keys of accounts. The kind of key may be left out: acmebot
// does in client_key.json.
func ParseJWK(text []byte) (crypto.Signer, error) {
	if len(text) > maxPEM {
		return nil, fmt.Errorf("read private key: %d bytes are too many for a key (at most %d)", len(text), maxPEM)
	}
	var k jwk
	if err := json.Unmarshal(text, &k); err != nil {
		return nil, errors.New("read private key: this is no JSON object of a key") // JSON's own words might quote it
	}
	if k.Kind != "" && k.Kind != "RSA" {
		return nil, fmt.Errorf("read private key: JSON keys of kind %q are not supported, only RSA", k.Kind)
	}
	numbers := map[string]*big.Int{}
	for name, value := range map[string]string{"n": k.N, "e": k.E, "d": k.D, "p": k.P, "q": k.Q} {
		if value == "" {
			return nil, fmt.Errorf("read private key: its JSON object has no member %q", name)
		}
		raw, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(value, "="))
		if err != nil {
			return nil, fmt.Errorf("read private key: its member %q is no base64url", name)
		}
		numbers[name] = new(big.Int).SetBytes(raw)
	}
	if e := numbers["e"]; !e.IsInt64() || e.Int64() > 1<<31-1 {
		return nil, errors.New("read private key: its public exponent is too large")
	}
	key := &rsa.PrivateKey{
		PublicKey: rsa.PublicKey{N: numbers["n"], E: int(numbers["e"].Int64())},
		D:         numbers["d"],
		Primes:    []*big.Int{numbers["p"], numbers["q"]},
	}
	key.Precompute()
	if err := key.Validate(); err != nil {
		return nil, fmt.Errorf("read private key: its numbers do not fit together: %w", err)
	}
	return key, nil
}

// ErrNotRSA says that a key cannot be written in a form that is for RSA alone.
var ErrNotRSA = errors.New("only an RSA key can be written so")

// MarshalJWK writes an RSA private key in JSON as acmebot's client_key.json has
// it: without its kind, and with all that follows from the primes (RFC 7518
// section 6.3.2).
func MarshalJWK(key crypto.Signer) ([]byte, error) {
	k, ok := key.(*rsa.PrivateKey)
	if !ok || len(k.Primes) != 2 {
		return nil, fmt.Errorf("write private key in JSON: %w", ErrNotRSA)
	}
	k.Precompute()
	number := func(n *big.Int) string { return base64.RawURLEncoding.EncodeToString(n.Bytes()) }
	text, err := json.Marshal(map[string]string{
		"n": number(k.N), "e": number(big.NewInt(int64(k.E))), "d": number(k.D), "p": number(k.Primes[0]), "q": number(k.Primes[1]),
		"dp": number(k.Precomputed.Dp), "dq": number(k.Precomputed.Dq), "qi": number(k.Precomputed.Qinv),
	})
	if err != nil {
		return nil, errors.New("write private key in JSON: it cannot be encoded")
	}
	return append(text, '\n'), nil
}
