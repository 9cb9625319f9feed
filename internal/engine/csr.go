package engine

import (
	"crypto/x509"

	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/plan"
)

// csrRequest takes over the administrator's signing request as it is.
func csrRequest(csr *config.CSR) (signing, error) {
	if csr.Problem != "" {
		return signing{}, &FaultError{Fault: newFault(plan.CodeCSR, plan.BlameAdmin, csr.Problem)}
	}
	parsed, err := x509.ParseCertificateRequest(csr.DER)
	if err == nil {
		err = parsed.CheckSignature()
	}
	if err != nil {
		return signing{}, &FaultError{Fault: newFault(plan.CodeCSR, plan.BlameAdmin, csr.File+": "+err.Error()), Err: err}
	}
	return signing{csr: csr.DER, public: parsed.PublicKey}, nil
}
