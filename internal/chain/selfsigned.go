package chain

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"net"
	"time"
)

// PlaceholderOrganization stands in the subject of every certificate that
// SelfSigned makes, so that people and programs know it for what it is.
const PlaceholderOrganization = "Certkeep placeholder"

// SelfSigned makes a certificate for key that signs itself: what a service
// needs to start before a CA was asked. It covers names, which may be DNS
// names and IP addresses, from an hour before now (clocks differ) until life
// after now. The answer is PEM.
func SelfSigned(key crypto.Signer, names []string, now time.Time, life time.Duration) ([]byte, error) {
	template := &x509.Certificate{ // no serial: CreateCertificate draws a random one
		Subject:               pkix.Name{Organization: []string{PlaceholderOrganization}},
		NotBefore:             now.Add(-time.Hour),
		NotAfter:              now.Add(life),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
		if template.Subject.CommonName == "" && len(name) <= 64 { // RFC 5280: ub-common-name
			template.Subject.CommonName = name
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("make self-signed certificate: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), nil
}
