package ocsp_test

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	wire "golang.org/x/crypto/ocsp"

	"github.com/certkeep/certkeep/internal/network"
	"github.com/certkeep/certkeep/internal/ocsp"
)

func TestCheckGood(t *testing.T) {
	root := newCA(t, nil, "root")
	ca := newCA(t, &root, "ca") // as public ones: not signed by itself
	leaf := newLeaf(t, ca, 5)
	signer := newSigner(t, ca, nil)
	withOwn, withSigner, open := fine(leaf), fine(leaf), fine(leaf)
	withOwn.Certificate, withSigner.Certificate = ca.cert, signer.cert
	open.NextUpdate = time.Time{}
	for name, der := range map[string][]byte{
		"by the CA":                    sign(t, ca, ca, fine(leaf)),
		"by the CA, with its own":      sign(t, ca, ca, withOwn),
		"by whom the CA named":         sign(t, ca, signer, withSigner),
		"without an end":               sign(t, ca, ca, open),
		"named by SHA-256":             sign(t, ca, ca, wire.Response{SerialNumber: leaf.SerialNumber, ThisUpdate: open.ThisUpdate, NextUpdate: withOwn.NextUpdate, IssuerHash: 5}),
		"begins in our clock's future": sign(t, ca, ca, wire.Response{SerialNumber: leaf.SerialNumber, ThisUpdate: time.Now().Add(4 * time.Minute), NextUpdate: withOwn.NextUpdate}),
	} {
		got, err := ocsp.Check(der, leaf, ca.cert, time.Now())
		if err != nil || got.Status != ocsp.Good || !bytes.Equal(got.DER, der) {
			t.Errorf("%s: %q, %v", name, got.Status, err)
		}
	}
}

func TestCheckRevokedAndUnknown(t *testing.T) {
	ca := newCA(t, nil, "ca")
	leaf := newLeaf(t, ca, 5)
	template := fine(leaf)
	template.Status, template.RevokedAt, template.RevocationReason = wire.Revoked, template.ThisUpdate.Add(-time.Hour), wire.KeyCompromise
	got, err := ocsp.Check(sign(t, ca, ca, template), leaf, ca.cert, time.Now())
	if err != nil || got.Status != ocsp.Revoked || got.Reason != "keyCompromise" || !got.RevokedAt.Equal(template.RevokedAt) {
		t.Errorf("revoked: %+v, %v", got, err)
	}
	template.RevocationReason = 99
	if got, err = ocsp.Check(sign(t, ca, ca, template), leaf, ca.cert, time.Now()); err != nil || got.Reason != "reason 99" {
		t.Errorf("revoked for a reason that nobody knows: %q, %v", got.Reason, err)
	}
	template = fine(leaf)
	template.Status = wire.Unknown
	if got, err = ocsp.Check(sign(t, ca, ca, template), leaf, ca.cert, time.Now()); err != nil || got.Status != ocsp.Unknown {
		t.Errorf("unknown: %+v, %v", got, err)
	}
}

// TestCheckSigners: whoever else the CA has certified may say nothing.
func TestCheckSigners(t *testing.T) {
	ca, stranger := newCA(t, nil, "ca"), newCA(t, nil, "ca")
	leaf := newLeaf(t, ca, 5)
	renamed := *ca.cert // the CA's key under another name
	renamed.RawSubject = newCA(t, nil, "other").cert.RawSubject
	for name, signer := range map[string]pair{
		"a stranger of the same name": stranger,
		"a certificate for a server":  newSigner(t, ca, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }),
		"a certificate for anything":  newSigner(t, ca, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageAny} }),
		"a certificate for nothing":   newSigner(t, ca, func(c *x509.Certificate) { c.ExtKeyUsage = nil }),
		"a key that may not sign":     newSigner(t, ca, func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyEncipherment }),
		"a responder of yesterday":    newSigner(t, ca, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Hour) }),
		"a responder of tomorrow": newSigner(t, ca, func(c *x509.Certificate) {
			c.NotBefore, c.NotAfter = time.Now().Add(time.Hour), time.Now().Add(2*time.Hour)
		}),
		"a responder of a stranger":   newSigner(t, stranger, nil),
		"a responder of another name": newSigner(t, pair{&renamed, ca.key}, nil),
		"a responder with conditions": newSigner(t, ca, func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{{Id: []int{1, 3, 6, 1, 4, 1, 99999, 1}, Critical: true, Value: []byte{5, 0}}}
		}),
	} {
		template := fine(leaf)
		if _, err := ocsp.Check(sign(t, ca, signer, template), leaf, ca.cert, time.Now()); !errors.Is(err, ocsp.ErrInvalid) {
			t.Errorf("%s, whose certificate is not there: %v", name, err)
		}
		template.Certificate = signer.cert
		if _, err := ocsp.Check(sign(t, ca, signer, template), leaf, ca.cert, time.Now()); !errors.Is(err, ocsp.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
		template.Certificate = ca.cert // who signed it is another one than is shown
		if _, err := ocsp.Check(sign(t, ca, signer, template), leaf, ca.cert, time.Now()); !errors.Is(err, ocsp.ErrInvalid) {
			t.Errorf("%s, with the CA's certificate: %v", name, err)
		}
	}
}

