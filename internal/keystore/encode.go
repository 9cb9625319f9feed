package keystore

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	jks "github.com/pavlo-v-chernykh/keystore-go/v4"
	"software.sslmate.com/src/go-pkcs12"
)

// rounds is how often the password is hashed, for each of a file's three keys.
// Java writes 10,000 and OpenSSL 2,048; more than some tenths of a second would
// be felt at each start of a server.
const rounds = 100_000

// pkcs12 writes a PKCS#12 file (RFC 7292).
//
// Today's profile is AES-256 behind PBKDF2 with HMAC-SHA-256, and an
// HMAC-SHA-256 over all, which is what OpenSSL 3 and Java 17 write. The newer
// PBMAC1 (RFC 9579) is left out, since OpenSSL before 3.4 does not read it. The
// legacy profile is 3DES and SHA-1 for certificates too: OpenSSL 3 still reads
// it, but not the RC2 that was usual there.
func (e Entry) pkcs12(f Format, password string) ([]byte, error) {
	key, err := x509.MarshalPKCS8PrivateKey(e.Key)
	if err != nil {
		return nil, err
	}
	profile := pkcs12.Modern2023
	if f == FormatPKCS12Legacy {
		profile = pkcs12.LegacyDES
	}
	return profile.WithIterations(rounds).WithRand(e.draw(f, key)).Encode(e.Key, e.Chain[0], e.Chain[1:], password)
}

// jks writes a Java key store, version 2. Its cipher is Sun's own, from 1996,
// and is broken as soon as the password can be guessed: the file must be as
// well guarded as a key in the clear.
func (e Entry) jks(f Format, password string) ([]byte, error) {
	if e.Alias == "" {
		return nil, errors.New("the entry needs a name (alias)")
	}
	key, err := x509.MarshalPKCS8PrivateKey(e.Key)
	if err != nil {
		return nil, err
	}
	entry := jks.PrivateKeyEntry{
		// Java shows it, and uses it for nothing. A time of ours would differ at each writing.
		CreationTime: e.Chain[0].NotBefore,
		PrivateKey:   key,
	}
	for _, c := range e.Chain {
		entry.CertificateChain = append(entry.CertificateChain, jks.Certificate{Type: "X.509", Content: c.Raw})
	}
	store := jks.New(jks.WithOrderedAliases(), jks.WithCustomRandomNumberGenerator(e.draw(f, key)))
	if err := store.SetPrivateKeyEntry(e.Alias, entry, []byte(password)); err != nil {
		return nil, err
	}
	var file bytes.Buffer
	if err := store.Store(&file, []byte(password)); err != nil {
		return nil, err
	}
	return file.Bytes(), nil
}

// DER returns the content of the one block of a PEM text: a certificate, or a
// private key, also an encrypted one. A DER file holds a single thing, so a
// text of several blocks is refused.
func DER(text []byte) ([]byte, error) {
	block, rest := pem.Decode(text)
	if block == nil {
		return nil, errors.New("write DER file: there is no PEM block")
	}
	if block.Headers["Proc-Type"] != "" {
		return nil, fmt.Errorf("write DER file: the %s is encrypted in a way that only PEM has", block.Type)
	}
	if second, _ := pem.Decode(rest); second != nil {
		return nil, fmt.Errorf("write DER file: it can hold one thing, not a %s and a %s", block.Type, second.Type)
	}
	return block.Bytes, nil
}
