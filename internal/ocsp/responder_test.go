package ocsp_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	wire "golang.org/x/crypto/ocsp"
)

// pair is a certificate and its key.
type pair struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// issue makes a certificate for a new key, signed by the CA by, or by itself.
func issue(t testing.TB, by *pair, template x509.Certificate) pair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if template.NotAfter.IsZero() {
		template.NotBefore, template.NotAfter = time.Now().Add(-24*time.Hour), time.Now().Add(90*24*time.Hour)
	}
	if by == nil {
		by = &pair{&template, key}
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, by.cert, key.Public(), by.key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return pair{cert, key}
}

func newCA(t testing.TB, by *pair, name string) pair {
	return issue(t, by, x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	})
}

func newLeaf(t testing.TB, ca pair, serial int64, responders ...string) *x509.Certificate {
	return issue(t, &ca, x509.Certificate{
		SerialNumber: big.NewInt(serial), DNSNames: []string{"www.example.test"}, OCSPServer: responders,
	}).cert
}

// newSigner makes a certificate for a responder that is not the CA.
func newSigner(t testing.TB, ca pair, change func(*x509.Certificate)) pair {
	template := x509.Certificate{
		SerialNumber: big.NewInt(77), Subject: pkix.Name{CommonName: "responder"},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning},
	}
	if change != nil {
		change(&template)
	}
	return issue(t, &ca, template)
}

// fine is a statement that a certificate is good, an hour old and valid for
// seven days.
func fine(leaf *x509.Certificate) wire.Response {
	this := time.Now().UTC().Truncate(time.Second).Add(-time.Hour)
	return wire.Response{SerialNumber: leaf.SerialNumber, ThisUpdate: this, NextUpdate: this.Add(7 * 24 * time.Hour)}
}

// sign makes a statement of ca, signed by signer.
func sign(t testing.TB, ca, signer pair, template wire.Response) []byte {
	t.Helper()
	der, err := wire.CreateResponse(ca.cert, signer.cert, template, signer.key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// responder answers questions, and notes them.
type responder struct {
	*httptest.Server
	asked  []string // methods
	header []http.Header
}

// newResponder starts a responder that hands each well-formed question to
// answer.
func newResponder(t testing.TB, answer http.HandlerFunc) *responder {
	r := &responder{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.asked, r.header = append(r.asked, req.Method), append(r.header, req.Header)
		der, err := question(req)
		if err == nil {
			_, err = wire.ParseRequest(der)
		}
		if err != nil {
			t.Errorf("%s %s: %v", req.Method, req.URL, err)
		}
		w.Header().Set("Content-Type", "application/ocsp-response")
		answer(w, req)
	}))
	t.Cleanup(r.Close)
	return r
}

// question reads a request as RFC 6960 appendix A.1 has it. It can be read
// again.
func question(req *http.Request) ([]byte, error) {
	if req.Method == http.MethodGet {
		text := req.URL.EscapedPath()
		text, err := url.QueryUnescape(text[strings.LastIndex(text, "/")+1:])
		if err != nil {
			return nil, err
		}
		return base64.StdEncoding.DecodeString(text)
	}
	der, err := io.ReadAll(req.Body)
	req.Body = io.NopCloser(bytes.NewReader(der))
	return der, err
}

// says answers with the same bytes every time.
func says(der []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.Write(der) }
}
