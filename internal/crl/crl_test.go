package crl

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/network"
	"github.com/certkeep/certkeep/internal/plan"
)

// ca is a CA with a web server for its list.
type ca struct {
	t    *testing.T
	key  crypto.Signer
	cert *x509.Certificate
	web  *httptest.Server

	mu          sync.Mutex
	list        []byte
	etag        string
	status      int
	full, asked int // answers with a list, and questions
}

func newCA(t *testing.T, name string) *ca {
	t.Helper()
	c := &ca{t: t}
	var err error
	if c.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	c.cert = c.sign(&x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0),
	}, nil)
	c.web = httptest.NewServer(http.HandlerFunc(c.serve))
	t.Cleanup(c.web.Close)
	return c
}

func (c *ca) serve(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked++
	switch {
	case c.status != 0:
		w.Header().Set("Retry-After", "120")
		w.WriteHeader(c.status)
		return
	case c.etag != "" && r.Header.Get("If-None-Match") == c.etag:
		w.WriteHeader(http.StatusNotModified)
		return
	}
	c.full++
	w.Header().Set("ETag", c.etag)
	_, _ = w.Write(c.list)
}

func (c *ca) sign(template, parent *x509.Certificate) *x509.Certificate {
	c.t.Helper()
	if parent == nil {
		parent = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, c.key.Public(), c.key)
	if err != nil {
		c.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		c.t.Fatal(err)
	}
	return cert
}

// leaf is a certificate that names the CA's list.
func (c *ca) leaf(serial int64, points ...string) *x509.Certificate {
	if points == nil {
		points = []string{"ldap://ca.example/list", c.web.URL}
	}
	return c.sign(&x509.Certificate{
		SerialNumber: big.NewInt(serial), DNSNames: []string{"a.example"}, CRLDistributionPoints: points,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(0, 3, 0),
	}, c.cert)
}

