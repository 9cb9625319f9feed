// Package keystore puts a private key and its certificates into the files that
// programs read which cannot read PEM: PKCS#12 and JKS under a password, and
// DER.
//
// Entry.Encode and DER are what to call; CheckPassword says beforehand whether
// a password will do. The same entry under the same password gives the
// same bytes each time, so an installed file can be compared with what is
// wanted, byte by byte or by its digest. It may change with a new version of
// Certkeep. No error holds a password or anything of a key.
package keystore

import (
	"crypto"
	"crypto/sha3"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Format names a kind of file, as written in configs.
type Format string

// The formats with a password.
const (
	FormatPKCS12       Format = "pkcs12"        // today's algorithms: OpenSSL 1.1.1, Java 8u301, Windows Server 2019, and later
	FormatPKCS12Legacy Format = "pkcs12-legacy" // for older ones, for Android, and for the key ring of macOS
	FormatJKS          Format = "jks"           // for Java that knows nothing else
)

// Formats returns every format with a password.
func Formats() []Format { return []Format{FormatPKCS12, FormatPKCS12Legacy, FormatJKS} }

// Entry is a private key with its certificates.
type Entry struct {
	Key   crypto.Signer
	Chain []*x509.Certificate // the certificate of Key first, then each one's issuer
	Alias string              // its name in a JKS file; a PKCS#12 file holds none, and Java calls the entry "1"
}

// Encode puts e into a file of a format.
func (e Entry) Encode(f Format, password string) ([]byte, error) {
	if err := CheckPassword(f, password); err != nil {
		return nil, err
	}
	if err := e.check(); err != nil {
		return nil, fmt.Errorf("write %s file: %w", f, err)
	}
	encode := e.pkcs12
	if f == FormatJKS {
		encode = e.jks
	}
	file, err := encode(f, password)
	if err != nil {
		return nil, fmt.Errorf("write %s file: %w", f, err)
	}
	return file, nil
}

// check proves that the key belongs to the first certificate. Java and Windows
// say so late, or with words that lead elsewhere.
func (e Entry) check() error {
	if e.Key == nil || len(e.Chain) == 0 {
		return errors.New("it needs a private key and its certificate")
	}
	public, ok := e.Key.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !public.Equal(e.Chain[0].PublicKey) {
		return errors.New("the private key does not belong to the certificate")
	}
	return nil
}

// PasswordError says that a format cannot have a password.
type PasswordError struct {
	Format Format
	Words  string // what is wrong with it
}

// Error says what is wrong. It holds nothing of the password.
func (e *PasswordError) Error() string {
	return fmt.Sprintf("password for a %s file: %s", e.Format, e.Words)
}

// shortestJKS is the fewest characters that Java's keytool takes.
const shortestJKS = 6

// CheckPassword returns a *PasswordError where a file of format f cannot have
// the password, or where the programs that read it could not be told it: Java
// takes nothing but printable ASCII.
func CheckPassword(f Format, password string) error {
	refuse := func(words string) error { return &PasswordError{Format: f, Words: words} }
	printable := func(r rune) bool { return r >= ' ' && r <= '~' }
	switch {
	case f != FormatPKCS12 && f != FormatPKCS12Legacy && f != FormatJKS:
		return fmt.Errorf("unknown format %q of a key store; known are %v", f, Formats())
	case password == "":
		return refuse("it is empty")
	case strings.ContainsFunc(password, func(r rune) bool { return !printable(r) }):
		return refuse("it has a character outside of printable ASCII, which Java does not take")
	case f == FormatJKS && len(password) < shortestJKS:
		return refuse(fmt.Sprintf("it is shorter than %d characters, which Java's keytool does not take", shortestJKS))
	}
	return nil
}

// draw gives the salts and IVs of a file without end. They come from the
// private key, so nobody can know them beforehand, and from all that is
// encrypted, so that they repeat only where it repeats too. The password takes
// no part: whoever had the key could otherwise try passwords without the work
// of the key derivation.
func (e Entry) draw(f Format, key []byte) io.Reader {
	from := sha3.NewSHAKE256()
	put := func(b []byte) { // each with its length, so that no two lists give one text
		_, _ = from.Write(binary.BigEndian.AppendUint64(nil, uint64(len(b)))) // never fails
		_, _ = from.Write(b)
	}
	put([]byte("certkeep key store " + f))
	put(key)
	put([]byte(e.Alias))
	for _, c := range e.Chain {
		put(c.Raw)
	}
	return from
}
