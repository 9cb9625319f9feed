package chain

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"time"
)

// maxRoots bounds what ParseRoots looks at: a system's bundle has some 250 KiB.
const maxRoots = 4 << 20

// ParseRoots reads a PEM file of roots.
func ParseRoots(text []byte) (*x509.CertPool, error) {
	if len(text) > maxRoots {
		return nil, fmt.Errorf("read roots: %d bytes are too many (at most %d)", len(text), maxRoots)
	}
	pool, any := x509.NewCertPool(), false
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("read roots: %w", err)
		}
		pool.AddCert(cert)
		any = true
	}
	if !any {
		return nil, errors.New("read roots: there is no certificate")
	}
	return pool, nil
}

// Root finds the root that the chain leads to: the one that it ends in, else
// one of roots, at the end of the longest way there. It is nil where none
// fits. The clock is not looked at: the chain is judged at the instant when all
// of it was valid first.
func (c Chain) Root(roots *x509.CertPool) *x509.Certificate {
	last := c.Certs[len(c.Certs)-1]
	if len(c.Certs) > 1 && bytes.Equal(last.RawIssuer, last.RawSubject) && last.CheckSignatureFrom(last) == nil {
		return last
	}
	if roots == nil {
		return nil
	}
	between := x509.NewCertPool()
	var at time.Time
	for _, cert := range c.Certs {
		if cert.NotBefore.After(at) {
			at = cert.NotBefore
		}
	}
	for _, cert := range c.Certs[1:] {
		between.AddCert(cert)
	}
	ways, err := c.Leaf().Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: between, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	if err != nil {
		return nil
	}
	longest := ways[0]
	for _, way := range ways[1:] {
		if len(way) > len(longest) {
			longest = way
		}
	}
	return longest[len(longest)-1]
}

// RootPEM is a root as files hold it; nil of none.
func RootPEM(root *x509.Certificate) []byte {
	if root == nil {
		return nil
	}
	return encode([]*x509.Certificate{root})
}