// publish makes a list of what was revoked.
func (c *ca) publish(change func(*x509.RevocationList), revoked ...int64) {
	c.t.Helper()
	list := &x509.RevocationList{Number: big.NewInt(7), ThisUpdate: time.Now().Add(-time.Minute), NextUpdate: time.Now().Add(9 * 24 * time.Hour)}
	for _, serial := range revoked {
		list.RevokedCertificateEntries = append(list.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: big.NewInt(serial), RevocationTime: time.Now().Add(-time.Hour), ReasonCode: int(serial % 10)})
	}
	if change != nil {
		change(list)
	}
	der, err := x509.CreateRevocationList(rand.Reader, list, c.cert, c.key)
	if err != nil {
		c.t.Fatal(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.list, c.etag = der, `"`+time.Now().Format(time.RFC3339Nano)+`"`
}

func newClient(t *testing.T) *Client {
	client := NewClient(nil, nil, "certkeep/test")
	t.Cleanup(client.Close)
	return client
}

func TestFindsWhatIsRevoked(t *testing.T) {
	c := newCA(t, "ca")
	c.publish(nil, 41, 23, 35)
	client := newClient(t)
	good, err := client.Ask(t.Context(), c.leaf(24), c.cert)
	if err != nil || good.Revoked || good.URL != c.web.URL || good.AskAgain.Before(time.Now().Add(time.Hour)) || good.AskAgain.After(time.Now().Add(24*time.Hour)) {
		t.Errorf("good: %+v, %v", good, err)
	}
	bad, err := client.Ask(t.Context(), c.leaf(41), c.cert)
	if err != nil || !bad.Revoked || bad.Reason != plan.RevokeCompromise || time.Since(bad.RevokedAt) < 50*time.Minute {
		t.Errorf("revoked: %+v, %v", bad, err)
	}
	if _, err := client.Ask(t.Context(), c.leaf(5, "ldap://x/y"), c.cert); !errors.Is(err, ErrNoList) {
		t.Errorf("without a list: %v", err)
	}
}

// A hundred certificates on one list cost one fetch, at once or one after
// another.
func TestOneFetchForAll(t *testing.T) {
	c := newCA(t, "ca")
	c.publish(nil, 23)
	client := newClient(t)
	var all sync.WaitGroup
	for i := range 100 {
		leaf := c.leaf(int64(100 + i))
		all.Go(func() {
			if _, err := client.Ask(t.Context(), leaf, c.cert); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if c.asked != 1 {
		t.Errorf("asked %d times", c.asked)
	}
}

// What is not believed, and why.
// Whoever waits for a list that another one fetches waits no longer than he
// wants.
func TestWaitsNoLonger(t *testing.T) {
	t.Parallel()
	c, client := newCA(t, "CA"), newClient(t)
	address := c.web.URL + "/list"
	client.entry(address).turn <- struct{}{} // somebody fetches it, and hangs
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := client.Ask(ctx, c.leaf(7, address), c.cert); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if c.asked != 0 {
		t.Errorf("the CA was asked %d times", c.asked)
	}
}

// TestClockThatIsBehind takes a list that was signed just now, by a clock that is
// right, as long as ours may be wrong.
func TestClockThatIsBehind(t *testing.T) {
	ca := newCA(t, "ca")
	ca.publish(func(l *x509.RevocationList) { l.ThisUpdate = time.Now().Add(network.MaxClockError - time.Minute) }, 23)
	if _, err := newClient(t).Ask(t.Context(), ca.leaf(23), ca.cert); err != nil {
		t.Error(err)
	}
}

func TestRefuses(t *testing.T) {
	other := newCA(t, "ca") // of the same name, on another key
	distribution := func(names ...string) pkix.Extension {
		value := []byte{0x30, byte(len(names[0]))}
		return pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 28}, Critical: true, Value: append(value, names[0]...)}
	}
	for _, c := range []struct {
		name   string
		change func(*x509.RevocationList)
		words  string
	}{
		{"ended", func(l *x509.RevocationList) {
			l.ThisUpdate, l.NextUpdate = time.Now().AddDate(0, 0, -9), time.Now().Add(-time.Hour)
		}, "it ended on"},
		{"not yet", func(l *x509.RevocationList) { l.ThisUpdate = time.Now().Add(2 * network.MaxClockError) }, "it begins on"},
		{"only changes", func(l *x509.RevocationList) {
			l.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 27}, Critical: true, Value: []byte{2, 1, 1}}}
		}, "not understood (2.5.29.27)"},
		{"certificates of others", func(l *x509.RevocationList) {
			l.ExtraExtensions = []pkix.Extension{distribution("\x84\x01\xff")}
		}, "of others"},
		{"certificates of CAs", func(l *x509.RevocationList) {
			l.ExtraExtensions = []pkix.Extension{distribution("\x82\x01\xff")}
		}, "of CAs only"},
		{"another part", func(l *x509.RevocationList) {
			l.ExtraExtensions = []pkix.Extension{distribution("\xa0\x0b\xa0\x09\x86\x07http://")}
		}, "it is the one of http://"},
		{"torn words", func(l *x509.RevocationList) {
			l.ExtraExtensions = []pkix.Extension{distribution("\xa0\x0b\xa0")}
		}, "clearly"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ca := newCA(t, "ca")
			ca.publish(c.change, 23)
			_, err := newClient(t).Ask(t.Context(), ca.leaf(23), ca.cert)
			failed, ok := errors.AsType[*Error](err)
			if !ok || !strings.Contains(err.Error(), c.words) || failed.Blame != plan.BlameCA {
				t.Errorf("%v, want words with %q", err, c.words)
			}
		})
	}
	ca := newCA(t, "ca")
	other.publish(nil, 23)
	ca.list = other.list
	if _, err := newClient(t).Ask(t.Context(), ca.leaf(23), ca.cert); err == nil || !strings.Contains(err.Error(), "not signed") {
		t.Errorf("signed by another key: %v", err)
	}
	ca.list = []byte("<html>")
	if _, err := newClient(t).Ask(t.Context(), ca.leaf(23), ca.cert); err == nil || !strings.Contains(err.Error(), "no revocation list") {
		t.Errorf("no list: %v", err)
	}
	ca.status = http.StatusServiceUnavailable
	_, err := newClient(t).Ask(t.Context(), ca.leaf(23), ca.cert)
	if failed, ok := errors.AsType[*Error](err); !ok || failed.RetryAfter != 2*time.Minute {
		t.Errorf("503: %v", err)
	}
	ca.web.Close()
	_, err = newClient(t).Ask(t.Context(), ca.leaf(23), ca.cert)
	if failed, ok := errors.AsType[*Error](err); !ok || failed.Blame != plan.BlameNetwork {
		t.Errorf("nobody there: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err = newClient(t).Ask(ctx, ca.leaf(23), ca.cert); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// A list that names the address it came from, and users' certificates, is the
// usual one.
func TestUsualDistributionPoint(t *testing.T) {
	ca := newCA(t, "ca")
	inner := "\x86" + string(rune(len(ca.web.URL))) + ca.web.URL
	name := "\xa0" + string(rune(len(inner))) + inner
	value := "\xa0" + string(rune(len(name))) + name + "\x81\x01\xff"
	ca.publish(func(l *x509.RevocationList) {
		l.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 28}, Critical: true, Value: append([]byte{0x30, byte(len(value))}, value...)}}
	}, 23)
	if a, err := newClient(t).Ask(t.Context(), ca.leaf(23), ca.cert); err != nil || !a.Revoked {
		t.Errorf("%+v, %v", a, err)
	}
}
