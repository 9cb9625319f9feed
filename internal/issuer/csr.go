package issuer

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/certkeep/certkeep/internal/keys"
)

// CSR makes a signing request (PKCS#10, DER) for key. Names are DNS names and
// IP addresses. The common name may be "" and must be one of names otherwise
// (RFC 8555 section 7.4); mustStaple asks for RFC 7633.
func CSR(key crypto.Signer, names []string, commonName string, mustStaple bool) ([]byte, error) {
	template := &x509.CertificateRequest{Subject: pkix.Name{CommonName: commonName}}
	for _, name := range names {
		if addr, err := netip.ParseAddr(name); err == nil {
			template.IPAddresses = append(template.IPAddresses, net.IP(addr.Unmap().AsSlice()))
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	if mustStaple {
		features, err := asn1.Marshal([]int{5}) // status_request
		if err != nil {
			return nil, fmt.Errorf("make a signing request: %w", err)
		}
		template.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 24}, Value: features}}
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, template, key)
	if err != nil {
		return nil, fmt.Errorf("make a signing request: %w", err)
	}
	return der, nil
}

// checkCSR refuses a request that is for another key. Whether it is signed by
// its own key was seen to where it came from: CSR tries its signatures, and an
// administrator's is tried when it is read.
func checkCSR(der []byte, pub crypto.PublicKey) error {
	csr, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return fmt.Errorf("read the signing request: %w", err)
	}
	want, err := keys.Fingerprint(pub)
	if err != nil {
		return err
	}
	have, err := keys.Fingerprint(csr.PublicKey)
	if err != nil {
		return err
	}
	if have != want {
		return errors.New("the signing request is for another key")
	}
	return nil
}
