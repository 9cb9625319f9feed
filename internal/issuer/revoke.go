package issuer

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/mholt/acmez/v3/acme"

	"github.com/certkeep/certkeep/internal/plan"
)

// The reasons for a revocation that ACME CAs accept, RFC 5280 section 5.3.1.
const (
	ReasonUnspecified          = acme.ReasonUnspecified
	ReasonKeyCompromise        = acme.ReasonKeyCompromise
	ReasonSuperseded           = acme.ReasonSuperseded
	ReasonCessationOfOperation = acme.ReasonCessationOfOperation
)

// Revocation asks for the end of a certificate (RFC 8555 section 7.6). It is
// signed by Key, the certificate's own, or where that is nil by the account.
type Revocation struct {
	Account     Account
	Certificate *x509.Certificate
	Key         crypto.Signer
	Reason      int
}

// Revoke revokes a certificate. One that is revoked already is no error, so
// that a caller whose answer was lost may ask again.
func (ca *CA) Revoke(ctx context.Context, r Revocation) error {
	op := fmt.Sprintf("revoke certificate %x", r.Certificate.SerialNumber)
	dir, err := ca.directory(ctx)
	if err != nil {
		return err
	}
	if dir.RevokeCert == "" {
		return ca.fault(op, plan.CodeRejected, plan.BlameCA, errors.New("the CA does not offer it"))
	}
	send := func(ctx context.Context, c *acme.Client) error {
		if err := c.RevokeCertificate(ctx, r.Account.acme(), r.Certificate, r.Key, r.Reason); err != nil {
			return err
		}
		// A success says nothing but its status, as the page of whoever stands in
		// between may too. That of a CA has a nonce (RFC 8555 section 6.5).
		if recordOf(ctx).last.header.Get("Replay-Nonce") == "" {
			return errNoNonce
		}
		return nil
	}
	if r.Key != nil {
		_, err = ca.do(ctx, op, send)
	} else {
		_, err = ca.signed(ctx, r.Account, op, send)
	}
	if e, ok := errors.AsType[*Error](err); ok && e.Type == acme.ProblemTypeAlreadyRevoked {
		return nil
	}
	return err
}
