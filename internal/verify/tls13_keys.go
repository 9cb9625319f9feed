package verify

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"hash"
	"slices"
	"strings"

	"golang.org/x/crypto/chacha20poly1305"
	"golang.org/x/crypto/cryptobyte"
)

// suite13 is a cipher suite of TLS 1.3.
type suite13 struct {
	id   uint16
	hash func() hash.Hash
	key  int // bytes
	aead func(key []byte) (cipher.AEAD, error)
}

func suites13() []suite13 {
	gcm := func(key []byte) (cipher.AEAD, error) {
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, err
		}
		return cipher.NewGCM(block)
	}
	return []suite13{
		{tls.TLS_AES_128_GCM_SHA256, sha256.New, 16, gcm},
		{tls.TLS_AES_256_GCM_SHA384, sha512.New384, 32, gcm},
		{tls.TLS_CHACHA20_POLY1305_SHA256, sha256.New, 32, chacha20poly1305.New},
	}
}

// schedule holds the secrets of a handshake, RFC 8446 section 7.1.
type schedule struct {
	suite                     suite13
	handshake, server, client []byte
}

// newSchedule derives them from the shared secret and the two hellos.
func newSchedule(suite suite13, shared, hellos []byte) (*schedule, error) {
	s := &schedule{suite: suite}
	zeros := make([]byte, suite.hash().Size())
	early, err := hkdf.Extract(suite.hash, zeros, nil)
	if err != nil {
		return nil, err
	}
	salt, err := s.derive(early, "derived", nil)
	if err != nil {
		return nil, err
	}
	if s.handshake, err = hkdf.Extract(suite.hash, shared, salt); err != nil {
		return nil, err
	}
	if s.server, err = s.derive(s.handshake, "s hs traffic", hellos); err != nil {
		return nil, err
	}
	s.client, err = s.derive(s.handshake, "c hs traffic", hellos)
	return s, err
}

// application are the keys for our data after the handshake.
func (s *schedule) application(transcript []byte) (*half, error) {
	salt, err := s.derive(s.handshake, "derived", nil)
	if err != nil {
		return nil, err
	}
	master, err := hkdf.Extract(s.suite.hash, make([]byte, s.suite.hash().Size()), salt)
	if err != nil {
		return nil, err
	}
	client, err := s.derive(master, "c ap traffic", transcript)
	if err != nil {
		return nil, err
	}
	return s.half(client)
}

func (s *schedule) digest(transcript []byte) []byte {
	h := s.suite.hash()
	h.Write(transcript)
	return h.Sum(nil)
}

// derive is Derive-Secret.
func (s *schedule) derive(secret []byte, label string, transcript []byte) ([]byte, error) {
	return s.expand(secret, label, s.digest(transcript), s.suite.hash().Size())
}

// expand is HKDF-Expand-Label.
func (s *schedule) expand(secret []byte, label string, context []byte, length int) ([]byte, error) {
	b := cryptobyte.NewBuilder(nil)
	b.AddUint16(uint16(length))
	b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes([]byte("tls13 " + label)) })
	b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(context) })
	info, err := b.Bytes()
	if err != nil {
		return nil, err
	}
	return hkdf.Expand(s.suite.hash, secret, string(info), length)
}

// half are the keys of one direction, section 7.3.
func (s *schedule) half(secret []byte) (*half, error) {
	key, err := s.expand(secret, "key", nil, s.suite.key)
	if err != nil {
		return nil, err
	}
	aead, err := s.suite.aead(key)
	if err != nil {
		return nil, err
	}
	iv, err := s.expand(secret, "iv", nil, aead.NonceSize())
	return &half{aead: aead, iv: iv}, err
}

// finished is what a side says at the end of its handshake, section 4.4.4.
func (s *schedule) finished(secret, transcript []byte) ([]byte, error) {
	key, err := s.expand(secret, "finished", nil, s.suite.hash().Size())
	if err != nil {
		return nil, err
	}
	mac := hmac.New(s.suite.hash, key)
	mac.Write(s.digest(transcript))
	return mac.Sum(nil), nil
}

// schemesOf are the signature algorithms of TLS 1.3 for a kind of key.
func schemesOf(kind string) []tls.SignatureScheme {
	if kind == "rsa" {
		return []tls.SignatureScheme{tls.PSSWithSHA256, tls.PSSWithSHA384, tls.PSSWithSHA512}
	}
	return []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256, tls.ECDSAWithP384AndSHA384, tls.ECDSAWithP521AndSHA512}
}

// checkProof reads a CertificateVerify message, section 4.4.3: the leaf's key
// signed what was said up to the certificate.
func checkProof(kind string, leaf *x509.Certificate, transcript, body []byte) error {
	var scheme uint16
	var signature cryptobyte.String
	s := cryptobyte.String(body)
	if !s.ReadUint16(&scheme) || !s.ReadUint16LengthPrefixed(&signature) || !s.Empty() {
		return errors.New("its signature is malformed")
	}
	i := slices.Index(schemesOf(kind), tls.SignatureScheme(scheme))
	if i < 0 {
		return fmt.Errorf("it signed in a way that was not offered: %v", tls.SignatureScheme(scheme))
	}
	hash := []crypto.Hash{crypto.SHA256, crypto.SHA384, crypto.SHA512}[i]
	h := hash.New()
	h.Write([]byte(strings.Repeat(" ", 64) + "TLS 1.3, server CertificateVerify\x00"))
	h.Write(transcript)
	right := false
	switch key := leaf.PublicKey.(type) {
	case *rsa.PublicKey:
		right = kind == "rsa" && rsa.VerifyPSS(key, hash, h.Sum(nil), signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) == nil
	case *ecdsa.PublicKey:
		right = kind == "ecdsa" && ecdsa.VerifyASN1(key, h.Sum(nil), signature)
	}
	if !right {
		return errors.New("the signature is not by its certificate's key")
	}
	return nil
}
