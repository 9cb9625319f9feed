package ocsp

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
	"golang.org/x/crypto/ocsp"

	"github.com/certkeep/certkeep/internal/network"
)

// Check reads a statement and checks that it is about leaf, that issuer, or
// somebody to whom issuer delegated it, has signed it, and that it is valid
// now. The error is a Refusal, or one of ErrInvalid, ErrOther, ErrExpired and
// ErrNotYet.
func Check(der []byte, leaf, issuer *x509.Certificate, now time.Time) (Response, error) {
	// Without an issuer the library checks the signature by the certificate
	// that came with it, if one did; whose that may be is for us to say. Given
	// an issuer it would accept any certificate of that CA as a signer, and
	// refuse the CA's own.
	parsed, err := ocsp.ParseResponseForCert(der, leaf, nil)
	if refused, ok := errors.AsType[ocsp.ResponseError](err); ok {
		return Response{}, Refusal{refused.Status}
	}
	subject, about := subjectOf(der, leaf.SerialNumber)
	if about != nil {
		return Response{}, about
	}
	if err != nil {
		return Response{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if !subject.issuedBy(issuer, parsed.IssuerHash) {
		return Response{}, fmt.Errorf("%w: the serial is the same, the CA is not", ErrOther)
	}
	if err := checkSigner(parsed, issuer, now); err != nil {
		return Response{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	r := Response{
		DER:        der,
		Status:     Good,
		ThisUpdate: parsed.ThisUpdate,
		NextUpdate: parsed.NextUpdate,
	}
	switch parsed.Status {
	case ocsp.Good:
	case ocsp.Revoked:
		r.Status, r.RevokedAt, r.Reason = Revoked, parsed.RevokedAt, reason(parsed.RevocationReason)
	default:
		r.Status = Unknown
	}
	if err := r.checkTimes(now); err != nil {
		return Response{}, err
	}
	r.AskAgain = r.askAgain(now, time.Time{}, halfway())
	return r, nil
}

// checkTimes follows RFC 6960 section 3.2, steps 5 and 6.
func (r Response) checkTimes(now time.Time) error {
	switch {
	case !r.NextUpdate.IsZero() && !r.NextUpdate.After(r.ThisUpdate):
		return fmt.Errorf("%w: it ends before it begins", ErrInvalid)
	case r.ThisUpdate.After(now.Add(network.MaxClockError)):
		return fmt.Errorf("%w: it begins at %s", ErrNotYet, r.ThisUpdate.UTC().Format(time.RFC3339))
	case !now.Before(r.Ends()):
		return fmt.Errorf("%w, at %s", ErrExpired, r.Ends().UTC().Format(time.RFC3339))
	}
	return nil
}

// certID is how a statement names the certificate that it is about (RFC 6960
// section 4.1.1).
type certID struct {
	nameHash, keyHash []byte
	serial            big.Int
}

// subjectOf finds the certificate with that serial in a statement. A statement
// may be about several, and the library takes the first with the right serial
// without looking at its issuer.
func subjectOf(der []byte, serial *big.Int) (certID, error) {
	broken := fmt.Errorf("%w: it is no DER of one", ErrInvalid)
	// OCSPResponse, and in it ResponseBytes, BasicOCSPResponse, ResponseData
	var body, responses cryptobyte.String
	outer := cryptobyte.String(der)
	if !outer.ReadASN1(&outer, asn1.SEQUENCE) || !outer.SkipASN1(asn1.ENUM) ||
		!outer.ReadASN1(&body, asn1.Tag(0).ContextSpecific().Constructed()) ||
		!body.ReadASN1(&body, asn1.SEQUENCE) || !body.SkipASN1(asn1.OBJECT_IDENTIFIER) ||
		!body.ReadASN1(&body, asn1.OCTET_STRING) || !body.ReadASN1(&body, asn1.SEQUENCE) ||
		!body.ReadASN1(&body, asn1.SEQUENCE) ||
		!body.SkipOptionalASN1(asn1.Tag(0).ContextSpecific().Constructed()) ||
		!body.ReadAnyASN1(&responses, new(asn1.Tag)) || // the responder's name or key
		!body.SkipASN1(asn1.GeneralizedTime) || !body.ReadASN1(&responses, asn1.SEQUENCE) {
		return certID{}, broken
	}
	var other string
	for !responses.Empty() {
		var single, id cryptobyte.String
		var found certID
		if !responses.ReadASN1(&single, asn1.SEQUENCE) || !single.ReadASN1(&id, asn1.SEQUENCE) || !id.SkipASN1(asn1.SEQUENCE) ||
			!id.ReadASN1Bytes(&found.nameHash, asn1.OCTET_STRING) || !id.ReadASN1Bytes(&found.keyHash, asn1.OCTET_STRING) ||
			!id.ReadASN1Integer(&found.serial) {
			return certID{}, broken
		}
		if found.serial.Cmp(serial) == 0 {
			return found, nil
		}
		other = fmt.Sprintf(", with the serial %x", &found.serial)
	}
	return certID{}, fmt.Errorf("%w%s", ErrOther, other)
}

// issuedBy reports whether issuer is the CA that the name means.
func (id certID) issuedBy(issuer *x509.Certificate, hash crypto.Hash) bool {
	if !hash.Available() {
		return false
	}
	spki := cryptobyte.String(issuer.RawSubjectPublicKeyInfo)
	var key []byte
	if !spki.ReadASN1(&spki, asn1.SEQUENCE) || !spki.SkipASN1(asn1.SEQUENCE) || !spki.ReadASN1BitStringAsBytes(&key) {
		return false
	}
	digest := func(b []byte) []byte {
		h := hash.New()
		h.Write(b)
		return h.Sum(nil)
	}
	return bytes.Equal(id.nameHash, digest(issuer.RawSubject)) && bytes.Equal(id.keyHash, digest(key))
}

// checkSigner says why the signature of a statement counts for nothing. It may
// be the CA's own, or that of somebody whom the CA itself certified for this
// (RFC 6960 section 4.2.2.2).
func checkSigner(parsed *ocsp.Response, issuer *x509.Certificate, now time.Time) error {
	strong := []x509.SignatureAlgorithm{
		x509.SHA256WithRSA, x509.SHA384WithRSA, x509.SHA512WithRSA,
		x509.ECDSAWithSHA256, x509.ECDSAWithSHA384, x509.ECDSAWithSHA512,
	}
	if !slices.Contains(strong, parsed.SignatureAlgorithm) {
		return fmt.Errorf("it is signed with %s, which is not accepted", parsed.SignatureAlgorithm)
	}
	signer := parsed.Certificate
	if signer == nil || bytes.Equal(signer.RawSubjectPublicKeyInfo, issuer.RawSubjectPublicKeyInfo) {
		if err := parsed.CheckSignatureFrom(issuer); err != nil {
			return fmt.Errorf("the CA has not signed it: %w", err)
		}
		return nil
	}
	// The library has checked that signer signed the statement.
	name := signer.Subject.String()
	switch err := signer.CheckSignatureFrom(issuer); {
	case err != nil:
		return fmt.Errorf("the CA has not certified its signer %q: %w", name, err)
	case !bytes.Equal(signer.RawIssuer, issuer.RawSubject):
		return fmt.Errorf("another CA has certified its signer %q", name)
	case !slices.Contains(signer.ExtKeyUsage, x509.ExtKeyUsageOCSPSigning):
		return fmt.Errorf("its signer %q may not sign OCSP responses", name)
	case signer.KeyUsage != 0 && signer.KeyUsage&x509.KeyUsageDigitalSignature == 0:
		return fmt.Errorf("the key of its signer %q may not sign", name)
	case len(signer.UnhandledCriticalExtensions) > 0:
		return fmt.Errorf("the certificate of its signer %q demands what is unknown", name)
	case now.Add(network.MaxClockError).Before(signer.NotBefore) || now.Add(-network.MaxClockError).After(signer.NotAfter):
		return fmt.Errorf("the certificate of its signer %q is not valid now", name)
	}
	return nil
}
