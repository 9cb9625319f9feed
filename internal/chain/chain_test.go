package chain_test

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/chain"
	"github.com/certkeep/certkeep/internal/keys"
)

// rfc9773Example is the certificate of RFC 9773 appendix A.
const rfc9773Example = `-----BEGIN CERTIFICATE-----
MIIBQzCB66ADAgECAgUAh2VDITAKBggqhkjOPQQDAjAVMRMwEQYDVQQDEwpFeGFt
cGxlIENBMCIYDzAwMDEwMTAxMDAwMDAwWhgPMDAwMTAxMDEwMDAwMDBaMBYxFDAS
BgNVBAMTC2V4YW1wbGUuY29tMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEeBZu
7cbpAYNXZLbbh8rNIzuOoqOOtmxA1v7cRm//AwyMwWxyHz4zfwmBhcSrf47NUAFf
qzLQ2PPQxdTXREYEnKMjMCEwHwYDVR0jBBgwFoAUaYhba4dGQEHhs3uEe6CuLN4B
yNQwCgYIKoZIzj0EAwIDRwAwRAIge09+S5TZAlw5tgtiVvuERV6cT4mfutXIlwTb
+FYN/8oCIClDsqBklhB9KAelFiYt9+6FDj3z4KGVelYM5MdsO3pK
-----END CERTIFICATE-----
`

func parse(t testing.TB, text []byte) chain.Chain {
	t.Helper()
	c, err := chain.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCertIDOfTheRFC(t *testing.T) {
	id, err := parse(t, []byte(rfc9773Example)).CertID()
	if want := "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE"; id != want || err != nil {
		t.Errorf("CertID = %q, %v, want %q", id, err, want)
	}
}

// TestCertIDSerials looks at the sign byte: serials are DER integers.
func TestCertIDSerials(t *testing.T) {
	ca := newAuthority(t, "CA", nil)
	key := newKey(t, keys.ECDSAP256)
	for serial, want := range map[int64]string{
		0x7f:       "fw",     // 7f
		0x80:       "AIA",    // 00 80
		0x1122:     "ESI",    // 11 22
		0xffee:     "AP_u",   // 00 ff ee
		0x00876543: "AIdlQw", // 00 87 65 43
	} {
		c := chain.Chain{Certs: []*x509.Certificate{sign(t, leaf(serial, "a.test"), key.Public(), ca, nil)}}
		id, err := c.CertID()
		if err != nil || !strings.HasSuffix(id, "."+want) {
			t.Errorf("serial %x: %q, %v, want …%s", serial, id, err, want)
		}
	}
	zero := &x509.Certificate{SerialNumber: new(big.Int), AuthorityKeyId: []byte{1}}
	if id, err := (chain.Chain{Certs: []*x509.Certificate{zero}}).CertID(); id != "AQ.AA" || err != nil {
		t.Errorf("serial 0: %q, %v", id, err)
	}
	alone := sign(t, leaf(1, "a.test"), key.Public(), nil, key)
	if id, err := (chain.Chain{Certs: []*x509.Certificate{alone}}).CertID(); err == nil {
		t.Errorf("without authority key identifier: %q", id)
	}
}

func TestFacts(t *testing.T) {
	ca := newAuthority(t, "Test CA", nil)
	key := newKey(t, keys.ECDSAP384)
	template := leaf(0x80ab, "B.test", "*.a.test", "2001:db8:0::1", "192.0.2.7")
	template.Subject.CommonName = "b.test"
	template.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 24}, Value: []byte{0x30, 3, 2, 1, 5}}}
	c := parse(t, encode(sign(t, template, key.Public(), ca, nil), ca.cert))
	f := c.Facts()
	if want := []string{"*.a.test", "192.0.2.7", "2001:db8::1", "b.test"}; !slices.Equal(f.Names, want) {
		t.Errorf("Names = %q, want %q", f.Names, want)
	}
	spki, err := keys.Fingerprint(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	for what, ok := range map[string]bool{
		"CommonName": f.CommonName == "b.test",
		"validity":   f.NotBefore.Equal(template.NotBefore) && f.NotAfter.Equal(template.NotAfter) && f.NotAfter.Location() == time.UTC,
		"Serial":     f.Serial == "0080ab",
		"SHA256":     len(f.SHA256) == 64,
		"SPKI":       f.SPKI == spki && c.SPKI() == spki,
		"CertID":     strings.HasSuffix(f.CertID, ".AICr"),
		"CA":         f.CA == "Test CA",
		"KeyType":    f.KeyType == keys.ECDSAP384,
		"MustStaple": f.MustStaple,
	} {
		if !ok {
			t.Errorf("%s is wrong in %+v", what, f)
		}
	}
	if plain := parse(t, []byte(rfc9773Example)).Facts(); plain.MustStaple || plain.Names == nil || len(plain.Names) != 0 {
		t.Errorf("facts of the RFC's example: %+v", plain)
	}
}

