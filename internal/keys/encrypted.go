package keys

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
)

// KDF names how a passphrase becomes the key of a cipher, as written in
// configs.
type KDF string

// The ways in which keys are written. OpenSSL, and with it every server that
// uses it, reads both.
const (
	PBKDF2 KDF = "pbkdf2" // RFC 8018 section 5.2, with HMAC-SHA-256
	Scrypt KDF = "scrypt" // RFC 7914; costs whoever guesses memory as well
)

// KDFs returns every way, the default first.
func KDFs() []KDF { return []KDF{PBKDF2, Scrypt} }

// ParseKDF checks that s names a way. The error names the allowed ones.
func ParseKDF(s string) (KDF, error) {
	var allowed []string
	for _, k := range KDFs() {
		if s == string(k) {
			return k, nil
		}
		allowed = append(allowed, string(k))
	}
	return "", fmt.Errorf("unknown way %q to derive a key from a passphrase; allowed are %s", s, strings.Join(allowed, ", "))
}

// PassphraseError says that a passphrase does not open a private key. The
// encryption has no check of its own, so a damaged file looks the same.
type PassphraseError struct {
	Kind string // the PEM block's type
}

// Error says what to look at. It holds nothing of the passphrase.
func (e *PassphraseError) Error() string {
	return fmt.Sprintf("the passphrase does not open the private key (%s): it belongs to another key, or the key's file is damaged", e.Kind)
}

// MarshalEncrypted writes a key as encrypted PKCS#8 PEM (RFC 5958 section 3)
// under a passphrase, which must not be empty: AES-256 in CBC mode, and a
// derivation that takes a tenth of a second of a core, or a little more.
//
// The same key, passphrase and way give the same bytes, so that an installed
// file can be compared. Salt and IV are drawn from the private key by HKDF
// (RFC 5869): nobody can know them beforehand, and they repeat only where all
// that is encrypted repeats too.
func MarshalEncrypted(key crypto.Signer, passphrase []byte, way KDF) ([]byte, error) {
	if len(passphrase) == 0 {
		return nil, errors.New("encrypt private key: the passphrase is empty")
	}
	plain, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode private key: %w", err)
	}
	der, err := encrypt(plain, passphrase, way)
	if err != nil {
		return nil, fmt.Errorf("encrypt private key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: encryptedBlock, Bytes: der}), nil
}

// parseEncrypted reads the content of an ENCRYPTED PRIVATE KEY block.
func parseEncrypted(der, passphrase []byte) (crypto.Signer, error) {
	plain, err := decrypt(der, passphrase)
	if errors.Is(err, errNotOpened) {
		return nil, &PassphraseError{Kind: encryptedBlock}
	}
	if err != nil {
		return nil, fmt.Errorf("read private key (%s): %w", encryptedBlock, err)
	}
	return parseDER("PRIVATE KEY", plain)
}

// parseTraditional reads a block that is encrypted as in RFC 1421, which
// OpenSSL calls traditional. It was the only form of old PKCS#1 keys.
func parseTraditional(block *pem.Block, passphrase []byte) (crypto.Signer, error) {
	//lint:ignore SA1019 it is only read, and there is no other way to read it
	plain, err := x509.DecryptPEMBlock(block, passphrase)
	if errors.Is(err, x509.IncorrectPasswordError) {
		return nil, &PassphraseError{Kind: block.Type}
	}
	if err != nil {
		return nil, fmt.Errorf("read private key (%s): %w", block.Type, err)
	}
	if !isSequence(plain) { // one wrong passphrase in 256 leaves a good padding
		return nil, &PassphraseError{Kind: block.Type}
	}
	return parseDER(block.Type, plain)
}
