package keys

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
)

// maxPEM bounds what Parse looks at: an RSA key of 16,384 bits takes 13 KiB.
const maxPEM = 64 << 10

// encryptedBlock is the type of PEM blocks with an EncryptedPrivateKeyInfo.
const encryptedBlock = "ENCRYPTED PRIVATE KEY"

// EncryptedError says that a private key is protected by a passphrase, and
// that none was given.
type EncryptedError struct {
	Kind string // the PEM block's type
}

// Error says what is wrong and what to do.
func (e *EncryptedError) Error() string {
	return fmt.Sprintf("the private key (%s) is encrypted with a passphrase, and none is configured for it "+
		"(passphrase_file); or decrypt it first, for example with: openssl pkey -in KEY -out PLAIN_KEY", e.Kind)
}

// Parse reads the first private key in PEM: PKCS#8, PKCS#1 (RSA) or SEC 1
// (EC). Other blocks before it, such as EC PARAMETERS or certificates, are
// passed over. A key under a passphrase gives an *EncryptedError.
func Parse(text []byte) (crypto.Signer, error) { return ParseWith(text, nil) }

// ParseWith reads like Parse, and opens a key that is protected by passphrase:
// encrypted PKCS#8 (RFC 5958 section 3) with AES, 3DES or Blowfish behind
// PBKDF2 or scrypt, and OpenSSL's traditional form. A key in the clear needs no
// passphrase; the one given is not looked at. An empty passphrase is none. One
// that does not fit gives a *PassphraseError.
func ParseWith(text, passphrase []byte) (crypto.Signer, error) {
	if len(text) > maxPEM {
		return nil, fmt.Errorf("read private key: %d bytes are too many for a key (at most %d)", len(text), maxPEM)
	}
	var passed []string
	for rest := text; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return nil, noKey(text, passed)
		}
		traditional := strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED") // RFC 1421
		switch {
		case !strings.HasSuffix(block.Type, "PRIVATE KEY"):
			passed = append(passed, block.Type)
		case (traditional || block.Type == encryptedBlock) && len(passphrase) == 0:
			return nil, &EncryptedError{Kind: block.Type}
		case block.Type == encryptedBlock:
			return parseEncrypted(block.Bytes, passphrase)
		case traditional:
			return parseTraditional(block, passphrase)
		default:
			return parseDER(block.Type, block.Bytes)
		}
	}
}

// noKey says why no key was found, without showing any of the text.
func noKey(text []byte, passed []string) error {
	switch {
	case len(bytes.TrimSpace(text)) == 0:
		return errors.New("read private key: it is empty")
	case len(passed) > 0:
		return fmt.Errorf("read private key: found %s, but no private key", strings.Join(passed, ", "))
	case bytes.Contains(text, []byte("-----BEGIN ")):
		return errors.New("read private key: its PEM is damaged or cut off")
	default:
		return errors.New("read private key: this is no PEM text")
	}
}

// parseDER reads the content of a PEM block. The parsers' own words speak of
// structure, never of content.
func parseDER(kind string, der []byte) (crypto.Signer, error) {
	var key any
	var err error
	switch kind {
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(der)
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(der)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(der)
	default:
		return nil, fmt.Errorf("read private key: blocks of type %q are not supported; "+
			"convert it, for example with: openssl pkey -in KEY -out PKCS8_KEY", kind)
	}
	if err != nil {
		return nil, fmt.Errorf("read private key (%s): %w", kind, err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("read private key: a %T cannot sign", key)
	}
	return signer, nil
}

// Marshal writes a key as PKCS#8 PEM (RFC 5958), without a passphrase.
func Marshal(key crypto.Signer) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode private key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}
