package issuer

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
)

// networkFault says why a request found no answer.
func networkFault(err error) (plan.Code, plan.Blame, error) {
	if tlsErr, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return tlsFault(tlsErr)
	}
	if header, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return plan.CodeNetwork, plan.BlameAdmin, fmt.Errorf("what answers there does not speak TLS: %w", header)
	}
	if lookup, ok := errors.AsType[*net.DNSError](err); ok {
		return plan.CodeNetwork, plan.BlameNetwork, fmt.Errorf("the CA's name cannot be resolved: %w", lookup)
	}
	switch {
	case errors.Is(err, errTooSlow):
		return plan.CodeNetwork, plan.BlameNetwork, err
	case errors.Is(err, errTooLong), errors.Is(err, errRedirect), errors.Is(err, errScheme), errors.Is(err, errNoNonce):
		return plan.CodeCAGarbage, plan.BlameCA, err
	case errors.Is(err, syscall.ECONNREFUSED):
		return plan.CodeNetwork, plan.BlameNetwork, fmt.Errorf("nobody answers at the CA's address: %w", err)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return plan.CodeNetwork, plan.BlameNetwork, fmt.Errorf("the CA does not answer: %w", err)
	}
	return plan.CodeNetwork, plan.BlameNetwork, err
}

// tlsFault says why the CA's own certificate is not believed. One that is
// valid at another time points at a wrong clock of ours: before TLS there is
// no Date that could tell.
func tlsFault(err *tls.CertificateVerificationError) (plan.Code, plan.Blame, error) {
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err.Err); ok {
		return plan.CodeNetwork, plan.BlameAdmin, fmt.Errorf(
			"the certificate of the CA's HTTPS is signed by nobody we trust (a private CA needs roots_file): %w", err)
	}
	invalid, ok := errors.AsType[x509.CertificateInvalidError](err.Err)
	if !ok || invalid.Reason != x509.Expired || invalid.Cert == nil {
		return plan.CodeNetwork, plan.BlameCA, fmt.Errorf("the certificate of the CA's HTTPS is not valid: %w", err)
	}
	now := time.Now()
	words := fmt.Errorf("the certificate of the CA's HTTPS is valid from %s to %s, and this machine's clock says %s",
		clockTime(invalid.Cert.NotBefore), clockTime(invalid.Cert.NotAfter), clockTime(now))
	const forgotten = 10 * 24 * time.Hour // a CA notices sooner than that
	if now.Before(invalid.Cert.NotBefore) || now.Sub(invalid.Cert.NotAfter) > forgotten {
		return plan.CodeClock, plan.BlameAdmin, words
	}
	return plan.CodeNetwork, plan.BlameCA, words
}
