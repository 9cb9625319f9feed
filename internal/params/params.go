// Package params makes, reads and checks the parameters of key exchange that
// some servers read from files: Diffie-Hellman groups (DH PARAMETERS) and names
// of elliptic curves (EC PARAMETERS), in PEM. Nothing in them is secret.
//
// Group gives a group of RFC 7919 at once, Generate searches for one of its
// own, Curve names a curve, Parse reads what a file has. The groups of RFC 7919
// are the ones to use: TLS libraries know them, and nobody needs to trust
// whoever generated them.
package params

import (
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
)

// The types of PEM blocks.
const (
	blockDH = "DH PARAMETERS"
	blockEC = "EC PARAMETERS"
)

// maxText bounds what Parse looks at: a file may hold a chain and keys too.
const maxText = 1 << 20

// dhParameter is DHParameter of PKCS#3 section 9. The length is a hint that we
// neither write nor need.
type dhParameter struct {
	P, G   *big.Int
	Length int `asn1:"optional"`
}

// Found is what a text holds.
type Found struct {
	DH     *DH      // the first group, which is the one that servers use; nil without any
	Curves []string // the named curves, in their order
}

// Parse reads the parameters in a PEM text. Other blocks, such as
// certificates, are passed over. What it returns is not proven: see DH.Check.
func Parse(text []byte) (Found, error) {
	if len(text) > maxText {
		return Found{}, fmt.Errorf("read parameters: %d bytes are too many (at most %d)", len(text), maxText)
	}
	var found Found
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		switch block.Type {
		case blockDH:
			group, err := parseDH(block.Bytes)
			if err != nil {
				return Found{}, err
			}
			if found.DH == nil {
				found.DH = &group
			}
		case blockEC:
			name, err := parseCurve(block.Bytes)
			if err != nil {
				return Found{}, err
			}
			found.Curves = append(found.Curves, name)
		}
	}
	return found, nil
}

func parseDH(der []byte) (DH, error) {
	var parameter dhParameter
	if rest, err := asn1.Unmarshal(der, &parameter); err != nil || len(rest) > 0 {
		return DH{}, errors.New("read DH parameters: their encoding is damaged")
	}
	return DH{P: parameter.P, G: parameter.G}, nil
}

// PEM writes the group as a file has it.
func (d DH) PEM() ([]byte, error) {
	if d.P == nil || d.G == nil {
		return nil, errors.New("write DH parameters: there are none")
	}
	der, err := asn1.Marshal(struct{ P, G *big.Int }{d.P, d.G})
	if err != nil {
		return nil, fmt.Errorf("write DH parameters: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: blockDH, Bytes: der}), nil
}

// curve is a curve that a file can name.
type curve struct {
	name string
	oid  asn1.ObjectIdentifier
}

// curves are those that acmebot lists and OpenSSL can write: SEC 2 section 4.
func curves() []curve {
	return []curve{
		{"secp256r1", asn1.ObjectIdentifier{1, 2, 840, 10045, 3, 1, 7}},
		{"secp384r1", asn1.ObjectIdentifier{1, 3, 132, 0, 34}},
		{"secp521r1", asn1.ObjectIdentifier{1, 3, 132, 0, 35}},
		{"secp256k1", asn1.ObjectIdentifier{1, 3, 132, 0, 10}},
	}
}

// NoParametersError says that no file can name a curve. Key exchange over it
// needs none: TLS libraries offer it by themselves.
type NoParametersError struct {
	Curve string
}

// Error names the curve.
func (e *NoParametersError) Error() string {
	return fmt.Sprintf("there are no EC parameters for the curve %s: it has no such encoding, and servers offer it without a file", e.Curve)
}

// Curve writes the EC parameters that name a curve. It knows secp256r1 (also
// as prime256v1), secp384r1, secp521r1 and secp256k1. For x25519 and x448 its
// error is a *NoParametersError.
func Curve(name string) ([]byte, error) {
	if name == "x25519" || name == "x448" {
		return nil, &NoParametersError{Curve: name}
	}
	if name == "prime256v1" {
		name = "secp256r1"
	}
	var known []string
	for _, c := range curves() {
		if c.name == name {
			der, err := asn1.Marshal(c.oid)
			if err != nil {
				return nil, fmt.Errorf("write EC parameters: %w", err)
			}
			return pem.EncodeToMemory(&pem.Block{Type: blockEC, Bytes: der}), nil
		}
		known = append(known, c.name)
	}
	return nil, fmt.Errorf("unknown curve %q; known are %s", name, strings.Join(known, ", "))
}

func parseCurve(der []byte) (string, error) {
	var oid asn1.ObjectIdentifier
	if rest, err := asn1.Unmarshal(der, &oid); err != nil || len(rest) > 0 {
		return "", errors.New("read EC parameters: they name no curve")
	}
	i := slices.IndexFunc(curves(), func(c curve) bool { return c.oid.Equal(oid) })
	if i < 0 {
		return "", fmt.Errorf("read EC parameters: the curve with OID %s is not known", oid)
	}
	return curves()[i].name, nil
}
