package chain

import (
	"crypto/sha256"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/certkeep/certkeep/internal/keys"
)

// Facts is all that is remembered of a certificate, so that deciding later
// parses no X.509.
type Facts struct {
	Names      []string // DNS names in lower case and IP addresses, sorted
	CommonName string   // of the subject; "" where there is none
	NotBefore  time.Time
	NotAfter   time.Time
	Serial     string    // hex, lower case, two digits a byte
	SHA256     string    // of the leaf's DER, hex: what most tools call its fingerprint
	SPKI       string    // fingerprint of its public key, see keys.Fingerprint
	CertID     string    // RFC 9773 section 4.1; "" where it cannot be formed
	CA         string    // common name of whoever signed it, else their organisation
	KeyType    keys.Type // "" for a kind of key that Certkeep does not make
	MustStaple bool      // RFC 7633: asks for an OCSP staple
}

// Facts gathers them.
func (c Chain) Facts() Facts {
	leaf := c.Leaf()
	sum := sha256.Sum256(leaf.Raw)
	// Where these two cannot be formed the fact is that there is none.
	certID, _ := c.CertID()
	keyType, _ := keys.TypeOf(leaf.PublicKey)
	ca := leaf.Issuer.CommonName
	if ca == "" {
		ca = strings.Join(leaf.Issuer.Organization, " ")
	}
	return Facts{
		Names:      Names(leaf),
		CommonName: leaf.Subject.CommonName,
		NotBefore:  leaf.NotBefore.UTC(),
		NotAfter:   leaf.NotAfter.UTC(),
		Serial:     hex.EncodeToString(serialBytes(leaf.SerialNumber)),
		SHA256:     hex.EncodeToString(sum[:]),
		SPKI:       c.SPKI(),
		CertID:     certID,
		CA:         ca,
		KeyType:    keyType,
		MustStaple: mustStaple(leaf.Extensions),
	}
}

// SPKI is the fingerprint of the leaf's public key, the same that
// keys.Fingerprint gives for its private key.
func (c Chain) SPKI() string {
	sum := sha256.Sum256(c.Leaf().RawSubjectPublicKeyInfo)
	return hex.EncodeToString(sum[:])
}

// CertID is the name under which the CA's renewal information knows the
// certificate (RFC 9773 section 4.1): the key identifier of its authority and
// its serial number, both in base64url, with a dot between them.
func (c Chain) CertID() (string, error) {
	leaf := c.Leaf()
	if len(leaf.AuthorityKeyId) == 0 {
		return "", errors.New("form certificate id: the certificate has no authority key identifier")
	}
	b64 := base64.RawURLEncoding
	return b64.EncodeToString(leaf.AuthorityKeyId) + "." + b64.EncodeToString(serialBytes(leaf.SerialNumber)), nil
}

// serialBytes is the content of the serial's DER INTEGER. DER integers are
// signed: a zero byte stands in front where the first bit is set, and zero
// itself is one byte. The parser refuses negative serials.
func serialBytes(n *big.Int) []byte {
	b := n.Bytes()
	if len(b) == 0 || b[0]&0x80 != 0 {
		b = slices.Insert(b, 0, 0)
	}
	return b
}

// mustStaple looks for the TLS feature status_request (5) among extensions
// (RFC 7633 section 4).
func mustStaple(extensions []pkix.Extension) bool {
	for _, e := range extensions {
		if !e.Id.Equal(oidTLSFeature()) {
			continue
		}
		var features []int
		rest, err := asn1.Unmarshal(e.Value, &features)
		return err == nil && len(rest) == 0 && slices.Contains(features, 5)
	}
	return false
}

// oidTLSFeature is id-pe-tlsfeature (RFC 7633 section 6).
func oidTLSFeature() asn1.ObjectIdentifier {
	return asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 24}
}
