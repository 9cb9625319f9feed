package dane

import (
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Presented is what a server shows in a handshake.
type Presented struct {
	Chain []*x509.Certificate // as it came, the leaf first
	// Root is the certificate above the chain that a client has of its own,
	// or nil. It counts for PKIX-TA alone: for DANE-TA the authority must come
	// from the server or stand in the record (RFC 7671 section 5.2.2).
	Root *x509.Certificate
}

// linked is the part of the chain in which each certificate is signed by the
// next one: what leads to a matching authority must hold.
func (p Presented) linked() []*x509.Certificate {
	for i := 1; i < len(p.Chain); i++ {
		if p.Chain[i-1].CheckSignatureFrom(p.Chain[i]) != nil {
			return p.Chain[:i]
		}
	}
	return p.Chain
}

// Matches reports whether a usable record is about what is presented.
func (r Record) Matches(p Presented) bool {
	if len(p.Chain) == 0 || !r.Usable() {
		return false
	}
	if r.Usage.EndEntity() {
		return r.of(p.Chain[0])
	}
	chain := p.linked()
	if slices.ContainsFunc(chain[1:], r.of) {
		return true
	}
	top := chain[len(chain)-1]
	if r.Usage == PKIXTA {
		return p.Root != nil && r.of(p.Root) && top.CheckSignatureFrom(p.Root) == nil
	}
	return r.Matching == Full && slices.ContainsFunc(chain, r.signed)
}

// signed reports whether the authority that a record holds in full signed the
// certificate. Such an authority need not be presented (RFC 7671 sections
// 5.2.2 and 5.2.3).
func (r Record) signed(cert *x509.Certificate) bool {
	if r.Selector == Cert {
		authority, err := x509.ParseCertificate([]byte(r.data))
		return err == nil && cert.CheckSignatureFrom(authority) == nil
	}
	key, err := x509.ParsePKIXPublicKey([]byte(r.data))
	if err != nil {
		return false
	}
	bare := x509.Certificate{PublicKey: key}
	return bare.CheckSignature(cert.SignatureAlgorithm, cert.RawTBSCertificate, cert.Signature) == nil
}

// Needs returns the records of a want that a client would find in what is
// presented: one of each combination has to be in DNS, and long enough, before
// the chain is served where the others already are. They are fewer than Make
// has of it where the root is not presented.
func Needs(w Want, p Presented) (Set, error) {
	if len(p.Chain) == 0 {
		return nil, nil
	}
	m := Material{Leaves: p.Chain[:1], Authorities: p.Chain[1:]}
	if p.Root != nil {
		m.Authorities = append(slices.Clone(m.Authorities), p.Root)
	}
	set, err := Make(w, m)
	return slices.DeleteFunc(set, func(r Record) bool { return !r.Matches(p) }), err
}

// Missing returns the combinations of usage, selector and matching type that
// have usable records in the set, none of which matches. A chain with one is
// refused by some clients: by those that support no other combination, or
// prefer this digest to another (RFC 7671 sections 8.4 and 9). None: it may be
// served while clients may hold the set.
func (s Set) Missing(p Presented) []Params {
	var missing []Params
	for _, r := range s {
		if !r.Usable() || slices.Contains(missing, r.Params) {
			continue
		}
		if !slices.ContainsFunc(s, func(other Record) bool { return other.Params == r.Params && other.Matches(p) }) {
			missing = append(missing, r.Params)
		}
	}
	return missing
}

// What Check may find.
var (
	ErrUnusable = errors.New("there is no TLSA record that a client could use")
	ErrNoMatch  = errors.New("no TLSA record matches what is presented")
)

// Check says what a validator that supports every combination makes of a
// server at host: nil, ErrUnusable (to most it is as if there were no records),
// ErrNoMatch, or why x509 refuses name or time of a chain that matches with a
// usage that looks at them. Whether a chain that matches a PKIX usage leads to
// a root that clients trust is for the caller to say.
func (s Set) Check(p Presented, host string, now time.Time) error {
	usable := s.preferred()
	if len(usable) == 0 {
		return ErrUnusable
	}
	var refused error
	for _, r := range usable {
		if !r.Matches(p) {
			continue
		}
		if !r.Usage.LooksAtExpiry() {
			return nil
		}
		err := p.valid(host, now)
		if err == nil {
			return nil
		}
		refused = fmt.Errorf("the TLSA record %s matches, but: %w", r.Params, err)
	}
	if refused != nil {
		return refused
	}
	return ErrNoMatch
}

// preferred is the usable records without those whose usage and selector have
// a stronger digest: a validator passes them over (RFC 7671 section 9).
func (s Set) preferred() Set {
	var kept Set
	for _, r := range s {
		stronger := slices.ContainsFunc(s, func(other Record) bool {
			return r.Matching == SHA256 && other.Matching == SHA512 && other.Usage == r.Usage && other.Selector == r.Selector && other.Usable()
		})
		if r.Usable() && !stronger {
			kept = append(kept, r)
		}
	}
	return kept
}

// valid looks at the leaf's names, and at the time of all that is presented.
func (p Presented) valid(host string, now time.Time) error {
	for _, cert := range p.linked() {
		if now.Before(cert.NotBefore) || now.After(cert.NotAfter) {
			return x509.CertificateInvalidError{Cert: cert, Reason: x509.Expired, Detail: fmt.Sprintf("valid from %s to %s",
				cert.NotBefore.UTC().Format(time.RFC3339), cert.NotAfter.UTC().Format(time.RFC3339))}
		}
	}
	return p.Chain[0].VerifyHostname(host)
}
