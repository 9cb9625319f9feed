package crl

import (
	"bytes"
	"cmp"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cryptobyteasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/certkeep/certkeep/internal/network"
	"github.com/certkeep/certkeep/internal/plan"
)

// list is a revocation list, as far as it is needed.
type list struct {
	parsed      *x509.RevocationList // without its entries; nil once its signature was checked
	issuer      []byte               // its name, in DER
	since, ends time.Time
	entries     []entry // by serial number
	points      []string
	onlyCAs     bool
	signedBy    []byte // the key (SPKI) that was found to have signed it
}

// entry is one certificate that was revoked.
type entry struct {
	serial *big.Int
	at     time.Time
	reason int // RFC 5280 section 5.3.1
}

// parse reads a list. What it says of whom is judged later.
func parse(der []byte) (*list, error) {
	parsed, err := x509.ParseRevocationList(der)
	if err != nil {
		return nil, fmt.Errorf("it is no revocation list: %w", err)
	}
	l := &list{parsed: parsed, issuer: bytes.Clone(parsed.RawIssuer), since: parsed.ThisUpdate, ends: parsed.NextUpdate, entries: make([]entry, 0, len(parsed.RevokedCertificateEntries))}
	if l.ends.IsZero() {
		return nil, errors.New("it does not say when the next one comes")
	}
	for _, x := range parsed.Extensions {
		if err := l.extension(x.Id, x.Critical, x.Value); err != nil {
			return nil, err
		}
	}
	for _, e := range parsed.RevokedCertificateEntries {
		for _, x := range e.Extensions {
			if x.Critical && !x.Id.Equal(oidReason) {
				return nil, fmt.Errorf("it says something of %x that is not understood (%s)", e.SerialNumber, x.Id)
			}
		}
		l.entries = append(l.entries, entry{serial: e.SerialNumber, at: e.RevocationTime, reason: e.ReasonCode})
	}
	slices.SortFunc(l.entries, func(a, b entry) int { return a.serial.Cmp(b.serial) })
	parsed.RevokedCertificateEntries = nil
	return l, nil
}

// The extensions of lists that we know, RFC 5280 section 5.2.
var (
	oidReason       = asn1.ObjectIdentifier{2, 5, 29, 21}
	oidNumber       = asn1.ObjectIdentifier{2, 5, 29, 20}
	oidDistribution = asn1.ObjectIdentifier{2, 5, 29, 28}
	oidAuthority    = asn1.ObjectIdentifier{2, 5, 29, 35}
)

// extension takes note of one extension. A critical one that is not known makes
// the list useless, as one that only lists changes (section 5.2.4) is.
func (l *list) extension(id asn1.ObjectIdentifier, critical bool, value []byte) error {
	switch {
	case id.Equal(oidDistribution):
		return l.distribution(value)
	case !critical || id.Equal(oidNumber) || id.Equal(oidAuthority):
		return nil
	}
	return fmt.Errorf("it has a critical extension that is not understood (%s)", id)
}

// distribution reads which certificates the list is about (section 5.2.5).
func (l *list) distribution(value []byte) error {
	outer := cryptobyte.String(value)
	var seq, point, name cryptobyte.String
	var onlyUsers, onlyCAs, indirect, onlyAttributes bool
	var hasPoint, hasName, hasReasons bool
	tag := func(n uint8) cryptobyteasn1.Tag { return cryptobyteasn1.Tag(n).ContextSpecific() }
	flag := func(n uint8, to *bool) bool {
		var content cryptobyte.String
		var there bool
		if !seq.ReadOptionalASN1(&content, &there, tag(n)) {
			return false
		}
		*to = there && len(content) == 1 && content[0] != 0
		return true
	}
	var reasons cryptobyte.String
	ok := outer.ReadASN1(&seq, cryptobyteasn1.SEQUENCE) &&
		seq.ReadOptionalASN1(&point, &hasPoint, tag(0).Constructed()) &&
		flag(1, &onlyUsers) && flag(2, &onlyCAs) &&
		seq.ReadOptionalASN1(&reasons, &hasReasons, tag(3)) &&
		flag(4, &indirect) && flag(5, &onlyAttributes)
	if ok && hasPoint {
		ok = point.ReadOptionalASN1(&name, &hasName, tag(0).Constructed())
	}
	for ok && !name.Empty() {
		var general cryptobyte.String
		var kind cryptobyteasn1.Tag
		if ok = name.ReadAnyASN1(&general, &kind); ok && kind == tag(6) {
			l.points = append(l.points, string(general))
		}
	}
	switch {
	case !ok:
		return errors.New("it does not say clearly which certificates it is about")
	case indirect, onlyAttributes:
		return errors.New("it is about certificates of others")
	}
	l.onlyCAs = onlyCAs
	return nil
}

// judge says why the list cannot be believed of a certificate at an instant; nil
// where it can.
func (l *list) judge(leaf, issuer *x509.Certificate, address string, now time.Time) error {
	switch {
	case !bytes.Equal(l.issuer, leaf.RawIssuer) || !bytes.Equal(leaf.RawIssuer, issuer.RawSubject):
		return errors.New("it is that of another CA")
	case l.onlyCAs && !leaf.IsCA:
		return errors.New("it is about certificates of CAs only")
	case len(l.points) > 0 && !slices.ContainsFunc(l.points, func(p string) bool { return p == address || slices.Contains(leaf.CRLDistributionPoints, p) }):
		return fmt.Errorf("it is the one of %s", l.points[0])
	case l.since.After(now.Add(network.MaxClockError)):
		return fmt.Errorf("it begins on %s only", l.since.UTC().Format(time.RFC3339))
	case !l.ends.After(now.Add(-network.MaxClockError)):
		return fmt.Errorf("it ended on %s", l.ends.UTC().Format(time.RFC3339))
	}
	if bytes.Equal(l.signedBy, issuer.RawSubjectPublicKeyInfo) {
		return nil // found out before
	}
	if l.parsed == nil {
		return errors.New("it is signed by another key of the CA")
	}
	if err := l.parsed.CheckSignatureFrom(issuer); err != nil {
		return fmt.Errorf("it is not signed by the issuer of the certificate: %w", err)
	}
	l.signedBy, l.parsed = bytes.Clone(issuer.RawSubjectPublicKeyInfo), nil
	return nil
}

// askAgain is when the list is worth asking for again.
func (l *list) askAgain(now time.Time) time.Time {
	return now.Add(min(max(l.ends.Sub(now)/4, askAtLeast), askAtMost))
}

// of is what the list says of a certificate.
func (l *list) of(leaf *x509.Certificate) Answer {
	i, found := slices.BinarySearchFunc(l.entries, leaf.SerialNumber, func(e entry, serial *big.Int) int { return e.serial.Cmp(serial) })
	if !found {
		return Answer{}
	}
	e := l.entries[i]
	return Answer{Revoked: true, RevokedAt: e.at, Reason: reasonOf(e.reason)}
}

// reasonOf is a reason of RFC 5280 section 5.3.1 in our words.
func reasonOf(code int) plan.RevocationReason {
	words := map[int]plan.RevocationReason{
		1: plan.RevokeCompromise, 2: "cACompromise", 3: "affiliationChanged", 4: "superseded", 5: "cessationOfOperation",
		6: "certificateHold", 9: "privilegeWithdrawn", 10: "aACompromise",
	}
	return cmp.Or(words[code], "unspecified")
}
