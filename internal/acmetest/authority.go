package acmetest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// authority is the small CA behind the HTTPS of the test CA's own ports.
type authority struct {
	rootPEM           []byte
	pool              *x509.CertPool
	server            tls.Certificate
	certFile, keyFile string // the server's, for Pebble
}

// newAuthority makes a root and a certificate for 127.0.0.1 and localhost.
func newAuthority(dir string) (*authority, error) {
	root, rootKey, err := makeCert(&x509.Certificate{
		Subject: pkix.Name{CommonName: "Certkeep test: root of the CA's HTTPS"},
		IsCA:    true, KeyUsage: x509.KeyUsageCertSign,
	}, nil, nil)
	if err != nil {
		return nil, err
	}
	leaf, leafKey, err := makeCert(&x509.Certificate{
		Subject:     pkix.Name{CommonName: "Certkeep test: the CA's HTTPS"},
		DNSNames:    []string{"localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, root, rootKey)
	if err != nil {
		return nil, err
	}
	a := &authority{
		rootPEM:  pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.Raw}),
		pool:     x509.NewCertPool(),
		server:   tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: leafKey, Leaf: leaf},
		certFile: filepath.Join(dir, "https.pem"),
		keyFile:  filepath.Join(dir, "https.key"),
	}
	a.pool.AddCert(root)
	return a, a.write(leaf, leafKey)
}

// write puts the server's certificate and key where Pebble reads them.
func (a *authority) write(leaf *x509.Certificate, key *ecdsa.PrivateKey) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("encode the CA's HTTPS key: %w", err)
	}
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	if err := os.WriteFile(a.keyFile, keyPEM, 0o600); err != nil {
		return fmt.Errorf("write the CA's HTTPS key: %w", err)
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf.Raw})
	if err := os.WriteFile(a.certFile, certPEM, 0o600); err != nil {
		return fmt.Errorf("write the CA's HTTPS certificate: %w", err)
	}
	return nil
}

// makeCert makes a key and a certificate; without a parent it signs itself.
func makeCert(template, parent *x509.Certificate, parentKey *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("make a key for the CA's HTTPS: %w", err)
	}
	template.NotBefore = time.Now().Add(-time.Hour)
	template.NotAfter = time.Now().Add(24 * time.Hour)
	template.BasicConstraintsValid = true
	if parent == nil {
		parent, parentKey = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), parentKey)
	if err != nil {
		return nil, nil, fmt.Errorf("make a certificate for the CA's HTTPS: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, nil, fmt.Errorf("read back the CA's HTTPS certificate: %w", err)
	}
	return cert, key, nil
}

// client trusts the authority.
func (a *authority) client() *http.Client {
	return &http.Client{
		Timeout: 30 * time.Second,
		Transport: &http.Transport{
			TLSClientConfig:     &tls.Config{RootCAs: a.pool, MinVersion: tls.VersionTLS12},
			MaxIdleConnsPerHost: 64,
		},
	}
}
