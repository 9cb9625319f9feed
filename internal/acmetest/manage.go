package acmetest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
)

// The paths of Pebble's management port.
const (
	pathRoots            = "/roots/"
	pathCertStatus       = "/cert-status-by-serial/"
	pathIntermediates    = "/intermediates/"
	pathIntermediateKeys = "/intermediate-keys/"
	pathSetRenewalInfo   = "/set-renewal-info/"
)

// managementURL is a page of Pebble's management port.
func (ca *CA) managementURL(path string) string { return "https://" + loopback(ca.manage) + path }

// IssuingRoots returns the roots that the CA's certificates lead to, in PEM:
// first that of the default chain, then those of the alternates. They change
// with every Restart.
func (ca *CA) IssuingRoots(ctx context.Context) ([][]byte, error) {
	var roots [][]byte
	for i := range ca.opts.AlternateRoots + 1 {
		root, err := ca.get(ctx, ca.managementURL(pathRoots+strconv.Itoa(i)))
		if err != nil {
			return nil, fmt.Errorf("fetch issuing root %d: %w", i, err)
		}
		roots = append(roots, root)
	}
	return roots, nil
}

// SetRenewalInfo makes the CA answer requests for a certificate's renewal
// information with response, which may be any text.
func (ca *CA) SetRenewalInfo(ctx context.Context, certPEM []byte, response string) error {
	body, err := json.Marshal(map[string]string{"Certificate": string(certPEM), "ARIResponse": response})
	if err != nil {
		return fmt.Errorf("encode renewal information: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, ca.managementURL(pathSetRenewalInfo), bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("set renewal information: %w", err)
	}
	if _, err := ca.do(req); err != nil {
		return fmt.Errorf("set renewal information: %w", err)
	}
	return nil
}

// CertStatus is what the CA says of a certificate.
type CertStatus struct {
	Status string // "Valid", "Revoked", or "" where the CA does not know it
	Reason *int   // RFC 5280 section 5.3.1; nil where none was given
}

// StatusBySerial asks the CA for a certificate; serial is in hex.
func (ca *CA) StatusBySerial(ctx context.Context, serial string) (CertStatus, error) {
	body, err := ca.get(ctx, ca.managementURL(pathCertStatus+serial))
	if refused, ok := errors.AsType[*StatusError](err); ok && refused.Code == http.StatusNotFound {
		return CertStatus{}, nil
	}
	if err != nil {
		return CertStatus{}, fmt.Errorf("ask for certificate %s: %w", serial, err)
	}
	var s CertStatus
	if err := json.Unmarshal(body, &s); err != nil {
		return CertStatus{}, fmt.Errorf("ask for certificate %s: %w", serial, err)
	}
	return s, nil
}
