package config

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/certkeep/certkeep/internal/keys"
)

// writeCSR makes a signing request of a new key.
func writeCSR(t *testing.T, path string, kind keys.Type, asPEM bool, request x509.CertificateRequest) []byte {
	t.Helper()
	key, err := keys.Generate(kind)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &request, key)
	if err != nil {
		t.Fatal(err)
	}
	data := der
	if asPEM {
		data = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return der
}

func TestCSR(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "www.csr")
	request := x509.CertificateRequest{
		Subject: pkix.Name{CommonName: "WWW.example"}, DNSNames: []string{"WWW.example", "example.org"}, IPAddresses: []net.IP{net.ParseIP("192.0.2.7")},
	}
	for _, asPEM := range []bool{true, false} {
		der := writeCSR(t, path, keys.ECDSAP384, asPEM, request)
		cfg := mustLoad(t, fmt.Sprintf(`
defaults: {key_types: [rsa-2048, rsa-4096], must_staple: true}
certificates:
  www: {csr: {file: %s, key_file: /k}, files: [{path: "/{key_type}.pem", content: [key, chain]}]}
  named: {csr: {file: %[1]s}, names: [example.org, 192.0.2.7, www.example]}
`, path))
		sum := sha256.Sum256(der)
		for _, name := range []string{"www", "named"} {
			c := cfg.Certificate(name)
			if got := plainSorted(c.Names); !slices.Equal(got, []string{"192.0.2.7", "example.org", "www.example"}) {
				t.Errorf("%s: names %q", name, got)
			}
			if !reflect.DeepEqual(c.KeyTypes, []keys.Type{keys.ECDSAP384}) || c.MustStaple || c.CommonName != "WWW.example" {
				t.Errorf("%s: %+v", name, c)
			}
			if c.CSR.Problem != "" || c.CSR.SHA256 != hex.EncodeToString(sum[:]) || !slices.Equal(c.CSR.DER, der) {
				t.Errorf("%s: %+v", name, c.CSR)
			}
			if w := cfg.wantedCert(c, rules{}); w.CSR != c.CSR.SHA256 || !slices.Equal(w.KeyTypes, []string{"ecdsa-p384"}) {
				t.Errorf("%s: wanted %+v", name, w)
			}
		}
		if got := cfg.Certificate("www").Files[0].Path; got != "/ecdsa-p384.pem" {
			t.Errorf("path %q", got)
		}
		if again := mustLoad(t, cfg.Show()); !reflect.DeepEqual(unmarked(again), unmarked(cfg)) {
			t.Errorf("Show does not load to the same:\n%s", cfg.Show())
		}
	}
}

func plainSorted(names []string) []string {
	sorted := slices.Clone(names)
	slices.Sort(sorted)
	return sorted
}

func unmarked(c *Config) *Config {
	other := *c
	other.marks = nil
	return &other
}

func TestCSRNamesDiffer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "www.csr")
	writeCSR(t, path, keys.ECDSAP256, true, x509.CertificateRequest{DNSNames: []string{"a.example"}})
	_, _, err := LoadBytes("c.yaml", fmt.Appendf(nil, "certificates:\n  www:\n    csr: {file: %s}\n    names: [a.example, b.example]\n", path))
	want := fmt.Sprintf("c.yaml:4:12: the names differ from those in %s; leave names out, or write [a.example]", path)
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	writeCSR(t, path, keys.ECDSAP256, true, x509.CertificateRequest{Subject: pkix.Name{CommonName: "Example"}})
	_, _, err = LoadBytes("c.yaml", fmt.Appendf(nil, "certificates: {www: {csr: {file: %s}}}", path))
	want = fmt.Sprintf("c.yaml:1:28: the signing request %s: it asks for no DNS name or IP address; make a new one", path)
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// A DNS name in the subject is one of the names, once; what else stands there is
// none.
func TestCSRCommonName(t *testing.T) {
	path := filepath.Join(t.TempDir(), "www.csr")
	for cn, want := range map[string][]string{
		"B.example":        {"b.example", "a.example"},
		"A.example":        {"a.example"},
		"192.0.2.7":        {"a.example"},
		"server":           {"a.example"},
		"Example Co. Ltd.": {"a.example"},
		"":                 {"a.example"},
	} {
		writeCSR(t, path, keys.ECDSAP256, true, x509.CertificateRequest{Subject: pkix.Name{CommonName: cn}, DNSNames: []string{"a.example"}})
		if got := mustLoad(t, fmt.Sprintf("certificates: {www: {csr: {file: %s}}}", path)).Certificate("www").Names; !slices.Equal(got, want) {
			t.Errorf("%q: names %q", cn, got)
		}
	}
	writeCSR(t, path, keys.ECDSAP256, true, x509.CertificateRequest{Subject: pkix.Name{CommonName: "a.example"}})
	if c := mustLoad(t, fmt.Sprintf("certificates: {www: {csr: {file: %s}}}", path)).Certificate("www"); !slices.Equal(c.Names, []string{"a.example"}) || c.CSR.Problem != "" {
		t.Errorf("alone: %+v", c)
	}
}

// A signing request that cannot be read is the problem of its certificate
// alone: the others load.
func TestCSRUnreadable(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "www.csr")
	for text, want := range map[string]string{
		"":    "read PATH: asn1: syntax error: sequence truncated",
		"xyz": "read PATH: ",
		"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n": "read PATH: no PEM block of a certificate request",
		"-----BEGIN CERTIFICATE REQUEST-----\n":                          "read PATH: no PEM block of a certificate request",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		cfg, warnings, err := LoadBytes("c.yaml", fmt.Appendf(nil, "certificates:\n  a.example:\n  www: {csr: {file: %s}}\n  x: {csr: {file: %[1]s}, names: [x.example]}\n", path))
		if err != nil || len(warnings) != 2 || cfg.Certificate("a.example") == nil {
			t.Fatalf("%q: %v %v", text, warnings, err)
		}
		problem := cfg.Certificate("www").CSR.Problem
		if !strings.HasPrefix(problem, strings.ReplaceAll(want, "PATH", path)) || !strings.Contains(warnings[0].Words, problem) {
			t.Errorf("%q: problem %q, warning %q", text, problem, warnings[0])
		}
		if again := mustLoad(t, cfg.Show()); !reflect.DeepEqual(unmarked(again), unmarked(cfg)) {
			t.Errorf("Show does not load to the same:\n%s", cfg.Show())
		}
	}
}
