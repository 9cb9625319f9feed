package fakeca_test

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/ocsp"

	"github.com/certkeep/certkeep/internal/sim/fakeca"
)

// ocspLife is how long responses are believed in these tests.
const ocspLife = 4 * day

// responder is a CA's responder, and a certificate that is asked about.
type responder struct {
	*world
	leaf, inter *x509.Certificate
	question    []byte
}

// withResponder runs a test in a bubble, with a certificate of a CA that has a
// responder.
func withResponder(t *testing.T, test func(t *testing.T, r *responder)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *fakeca.Options) { o.OCSPLife = ocspLife })
		w.mustIssue(w.register(), "a.example")
		r := &responder{world: w}
		r.leaf, r.inter = w.chain()
		w.pass(w.now().Truncate(time.Second).Add(time.Second).Sub(w.now())) // responses know whole seconds
		var err error
		if r.question, err = ocsp.CreateRequest(r.leaf, r.inter, nil); err != nil {
			t.Fatal(err)
		}
		test(t, r)
	})
}

// chain is the CA's last certificate and what signed it.
func (w *world) chain() (leaf, inter *x509.Certificate) {
	w.t.Helper()
	var chain []*x509.Certificate
	for rest := w.last().Chain; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		one, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			w.t.Fatal(err)
		}
		chain = append(chain, one)
	}
	if len(chain) != 2 {
		w.t.Fatalf("%d certificates in the chain, want 2", len(chain))
	}
	return chain[0], chain[1]
}

// send asks what the certificate names as its responder. A tag is the ETag of
// what is there already.
func (r *responder) send(method string, question []byte, tag string) *http.Response {
	r.t.Helper()
	if len(r.leaf.OCSPServer) != 1 {
		r.t.Fatalf("the certificate names the responders %q, want one", r.leaf.OCSPServer)
	}
	address, body := r.leaf.OCSPServer[0], io.Reader(bytes.NewReader(question))
	if method == http.MethodGet {
		address += "/" + url.PathEscape(base64.StdEncoding.EncodeToString(question))
		body = nil
	}
	request := httptest.NewRequest(method, address, body)
	request.Header.Set("If-None-Match", tag)
	answer := httptest.NewRecorder()
	r.ca.ServeHTTP(answer, request)
	return answer.Result()
}

// hear asks for the certificate, and reads a response that is signed as it must.
func (r *responder) hear(method string) (said *ocsp.Response, header http.Header) {
	r.t.Helper()
	answer := r.send(method, r.question, "")
	der, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK || answer.Header.Get("Content-Type") != "application/ocsp-response" {
		r.t.Fatalf("answer %s %q, %v", answer.Status, answer.Header, err)
	}
	said, err = ocsp.ParseResponseForCert(der, r.leaf, r.inter)
	if err != nil {
		r.t.Fatal(err)
	}
	return said, answer.Header
}

// TestOCSP: both ways of asking lead to the same response, which stands for a
// quarter of its time.
func TestOCSP(t *testing.T) {
	t.Parallel()
	withResponder(t, func(t *testing.T, r *responder) {
		begin := r.now().UTC().Truncate(time.Second)
		first, header := r.hear(http.MethodGet)
		if first.Status != ocsp.Good || !first.ThisUpdate.Equal(begin) || !first.NextUpdate.Equal(begin.Add(ocspLife)) {
			t.Errorf("status %d from %s to %s; it was asked at %s", first.Status, first.ThisUpdate, first.NextUpdate, begin)
		}
		if got, want := header.Get("Last-Modified"), begin.Format(http.TimeFormat); got != want {
			t.Errorf("Last-Modified %q, want %q", got, want)
		}
		r.pass(ocspLife/4 - time.Minute)
		second, header := r.hear(http.MethodPost)
		if !bytes.Equal(first.Raw, second.Raw) || header.Get("Cache-Control") != "max-age=60" {
			t.Errorf("another response, or one with %q", header)
		}
		tag := header.Get("ETag")
		if got := r.send(http.MethodGet, r.question, tag); got.StatusCode != http.StatusNotModified {
			t.Errorf("answer %s to a tag that is right", got.Status)
		}
		r.pass(time.Minute)
		if got := r.send(http.MethodGet, r.question, tag); got.StatusCode != http.StatusOK || got.Header.Get("ETag") == tag {
			t.Errorf("answer %s to a tag that is old, with the tag %q", got.Status, got.Header.Get("ETag"))
		}
		third, header := r.hear(http.MethodGet)
		if !third.ThisUpdate.Equal(begin.Add(ocspLife/4)) || header.Get("Cache-Control") != fmt.Sprintf("max-age=%.0f", (ocspLife/4).Seconds()) {
			t.Errorf("from %s with %q", third.ThisUpdate, header)
		}
		r.wantBreaches(0)
	})
}

