// Package ct deals with logs of certificates (RFC 6962): it hands certificates
// to them, and reads and checks their receipts, the signed certificate
// timestamps (SCTs).
//
// ReadList reads which logs there are, Named chooses those of a name for a
// certificate, Client.Submit hands it in. Embedded reads the receipts that the
// CA put into a certificate, and Log.Verify and Log.VerifyEmbedded check one.
// SCT.Bytes is the form in which servers read a receipt from a file.
//
// Limits: receipts of version 1 only, which is all that the logs of the web
// give, those of the static API among them.
package ct

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"golang.org/x/crypto/cryptobyte"
)

// LogID names a log: the SHA-256 of its public key (RFC 6962 section 3.2).
type LogID [32]byte

// String is the form in which lists of logs have it, base64.
func (id LogID) String() string { return base64.StdEncoding.EncodeToString(id[:]) }

// ParseLogID reads that form.
func ParseLogID(s string) (LogID, error) {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil || len(b) != len(LogID{}) {
		return LogID{}, fmt.Errorf("%q is not the id of a log: 32 bytes in base64", s)
	}
	return LogID(b), nil
}

// The algorithms of a receipt's signature (RFC 5246 section 7.4.1.4.1). RFC
// 6962 section 2.1.4 allows these two, with SHA-256.
const (
	hashSHA256 = 4
	signRSA    = 1
	signECDSA  = 3
)

// SCT is the receipt of a log for a certificate, with which it promises to
// publish it (RFC 6962 section 3.2).
type SCT struct {
	Log        LogID
	Timestamp  uint64 // milliseconds since 1970
	Extensions []byte // what the log wants to add; the static API puts the index there
	Hash, Sign uint8  // algorithms
	Signature  []byte
}

// Time is when the log received the certificate.
func (s SCT) Time() time.Time {
	const last = 253402300799999 // of the year 9999, in milliseconds: a larger number is a log's mistake
	return time.UnixMilli(int64(min(s.Timestamp, last))).UTC()
}

// Bytes is the receipt as it stands in a file of its own, in a TLS extension
// and, in a list, in a certificate. It fails only for one that was made by hand
// with parts that are too long.
func (s SCT) Bytes() ([]byte, error) {
	var b cryptobyte.Builder
	b.AddUint8(0) // version 1
	b.AddBytes(s.Log[:])
	b.AddUint64(s.Timestamp)
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(s.Extensions) })
	b.AddUint8(s.Hash) // and the rest of a digitally-signed struct, RFC 5246 section 4.7
	b.AddUint8(s.Sign)
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(s.Signature) })
	text, err := b.Bytes()
	if err != nil {
		return nil, fmt.Errorf("write SCT: %w", err)
	}
	return text, nil
}

// Parse reads a receipt from the bytes of its file.
func Parse(b []byte) (SCT, error) {
	text := cryptobyte.String(b)
	var s SCT
	var version uint8
	var extensions cryptobyte.String
	if !text.ReadUint8(&version) {
		return SCT{}, errors.New("read SCT: it is empty")
	}
	if version != 0 {
		return SCT{}, fmt.Errorf("read SCT: version %d is not known", int(version)+1)
	}
	if !text.CopyBytes(s.Log[:]) || !text.ReadUint64(&s.Timestamp) || !text.ReadUint16LengthPrefixed(&extensions) {
		return SCT{}, errors.New("read SCT: it is cut off")
	}
	s.Extensions = bytes.Clone(extensions)
	if err := s.readSignature(text); err != nil {
		return SCT{}, fmt.Errorf("read SCT: %w", err)
	}
	return s, nil
}

// readSignature reads the signature with its algorithms.
func (s *SCT) readSignature(text cryptobyte.String) error {
	var signature cryptobyte.String
	if !text.ReadUint8(&s.Hash) || !text.ReadUint8(&s.Sign) || !text.ReadUint16LengthPrefixed(&signature) {
		return errors.New("the signature is cut off")
	}
	if !text.Empty() {
		return fmt.Errorf("%d bytes behind the signature", len(text))
	}
	s.Signature = bytes.Clone(signature)
	return nil
}

// ParseList reads a list of receipts, as TLS and certificates carry it (RFC
// 6962 section 3.3). Receipts of a version that is not known are left out.
func ParseList(b []byte) ([]SCT, error) {
	text := cryptobyte.String(b)
	var items cryptobyte.String
	if !text.ReadUint16LengthPrefixed(&items) || !text.Empty() {
		return nil, errors.New("read list of SCTs: its length is wrong")
	}
	var list []SCT
	for !items.Empty() {
		var item cryptobyte.String
		if !items.ReadUint16LengthPrefixed(&item) || item.Empty() {
			return nil, errors.New("read list of SCTs: it is cut off")
		}
		if item[0] != 0 {
			continue
		}
		s, err := Parse(item)
		if err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, nil
}

// oidSCTs is the extension of a certificate that holds receipts (RFC 6962
// section 3.3).
func oidSCTs() asn1.ObjectIdentifier {
	return asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11129, 2, 4, 2}
}

// Embedded reads the receipts in a certificate; there may be none.
func Embedded(cert *x509.Certificate) ([]SCT, error) {
	for _, extension := range cert.Extensions {
		if !extension.Id.Equal(oidSCTs()) {
			continue
		}
		var list []byte
		if rest, err := asn1.Unmarshal(extension.Value, &list); err != nil || len(rest) > 0 {
			return nil, errors.New("read the SCTs of a certificate: they are no OCTET STRING")
		}
		return ParseList(list)
	}
	return nil, nil
}
