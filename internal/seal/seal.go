// Package seal protects secrets at rest by a store key: what is sealed can be
// read by whoever has the key, at the place that it was sealed for, and cannot
// be changed unnoticed.
//
// ParseKeys reads the keys of a store, NewKey makes one. The first key of a
// Ring seals; all of them open, so that a key can be changed while some secrets
// are still under the one before. What is sealed names its key by an id that
// tells nothing else of it.
//
// The cipher is XChaCha20-Poly1305 with a random nonce for each secret; the
// place is authenticated with it, so that what was sealed for one place does not
// open at another. The package does no I/O.
package seal

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/crypto/chacha20poly1305"
)

// Algorithm names the form that this package writes, and the only one that it
// reads.
const Algorithm = "xchacha20-poly1305"

// Sealed is a secret that nobody reads without its key.
type Sealed struct {
	KeyID     string `json:"key_id"`
	Algorithm string `json:"algorithm"`
	Data      string `json:"data"` // base64 of nonce and ciphertext
}

// ErrNoKeys says that there is no key to seal with.
var ErrNoKeys = errors.New("there is no store key")

// UnknownKeyError says that the key of a secret is none of those at hand.
type UnknownKeyError struct {
	KeyID string
	Have  []string // ids of those at hand
}

// Error names the keys by their ids.
func (e *UnknownKeyError) Error() string {
	if len(e.Have) == 0 {
		return fmt.Sprintf("it is sealed under store key %s, and there is none", e.KeyID)
	}
	return fmt.Sprintf("it is sealed under store key %s; there is %s", e.KeyID, list(e.Have))
}

// AlgorithmError says that a later Certkeep sealed something.
type AlgorithmError struct {
	Algorithm string
}

// Error says what to do.
func (e *AlgorithmError) Error() string {
	return fmt.Sprintf("it is sealed with %q, which this Certkeep does not know: use the later version that sealed it", e.Algorithm)
}

// ErrAltered says that something was changed since it was sealed, or belongs to
// another place.
var ErrAltered = errors.New("what is sealed was changed, or belongs elsewhere")

// Seal seals a secret for a place, a text that Open has to be given again.
func (r Ring) Seal(secret []byte, place string) (Sealed, error) {
	if len(r.keys) == 0 {
		return Sealed{}, ErrNoKeys
	}
	aead, err := r.keys[0].aead()
	if err != nil {
		return Sealed{}, err
	}
	out := make([]byte, aead.NonceSize(), aead.NonceSize()+len(secret)+aead.Overhead())
	_, _ = rand.Read(out) // it never fails: see crypto/rand
	out = aead.Seal(out, out, secret, []byte(place))
	return Sealed{KeyID: r.keys[0].ID(), Algorithm: Algorithm, Data: base64.StdEncoding.EncodeToString(out)}, nil
}

// Open returns the secret that was sealed for a place. Its error is an
// *UnknownKeyError, an *AlgorithmError, or ErrAltered.
func (r Ring) Open(s Sealed, place string) ([]byte, error) {
	if s.Algorithm != Algorithm {
		return nil, &AlgorithmError{Algorithm: s.Algorithm}
	}
	i := slices.IndexFunc(r.keys, func(k Key) bool { return k.ID() == s.KeyID })
	if i < 0 {
		return nil, &UnknownKeyError{KeyID: s.KeyID, Have: r.IDs()}
	}
	aead, err := r.keys[i].aead()
	if err != nil {
		return nil, err
	}
	data, err := base64.StdEncoding.Strict().DecodeString(s.Data)
	if err != nil || len(data) < aead.NonceSize()+aead.Overhead() {
		return nil, ErrAltered
	}
	secret, err := aead.Open(nil, data[:aead.NonceSize()], data[aead.NonceSize():], []byte(place))
	if err != nil {
		return nil, ErrAltered
	}
	return secret, nil
}

// aead is the cipher of a key. The store key itself encrypts nothing: a key for
// each use is derived from it.
func (k Key) aead() (cipher.AEAD, error) {
	derived, err := hkdf.Key(sha256.New, []byte(*k.secret), nil, "certkeep sealed secret 1", chacha20poly1305.KeySize)
	if err != nil {
		return nil, fmt.Errorf("derive from the store key: %w", err)
	}
	aead, err := chacha20poly1305.NewX(derived)
	if err != nil {
		return nil, fmt.Errorf("derive from the store key: %w", err)
	}
	return aead, nil
}
