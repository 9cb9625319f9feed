package fakeca_test

import (
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/certkeep/certkeep/internal/sim/fakeca"
)

// TestRevocationList: what was revoked stands in the list from the next one on,
// unless it is frozen, until it would have ended anyway.
func TestRevocationList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *fakeca.Options) { o.CRLLife = 4 * day })
		a := w.register()
		w.mustIssue(a, "a.example")
		w.mustIssue(a, "b.example")
		first := w.last()
		leaf, issuer := parsePair(t, first.Chain)
		if len(leaf.CRLDistributionPoints) != 1 || leaf.CRLDistributionPoints[0] != "http://ca.test/crl" {
			t.Fatalf("the certificate names the lists %q", leaf.CRLDistributionPoints)
		}
		w.wantListed(issuer, 0)
		w.ca.FreezeOCSP(time.Now().Add(time.Hour))
		if err := w.ca.RevokeQuietly(first.Serial); err != nil {
			t.Fatal(err)
		}
		w.wantListed(issuer, 0)
		time.Sleep(time.Hour)
		before := w.wantListed(issuer, 1)
		if got := before.RevokedCertificateEntries[0].SerialNumber; got.Cmp(leaf.SerialNumber) != 0 {
			t.Errorf("%x is listed, want %x", got, leaf.SerialNumber)
		}
		time.Sleep(day)
		if after := w.wantListed(issuer, 1); after.Number.Cmp(before.Number) != 1 || !after.NextUpdate.After(before.NextUpdate) {
			t.Errorf("list %s until %s follows %s until %s", after.Number, after.NextUpdate, before.Number, before.NextUpdate)
		}
		time.Sleep(90 * day)
		w.wantListed(issuer, 0)
	})
}

// wantListed fetches the list and wants it to be signed, and of n certificates.
func (w *world) wantListed(issuer *x509.Certificate, n int) *x509.RevocationList {
	w.t.Helper()
	answer := httptest.NewRecorder()
	w.ca.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "http://ca.test/crl", nil))
	list, err := x509.ParseRevocationList(answer.Body.Bytes())
	if err != nil {
		w.t.Fatalf("status %d: %v", answer.Code, err)
	}
	if err := list.CheckSignatureFrom(issuer); err != nil || len(list.RevokedCertificateEntries) != n {
		w.t.Errorf("%d certificates are listed, want %d; %v", len(list.RevokedCertificateEntries), n, err)
	}
	return list
}

func parsePair(t *testing.T, chain []byte) (leaf, issuer *x509.Certificate) {
	t.Helper()
	var all []*x509.Certificate
	for block, rest := pem.Decode(chain); block != nil; block, rest = pem.Decode(rest) {
		one, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, one)
	}
	if len(all) != 2 {
		t.Fatalf("the chain has %d certificates", len(all))
	}
	return all[0], all[1]
}
