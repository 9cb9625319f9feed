package fakeca_test

import (
	"crypto/x509"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/certkeep/certkeep/internal/chain"
	"github.com/certkeep/certkeep/internal/issuer"
	"github.com/certkeep/certkeep/internal/keys"
)

func TestIssue(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.register()
	names := []string{"a.example", "b.example", "192.0.2.1"}
	issued := w.mustIssue(a, names...)
	got := w.last()
	id, err := issued.Chain.CertID()
	if err != nil || got.CertID != id || got.SPKI != issued.Chain.SPKI() || got.Account != a.URL || got.Order != issued.Order.URL {
		t.Errorf("the CA's books say %+v; the certificate has the id %s (%v)", got, id, err)
	}
	if slices.Sort(names); !slices.Equal(got.Names, names) || string(got.Chain) != string(issued.Chain.PEM()) || !got.Fetched {
		t.Errorf("the CA's books say %v, fetched %v", got.Names, got.Fetched)
	}
	roots, inter := x509.NewCertPool(), x509.NewCertPool()
	roots.AppendCertsFromPEM(w.ca.RootPEM())
	inter.AddCert(issued.Chain.Certs[1])
	leaf := issued.Chain.Leaf()
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: inter, DNSName: "b.example"}); err != nil {
		t.Error(err)
	}
	if life := leaf.NotAfter.Sub(leaf.NotBefore); life != 90*day-time.Second {
		t.Errorf("lives %s", life)
	}
	if age := time.Since(leaf.NotBefore); age < time.Hour || age > time.Hour+time.Minute {
		t.Errorf("began %s ago, want an hour", age)
	}
	if asked := w.validated(); len(asked) != 3 || !slices.Contains(asked, "http-01 192.0.2.1") {
		t.Errorf("validated %v", asked)
	}
	w.wantBreaches(0)
}

// TestEveryKeyType has accounts and certificates of each.
func TestEveryKeyType(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, kind := range []keys.Type{keys.RSA2048, keys.ECDSAP256, keys.ECDSAP384, keys.ECDSAP521} {
		a, err := w.client.Register(t.Context(), issuer.Registration{Key: newKey(t, kind)})
		if err != nil {
			t.Fatal(err)
		}
		job, mine := w.job(a, "a.example"), newKey(t, kind)
		if job.CSR, err = issuer.CSR(mine, job.Names, "a.example", true); err != nil {
			t.Fatal(err)
		}
		job.Public = mine.Public()
		issued, err := w.client.Issue(t.Context(), job)
		if err != nil {
			t.Fatal(err)
		}
		if facts := issued.Chain.Facts(); facts.KeyType != kind || !facts.MustStaple {
			t.Errorf("certificate has %+v, want %s with must-staple", facts, kind)
		}
	}
}

// TestBubbles lets one CA serve several bubbles, with a year between.
func TestBubbles(t *testing.T) {
	w := newWorld(t)
	var a issuer.Account
	for year := range 3 {
		synctest.Test(t, func(t *testing.T) {
			time.Sleep(time.Duration(year) * 365 * day)
			w.t = t
			w.client = w.connect()
			if year == 0 {
				a = w.register()
			}
			issued := w.mustIssue(a, "a.example")
			names := chain.Names(issued.Chain.Leaf())
			if age := time.Since(w.last().At); len(names) != 1 || age < 0 || age > time.Second {
				t.Errorf("issued %s ago for %v", age, names)
			}
			w.client.Close()
		})
	}
	w.wantBreaches(0)
}