func TestPEM(t *testing.T) {
	ca := newAuthority(t, "CA", nil)
	one := sign(t, leaf(1, "a.test"), newKey(t, keys.ECDSAP256).Public(), ca, nil)
	c := parse(t, encode(one, ca.cert))
	if !bytes.Equal(c.PEM(), encode(one, ca.cert)) || !bytes.Equal(c.LeafPEM(), encode(one)) || !bytes.Equal(c.RestPEM(), encode(ca.cert)) {
		t.Error("PEM, LeafPEM and RestPEM do not give back what was parsed")
	}
	if rest := parse(t, encode(one)).RestPEM(); len(rest) != 0 {
		t.Errorf("RestPEM of a lone leaf = %q", rest)
	}
}

func TestParseAccepts(t *testing.T) {
	cert := rfc9773Example
	for name, text := range map[string]string{
		"one":           cert,
		"two":           cert + cert,
		"ten":           strings.Repeat(cert, 10),
		"blank lines":   "\n\n" + cert + "\r\n \n" + cert + "\n\n",
		"CRLF":          strings.ReplaceAll(cert, "\n", "\r\n"),
		"no last break": strings.TrimSpace(cert),
	} {
		if _, err := chain.Parse([]byte(text)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	cert := rfc9773Example
	damaged := strings.Replace(cert, "MIIB", "MI!B", 1)
	for name, test := range map[string]struct{ text, want string }{
		"empty":            {" \n", "it is empty"},
		"HTML":             {"<html>busy</html>", "certificate 1: found text that is no PEM"},
		"text behind":      {cert + "busy", "certificate 2: found text that is no PEM"},
		"text in front":    {"subject=x\n" + cert, "certificate 1: found text"},
		"key":              {cert + "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", `certificate 2: found a PEM block of type "PRIVATE KEY"`},
		"cut off":          {cert[:len(cert)-40], "damaged or cut off"},
		"damaged, then ok": {damaged + cert, "certificate 1: the PEM block is damaged"},
		"no certificate":   {"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "certificate 1: x509"},
		"eleven":           {strings.Repeat(cert, 11), "more than 10"},
		"endless":          {cert + strings.Repeat("\n", 64<<10), "too many"},
	} {
		if _, err := chain.Parse([]byte(test.text)); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want an error with %q", name, err, test.want)
		}
	}
}

func TestCheck(t *testing.T) {
	root := newAuthority(t, "root", nil)
	middle := newAuthority(t, "middle", root)
	other := newAuthority(t, "middle", root) // same name, another key
	key := newKey(t, keys.ECDSAP256)
	end := sign(t, leaf(7, "Example.test", "*.w.test", "192.0.2.7", "2001:db8::1"), key.Public(), middle, nil)
	good := chain.Chain{Certs: []*x509.Certificate{end, middle.cert, root.cert}}

	for _, names := range [][]string{nil, {"example.TEST"}, {"*.w.test", "example.test"}, {"192.0.2.7"}, {"::ffff:192.0.2.7"}, {"2001:DB8:0:0::1"}} {
		if err := good.Check(key.Public(), names); err != nil {
			t.Errorf("Check(%q) = %v", names, err)
		}
	}
	if err := (chain.Chain{Certs: good.Certs[:1]}).Check(key.Public(), nil); err != nil {
		t.Errorf("a leaf alone: %v", err)
	}

	_, ok := errors.AsType[*chain.KeyError](good.Check(newKey(t, keys.ECDSAP256).Public(), nil))
	if !ok {
		t.Error("another key: no KeyError")
	}
	asked := []string{"a.w.test", "example.test", "192.0.2.8", "w.test"}
	missing, ok := errors.AsType[*chain.NamesError](good.Check(key.Public(), asked))
	if want := []string{"a.w.test", "192.0.2.8", "w.test"}; !ok || !slices.Equal(missing.Missing, want) {
		t.Errorf("missing names: %v, want %q", missing, want)
	}
	for name, certs := range map[string][]*x509.Certificate{
		"another signer":  {end, other.cert, root.cert},
		"middle left out": {end, root.cert},
		"wrong order":     {end, root.cert, middle.cert},
		"leaf as signer":  {end, end},
	} {
		broken := chain.Chain{Certs: certs}
		if _, ok := errors.AsType[*chain.LinkError](broken.Check(key.Public(), nil)); !ok {
			t.Errorf("%s: no LinkError", name)
		}
		if _, ok := errors.AsType[*chain.LinkError](broken.Leads()); !ok {
			t.Errorf("%s: it leads on", name)
		}
	}
	if err := good.Leads(); err != nil {
		t.Error(err)
	}
}

func TestSplit(t *testing.T) {
	root := newAuthority(t, "root", nil)
	end := sign(t, leaf(7, "example.test"), newKey(t, keys.ECDSAP256).Public(), root, nil)
	for _, c := range []chain.Chain{{Certs: []*x509.Certificate{end, root.cert}}, {Certs: []*x509.Certificate{end}}} {
		first, rest, err := chain.Split(append([]byte("\n"), c.PEM()...))
		if err != nil || !bytes.Equal(bytes.TrimSpace(first), bytes.TrimSpace(c.LeafPEM())) || !bytes.Equal(rest, bytes.TrimSpace(c.RestPEM())) {
			t.Errorf("Split = %q, %q, %v", first, rest, err)
		}
	}
	for _, text := range []string{"", "hello", "-----BEGIN CERTIFICATE-----\nAAA"} {
		if _, _, err := chain.Split([]byte(text)); err == nil {
			t.Errorf("Split(%q) gives no error", text)
		}
	}
}

func TestSelfSigned(t *testing.T) {
	now := time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
	long := strings.Repeat("a", 60) + ".example.test"
	for _, kind := range []keys.Type{keys.RSA2048, keys.ECDSAP256} {
		key := newKey(t, kind)
		names := []string{long, "example.test", "192.0.2.7"}
		text, err := chain.SelfSigned(key, names, now, 24*time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		c := parse(t, text)
		if err := c.Check(key.Public(), names); err != nil {
			t.Error(err)
		}
		f := c.Facts()
		if f.CommonName != "example.test" || !f.NotAfter.Equal(now.Add(24*time.Hour)) || !f.NotBefore.Before(now) || len(f.Serial) < 16 {
			t.Errorf("facts = %+v", f)
		}
		pool := x509.NewCertPool()
		pool.AddCert(c.Leaf())
		if _, err := c.Leaf().Verify(x509.VerifyOptions{DNSName: "example.test", Roots: pool, CurrentTime: now}); err != nil {
			t.Errorf("a client that trusts it: %v", err)
		}
		if got := c.Leaf().Subject.Organization; !slices.Equal(got, []string{chain.PlaceholderOrganization}) {
			t.Errorf("organization = %q", got)
		}
	}
}

// FuzzParse: what is parsed can be written and parsed again as the same, and
// gives facts without a panic.
func FuzzParse(f *testing.F) {
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := chain.Parse(text)
		if err != nil {
			return
		}
		if len(c.Certs) == 0 || len(c.Certs) > chain.MaxCertificates {
			t.Fatalf("%d certificates", len(c.Certs))
		}
		again, err := chain.Parse(c.PEM())
		if err != nil {
			t.Fatalf("its own PEM: %v", err)
		}
		if !slices.EqualFunc(c.Certs, again.Certs, (*x509.Certificate).Equal) {
			t.Fatal("another chain came back")
		}
		facts := c.Facts()
		err = c.Check(c.Leaf().PublicKey, facts.Names)
		if _, lacks := errors.AsType[*chain.NamesError](err); lacks {
			t.Fatalf("a certificate lacks its own names: %v", err)
		}
	})
}