// TestCheckWeakSignature: SHA-1 can be made to fit something else.
func TestCheckWeakSignature(t *testing.T) {
	ca := newCA(t, nil, "ca")
	leaf, signer := newLeaf(t, ca, 5), newSigner(t, ca, nil)
	for name, by := range map[string]pair{"the CA": ca, "a responder": signer} {
		template := fine(leaf)
		template.SignatureAlgorithm = x509.ECDSAWithSHA1
		if by.cert != ca.cert {
			template.Certificate = by.cert
		}
		if _, err := ocsp.Check(sign(t, ca, by, template), leaf, ca.cert, time.Now()); !errors.Is(err, ocsp.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCheckOthers(t *testing.T) {
	ca, other := newCA(t, nil, "ca"), newCA(t, nil, "other")
	leaf := newLeaf(t, ca, 5)
	if _, err := ocsp.Check(sign(t, ca, ca, fine(newLeaf(t, ca, 6))), leaf, ca.cert, time.Now()); !errors.Is(err, ocsp.ErrOther) {
		t.Errorf("another serial: %v", err)
	}
	// The signature is that of our CA, what it says is about another one's.
	if _, err := ocsp.Check(sign(t, other, ca, fine(leaf)), leaf, ca.cert, time.Now()); !errors.Is(err, ocsp.ErrOther) {
		t.Errorf("another CA: %v", err)
	}
	renamed := other
	twin := *ca.cert
	twin.RawSubject = other.cert.RawSubject
	renamed.cert = &twin
	if _, err := ocsp.Check(sign(t, renamed, ca, fine(leaf)), leaf, ca.cert, time.Now()); !errors.Is(err, ocsp.ErrOther) {
		t.Errorf("the CA's key under another name: %v", err)
	}
}

func TestCheckTimes(t *testing.T) {
	ca := newCA(t, nil, "ca")
	leaf := newLeaf(t, ca, 5)
	this := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	next := this.Add(4 * 24 * time.Hour)
	holds := sign(t, ca, ca, wire.Response{SerialNumber: leaf.SerialNumber, ThisUpdate: this, NextUpdate: next})
	open := sign(t, ca, ca, wire.Response{SerialNumber: leaf.SerialNumber, ThisUpdate: this})
	reversed := sign(t, ca, ca, wire.Response{SerialNumber: leaf.SerialNumber, ThisUpdate: next, NextUpdate: this})
	for _, test := range []struct {
		name string
		der  []byte
		now  time.Time
		want error
	}{
		{"before", holds, this.Add(-network.MaxClockError - time.Minute), ocsp.ErrNotYet},
		{"just before", holds, this.Add(-network.MaxClockError), nil},
		{"at its last", holds, next.Add(-time.Nanosecond), nil},
		{"at its end", holds, next, ocsp.ErrExpired},
		{"open, within a day", open, this.Add(23 * time.Hour), nil},
		{"open, after a day", open, this.Add(24 * time.Hour), ocsp.ErrExpired},
		{"reversed", reversed, this.Add(time.Hour), ocsp.ErrInvalid},
	} {
		if _, err := ocsp.Check(test.der, leaf, ca.cert, test.now); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", test.name, err, test.want)
		}
	}
}

func TestCheckMalformed(t *testing.T) {
	ca := newCA(t, nil, "ca")
	leaf := newLeaf(t, ca, 5)
	whole := sign(t, ca, ca, fine(leaf))
	for n := range whole {
		if _, err := ocsp.Check(whole[:n], leaf, ca.cert, time.Now()); !errors.Is(err, ocsp.ErrInvalid) {
			t.Fatalf("the first %d bytes: %v", n, err)
		}
	}
	if _, err := ocsp.Check(append(bytes.Clone(whole), 0), leaf, ca.cert, time.Now()); !errors.Is(err, ocsp.ErrInvalid) {
		t.Errorf("one byte more: %v", err)
	}
	for n := range whole { // each byte counts
		broken := bytes.Clone(whole)
		broken[n] ^= 0x10
		if got, err := ocsp.Check(broken, leaf, ca.cert, time.Now()); err == nil {
			t.Errorf("byte %d of %d is another one: %+v", n, len(whole), got)
		}
	}
	_, err := ocsp.Check(wire.UnauthorizedErrorResponse, leaf, ca.cert, time.Now())
	if _, refused := errors.AsType[ocsp.Refusal](err); !refused {
		t.Errorf("unauthorized: %v", err)
	}
}

// TestAskAgain: half-way, and for what came late, half of the rest.
func TestAskAgain(t *testing.T) {
	ca := newCA(t, nil, "ca")
	leaf := newLeaf(t, ca, 5)
	this := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		days       int // from this to next; 0 where there is no next
		after      time.Duration
		wantedFrom time.Duration // from this
	}{
		{4, 0, 48 * time.Hour},
		{4, 47 * time.Hour, 48 * time.Hour},
		{4, 48 * time.Hour, 72 * time.Hour},
		{4, 90 * time.Hour, 93 * time.Hour},
		{4, 96*time.Hour - time.Minute, 96*time.Hour + 4*time.Minute},
		{0, 0, 12 * time.Hour},
	} {
		template := wire.Response{SerialNumber: big.NewInt(5), ThisUpdate: this}
		if test.days > 0 {
			template.NextUpdate = this.AddDate(0, 0, test.days)
		}
		got, err := ocsp.Check(sign(t, ca, ca, template), leaf, ca.cert, this.Add(test.after))
		if err != nil || got.AskAgain.Sub(this) != test.wantedFrom {
			t.Errorf("%d days, received after %s: again after %s, want %s (%v)", test.days, test.after, got.AskAgain.Sub(this), test.wantedFrom, err)
		}
	}
}

// TestTryLater: what is stapled where there is nothing claims nothing.
func TestTryLater(t *testing.T) {
	ca := newCA(t, nil, "ca")
	_, err := ocsp.Check(ocsp.TryLater(), newLeaf(t, ca, 5), ca.cert, time.Now())
	if _, refused := errors.AsType[ocsp.Refusal](err); !refused || !strings.Contains(err.Error(), "try later") {
		t.Errorf("it says %v", err)
	}
}
