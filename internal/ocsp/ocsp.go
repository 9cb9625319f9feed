// Package ocsp obtains the statement of a CA that a certificate is not revoked
// (RFC 6960), so that a server can staple it.
//
// Client.Fetch asks the responders of a certificate, Check reads a statement
// that was stored. Both return a Response only where its signature, its times
// and the certificate that it speaks of were checked. What follows from a
// Response, whether it is stored and when it is asked for again, is decided
// elsewhere; Response.AskAgain is the instant that the responder's times give.
//
// Limits: statements signed with RSA-PSS, Ed25519 or anything over SHA-1 are
// refused, and of the certificates in a statement only the first is looked at.
package ocsp

import (
	"crypto/x509"
	"errors"
	"net/url"
	"strconv"
	"time"

	"golang.org/x/crypto/ocsp"

	"github.com/certkeep/certkeep/internal/plan"
)

// Status is what a CA says of a certificate.
type Status string

// The statuses (RFC 6960 section 2.2).
const (
	Good    Status = "good"
	Revoked Status = "revoked"
	Unknown Status = "unknown" // the responder does not know the certificate
)

// Response is a statement that was checked.
type Response struct {
	DER        []byte // as servers staple it
	Status     Status
	ThisUpdate time.Time // when the status was known to be so
	NextUpdate time.Time // when it ends; zero where the responder does not say
	RevokedAt  time.Time // where Status is Revoked
	Reason     string    // why it was revoked, such as "keyCompromise" (RFC 5280 section 5.3.1)
	AskAgain   time.Time // when a newer statement should be asked for
}

// What may be wrong with a statement. Each error of Check is one of these, or a
// Refusal.
var (
	// ErrInvalid says that a statement cannot be read, or that nobody signed
	// it who may.
	ErrInvalid = errors.New("invalid OCSP response")
	// ErrOther says that a statement is about another certificate.
	ErrOther = errors.New("the OCSP response is about another certificate")
	// ErrExpired says that a statement has ended.
	ErrExpired = errors.New("the OCSP response has expired")
	// ErrNotYet says that a statement begins in the future.
	ErrNotYet = errors.New("the OCSP response is not valid yet")
)

// Refusal says that a responder made no statement (RFC 6960 section 2.3).
// "unauthorized" is what those say that sign in advance (RFC 5019 section
// 2.2.3) of a certificate for which they have nothing, which is usual for some
// time after it was issued.
type Refusal struct{ status ocsp.ResponseStatus }

func (r Refusal) Error() string { return "the OCSP responder refuses: " + r.status.String() }

// TryLater is what a responder says that has no statement now (RFC 6960 section
// 4.2.1), in DER. Signed by nobody, it claims nothing; servers take it where a
// file with a response has to be, and clients pass over it.
func TryLater() []byte { return []byte{0x30, 0x03, 0x0a, 0x01, 0x03} }

// openEnd is how long a statement is believed that does not say when it ends.
// RFC 6960 section 4.2.2.1 says of it only that a newer one is always available.
const openEnd = 24 * time.Hour

// Ends is the instant from which the statement is not believed any more.
func (r Response) Ends() time.Time {
	if r.NextUpdate.IsZero() {
		return r.ThisUpdate.Add(openEnd)
	}
	return r.NextUpdate
}

// askAgain is when to ask for a newer statement: some time before this one ends,
// which is half-way through it unless somebody wishes otherwise, so that a
// responder may be away for the other half. Where HTTP says that the answer stays
// the same until fresh, asking sooner is in vain, but a quarter of the time is
// kept all the same. A statement that was received late, or is shorter than the
// wish, leaves half of what remains of it.
func (r Response) askAgain(now, fresh time.Time, before plan.Span) time.Time {
	const soonest = 5 * time.Minute
	life := r.Ends().Sub(r.ThisUpdate)
	if before.IsZero() {
		before = halfway()
	}
	left := before.Of(life)
	at := r.Ends().Add(-left)
	if fresh.After(at) {
		at = earlier(fresh, r.Ends().Add(-min(left, life/4)))
	}
	if !at.After(now) {
		at = now.Add(max(r.Ends().Sub(now)/2, soonest))
	}
	return at
}

// halfway has a newer statement asked for when half of the life is left.
func halfway() plan.Span { return plan.Span{Percent: 50} }

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// maxResponders bounds how many responders of one certificate are asked.
const maxResponders = 5

// Responders are the addresses that a certificate names for OCSP (RFC 5280
// section 4.2.2.1) and that can be asked by HTTP. There may be none: Let's
// Encrypt ended its responders in 2025.
func Responders(leaf *x509.Certificate) []string {
	var list []string
	for _, address := range leaf.OCSPServer {
		if _, err := parseAddress(address); err == nil && len(list) < maxResponders {
			list = append(list, address)
		}
	}
	return list
}

// parseAddress reads a responder's address.
func parseAddress(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, errors.New("the address of an OCSP responder begins with http:// or https://")
	}
	return u, nil
}

// reason names why a certificate was revoked (RFC 5280 section 5.3.1).
func reason(code int) string {
	name := map[int]string{
		ocsp.Unspecified:          "unspecified",
		ocsp.KeyCompromise:        "keyCompromise",
		ocsp.CACompromise:         "cACompromise",
		ocsp.AffiliationChanged:   "affiliationChanged",
		ocsp.Superseded:           "superseded",
		ocsp.CessationOfOperation: "cessationOfOperation",
		ocsp.CertificateHold:      "certificateHold",
		ocsp.RemoveFromCRL:        "removeFromCRL",
		ocsp.PrivilegeWithdrawn:   "privilegeWithdrawn",
		ocsp.AACompromise:         "aACompromise",
	}[code]
	if name == "" {
		return "reason " + strconv.Itoa(code)
	}
	return name
}
