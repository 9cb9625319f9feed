package issuer

import (
	"crypto/tls"
	"crypto/x509"
)

// trusting says whose certificate a CA's server has to show: one that leads to
// the roots, nil being the system's. Where the administrator gave that up,
// anybody's will do. What is signed by the account key (RFC 8555 section 6.2)
// stays so: an impostor can withhold certificates and hand out its own, but
// prove nobody's names.
func trusting(cfg Config, roots *x509.CertPool) *tls.Config {
	return &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12, InsecureSkipVerify: cfg.Unverified}
}