// TestOCSPRevoked: a revocation is told at once; whether the window of renewal
// tells of it too depends on how it was revoked.
func TestOCSPRevoked(t *testing.T) {
	t.Parallel()
	for quietly, revoke := range map[bool]func(*fakeca.CA, string) error{true: (*fakeca.CA).RevokeQuietly, false: (*fakeca.CA).Revoke} {
		withResponder(t, func(t *testing.T, r *responder) {
			before, err := r.client.RenewalInfo(t.Context(), r.last().CertID)
			if err != nil {
				t.Fatal(err)
			}
			r.hear(http.MethodGet)
			r.pass(6 * time.Hour) // see Options.WindowAfter
			at, serial := r.now(), r.last().Serial
			if err := revoke(r.ca, serial); err != nil {
				t.Fatal(err)
			}
			said, _ := r.hear(http.MethodGet)
			if said.Status != ocsp.Revoked || !said.RevokedAt.Equal(at.UTC().Truncate(time.Second)) || !r.ca.RevokedAt(serial).Equal(at) {
				t.Errorf("status %d at %s; it was revoked at %s", said.Status, said.RevokedAt, at)
			}
			after, err := r.client.RenewalInfo(t.Context(), r.last().CertID)
			if err != nil || after.Start.Equal(before.Start) != quietly {
				t.Errorf("quietly %t: the window began at %s and begins at %s, %v", quietly, before.Start, after.Start, err)
			}
			r.pass(time.Hour)
			if err := revoke(r.ca, serial); err != nil || !r.ca.RevokedAt(serial).Equal(at) {
				t.Errorf("revoked again at %s, %v", r.ca.RevokedAt(serial), err)
			}
			if r.ca.RevokeQuietly("00") == nil || !r.ca.RevokedAt("00").IsZero() {
				t.Error("a certificate that is not there was revoked")
			}
		})
	}
}

// TestOCSPFrozen: a responder that stands still says what it said, also when
// nobody may believe that any more, and comes to its senses.
func TestOCSPFrozen(t *testing.T) {
	t.Parallel()
	withResponder(t, func(t *testing.T, r *responder) {
		before, _ := r.hear(http.MethodGet)
		r.ca.FreezeOCSP(r.now().Add(ocspLife + day))
		if err := r.ca.RevokeQuietly(r.last().Serial); err != nil {
			t.Fatal(err)
		}
		r.pass(ocspLife + time.Hour)
		said, header := r.hear(http.MethodGet)
		if !r.ca.OCSPFrozen() || !bytes.Equal(said.Raw, before.Raw) || header.Get("Cache-Control") != "max-age=0" {
			t.Errorf("frozen %t: from %s with %q", r.ca.OCSPFrozen(), said.ThisUpdate, header)
		}
		r.pass(23 * time.Hour)
		if said, _ := r.hear(http.MethodGet); r.ca.OCSPFrozen() || said.Status != ocsp.Revoked {
			t.Errorf("frozen %t: status %d", r.ca.OCSPFrozen(), said.Status)
		}
	})
}

// TestOCSPRefuses: what is no question, and what is not of this CA, is told
// apart; a CA without a responder has none.
func TestOCSPRefuses(t *testing.T) {
	t.Parallel()
	withResponder(t, func(t *testing.T, r *responder) {
		stranger := newWorld(t)
		stranger.mustIssue(stranger.register(), "b.example")
		leaf, inter := stranger.chain()
		if len(leaf.OCSPServer) > 0 {
			t.Errorf("a CA without a responder names %q", leaf.OCSPServer)
		}
		unknown, err := ocsp.CreateRequest(leaf, inter, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			for _, test := range []struct {
				question []byte
				want     ocsp.ResponseStatus
			}{{[]byte("no question"), ocsp.Malformed}, {unknown, ocsp.Unauthorized}} {
				der, err := io.ReadAll(r.send(method, test.question, "").Body)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := ocsp.ParseResponse(der, nil); err != (ocsp.ResponseError{Status: test.want}) {
					t.Errorf("%s: %v, want status %v", method, err, test.want)
				}
			}
		}
		answer := httptest.NewRecorder()
		stranger.ca.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "http://ca.test/ocsp/AAAA", nil))
		if answer.Code != http.StatusNotFound {
			t.Errorf("answer %d of a CA without a responder", answer.Code)
		}
	})
}
