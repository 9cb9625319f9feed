package config

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"

	"github.com/certkeep/certkeep/internal/keys"
	"github.com/certkeep/certkeep/internal/plan"
)

// maxCSR bounds what is read as a signing request, in bytes.
const maxCSR = 64 << 10

// finishCSR reads the signing request, which says what names and key the
// certificate has. One that cannot be read is that certificate's problem
// alone: a warning here, and a Problem later.
func finishCSR(r *reader, n *node, c *Certificate) {
	for _, k := range []string{"common_name", "key_types", "must_staple"} {
		if p := n.get(k); p != nil {
			r.out.add(p.at, fmt.Sprintf("certificate %q has both csr and %s", c.Name, k), "the csr decides that; remove it")
		}
	}
	c.MustStaple, c.CommonName = false, ""
	if len(c.KeyTypes) > 1 {
		c.KeyTypes = c.KeyTypes[:1]
	}
	if c.CSR.File == "" {
		return // reported already
	}
	if r.out.alone {
		if c.CSR.Problem = "it was not read"; c.Names == nil {
			c.Names = []string{}
		}
		return
	}
	request, keyType, err := readCSR(c.CSR.File)
	if err != nil {
		c.CSR.Problem = err.Error()
		r.out.warn(n.placeOf("csr"), fmt.Sprintf("certificate %q cannot be ordered: %v", c.Name, err), "")
		if c.Names == nil {
			c.Names = []string{}
		}
		return
	}
	sum := sha256.Sum256(request.Raw)
	c.CSR.DER, c.CSR.SHA256 = request.Raw, hex.EncodeToString(sum[:])
	c.KeyTypes = []keys.Type{keyType}
	names, wrong := namesIn(request)
	switch {
	case wrong != "":
		r.out.add(n.placeOf("csr"), fmt.Sprintf("the signing request %s: %s", c.CSR.File, wrong), "make a new one")
	case !n.has("names"):
		c.Names = names
	case !slices.Equal(plan.Sorted(names), plan.Sorted(c.Names)):
		r.out.add(n.placeOf("names"), fmt.Sprintf("the names differ from those in %s", c.CSR.File), fmt.Sprintf("leave names out, or write %s", renderFlow(showNames(names))))
	}
	c.CommonName = request.Subject.CommonName
}

// readCSR reads a PKCS#10 request in PEM or DER.
func readCSR(path string) (*x509.CertificateRequest, keys.Type, error) {
	data, err := readBounded(path, maxCSR)
	if err != nil {
		return nil, "", err
	}
	if bytes.Contains(data, []byte("-----BEGIN")) {
		block, _ := pem.Decode(data)
		if block == nil || block.Type != "CERTIFICATE REQUEST" && block.Type != "NEW CERTIFICATE REQUEST" {
			return nil, "", fmt.Errorf("read %s: no PEM block of a certificate request", path)
		}
		data = block.Bytes
	}
	request, err := x509.ParseCertificateRequest(data)
	if err != nil {
		return nil, "", fmt.Errorf("read %s: %w", path, err)
	}
	if err := request.CheckSignature(); err != nil {
		return nil, "", fmt.Errorf("read %s: its signature is wrong: %w", path, err)
	}
	keyType, err := keys.TypeOf(request.PublicKey)
	if err != nil {
		return nil, "", fmt.Errorf("read %s: %w", path, err)
	}
	return request, keyType, nil
}

// namesIn lists the names of a request in their canonical form. Its common name is
// one of them where it is a DNS name, as CAs take it (RFC 8555 section 7.4); else
// it may be anything, and stands for nothing.
func namesIn(request *x509.CertificateRequest) (names []string, wrong string) {
	raw := request.DNSNames
	for _, ip := range request.IPAddresses {
		raw = append(raw, ip.String())
	}
	for _, one := range raw {
		name, wrong, _ := checkName(one)
		if wrong != "" {
			return nil, wrong
		}
		names = append(names, name)
	}
	if cn := request.Subject.CommonName; strings.Contains(cn, ".") && !isIP(cn) {
		if name, wrong, _ := checkName(cn); wrong == "" && !slices.Contains(names, name) {
			names = slices.Insert(names, 0, name)
		}
	}
	if len(names) == 0 {
		return nil, "it asks for no DNS name or IP address"
	}
	return names, ""
}
