package ct

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/certkeep/certkeep/internal/network"
)

// What may be wrong with a receipt.
var (
	// ErrOtherLog says that a receipt is another log's.
	ErrOtherLog = errors.New("the SCT is of another log")
	// ErrNoKey says that nothing can be checked, since only the log's id is
	// known.
	ErrNoKey = errors.New("the key of the log is not known")
	// ErrSignature says that the log has not signed this.
	ErrSignature = errors.New("the signature of the SCT is wrong")
	// ErrFuture says that a receipt is dated later than now. Nobody accepts it
	// before that (RFC 6962 section 5.2).
	ErrFuture = errors.New("the SCT is dated in the future")
)

// The kinds of entries (RFC 6962 section 3.1).
const (
	entryX509    = 0
	entryPrecert = 1
)

// Verify checks a receipt that a log gave for a certificate as it is.
func (l Log) Verify(s SCT, leaf *x509.Certificate, now time.Time) error {
	var b cryptobyte.Builder
	b.AddUint16(entryX509)
	b.AddUint24LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(leaf.Raw) })
	return l.verify(s, &b, now)
}

// VerifyEmbedded checks a receipt out of a certificate. The log gave it for
// the certificate without its receipts, before the CA signed it, and for the
// key of its issuer.
func (l Log) VerifyEmbedded(s SCT, leaf, issuer *x509.Certificate, now time.Time) error {
	tbs, err := withoutSCTs(leaf.RawTBSCertificate)
	if err != nil {
		return err
	}
	key := sha256.Sum256(issuer.RawSubjectPublicKeyInfo)
	var b cryptobyte.Builder
	b.AddUint16(entryPrecert)
	b.AddBytes(key[:])
	b.AddUint24LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(tbs) })
	return l.verify(s, &b, now)
}

// verify checks a receipt for an entry of the log.
func (l Log) verify(s SCT, entry *cryptobyte.Builder, now time.Time) error {
	if s.Log != l.ID {
		return fmt.Errorf("%w: %s", ErrOtherLog, s.Log)
	}
	if len(l.Key) == 0 {
		return ErrNoKey
	}
	public, err := parseKey(l.Key)
	if err != nil {
		return err
	}
	content, err := entry.Bytes()
	if err != nil {
		return fmt.Errorf("check SCT: %w", err)
	}
	var b cryptobyte.Builder
	b.AddUint8(0) // version 1
	b.AddUint8(0) // a certificate's timestamp, not a tree's head
	b.AddUint64(s.Timestamp)
	b.AddBytes(content)
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(s.Extensions) })
	signed, err := b.Bytes()
	if err != nil {
		return fmt.Errorf("check SCT: %w", err)
	}
	sum := sha256.Sum256(signed)
	if !fits(public, s, sum[:]) {
		return ErrSignature
	}
	if s.Time().After(now.Add(network.MaxClockError)) {
		return fmt.Errorf("%w, at %s", ErrFuture, s.Time().Format(time.RFC3339))
	}
	return nil
}

// fits reports whether the signature of a receipt was made with a key.
func fits(public crypto.PublicKey, s SCT, sum []byte) bool {
	if s.Hash != hashSHA256 {
		return false
	}
	switch key := public.(type) {
	case *ecdsa.PublicKey:
		return s.Sign == signECDSA && ecdsa.VerifyASN1(key, sum, s.Signature)
	case *rsa.PublicKey:
		return s.Sign == signRSA && rsa.VerifyPKCS1v15(key, crypto.SHA256, sum, s.Signature) == nil
	}
	return false
}

// parseKey reads the key of a log.
func parseKey(spki []byte) (crypto.PublicKey, error) {
	public, err := x509.ParsePKIXPublicKey(spki)
	if err != nil {
		return nil, fmt.Errorf("read the key of a log: %w", err)
	}
	switch public.(type) {
	case *ecdsa.PublicKey, *rsa.PublicKey:
		return public, nil
	}
	return nil, fmt.Errorf("read the key of a log: logs do not sign with %T", public)
}

// withoutSCTs is what was signed of a certificate, without the extension that
// holds its receipts (RFC 6962 section 3.2). All other bytes stay as they are.
func withoutSCTs(tbs []byte) ([]byte, error) {
	broken := errors.New("read certificate: what the CA signed is no DER of one")
	tagged := der.Tag(3).ContextSpecific().Constructed()
	var fields, all cryptobyte.String
	outer := cryptobyte.String(tbs)
	if !outer.ReadASN1(&fields, der.SEQUENCE) || !outer.Empty() {
		return nil, broken
	}
	var before, kept []byte
	for !fields.Empty() && !fields.PeekASN1Tag(tagged) {
		var field cryptobyte.String
		if !fields.ReadAnyASN1Element(&field, new(der.Tag)) {
			return nil, broken
		}
		before = append(before, field...)
	}
	if !fields.ReadASN1(&all, tagged) || !fields.Empty() || !all.ReadASN1(&all, der.SEQUENCE) {
		return nil, broken
	}
	for !all.Empty() {
		var element, extension cryptobyte.String
		var oid asn1.ObjectIdentifier
		if !all.ReadASN1Element(&element, der.SEQUENCE) {
			return nil, broken
		}
		extension = element
		if !extension.ReadASN1(&extension, der.SEQUENCE) || !extension.ReadASN1ObjectIdentifier(&oid) {
			return nil, broken
		}
		if !oid.Equal(oidSCTs()) {
			kept = append(kept, element...)
		}
	}
	var b cryptobyte.Builder
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(before)
		b.AddASN1(tagged, func(b *cryptobyte.Builder) {
			b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) { b.AddBytes(kept) })
		})
	})
	return b.Bytes()
}

// Receipt is a receipt in a certificate, and what is known of it.
type Receipt struct {
	SCT
	Log *Log  // whose it is; nil where the log is not known
	Err error // why it counts for nothing; ErrUnknownLog where it could not be checked
}

// ErrUnknownLog says that a receipt is of a log that is not in the list.
var ErrUnknownLog = errors.New("the log is not in the list")

// CheckEmbedded reads the receipts in a certificate and checks those whose log
// is among logs. The error says that they cannot be read.
func CheckEmbedded(leaf, issuer *x509.Certificate, logs []Log, now time.Time) ([]Receipt, error) {
	list, err := Embedded(leaf)
	if err != nil {
		return nil, err
	}
	var receipts []Receipt
	for _, s := range list {
		r := Receipt{SCT: s, Err: fmt.Errorf("%w: %s", ErrUnknownLog, s.Log)}
		if i := slices.IndexFunc(logs, func(l Log) bool { return l.ID == s.Log }); i >= 0 {
			r.Log, r.Err = &logs[i], logs[i].VerifyEmbedded(s, leaf, issuer, now)
		}
		receipts = append(receipts, r)
	}
	return receipts, nil
}
