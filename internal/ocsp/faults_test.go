package ocsp_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	wire "golang.org/x/crypto/ocsp"

	"github.com/certkeep/certkeep/internal/network"
	"github.com/certkeep/certkeep/internal/ocsp"
	"github.com/certkeep/certkeep/internal/plan"
)

// TestFetchFaults: whatever a responder does wrong is an error that says whose
// fault it is, and the next responder is asked.
func TestFetchFaults(t *testing.T) {
	ca, stranger := newCA(t, nil, "ca"), newCA(t, nil, "ca")
	leaf := newLeaf(t, ca, 5)
	expired := fine(leaf)
	expired.ThisUpdate, expired.NextUpdate = time.Now().AddDate(0, 0, -9), time.Now().AddDate(0, 0, -2)
	good := sign(t, ca, ca, fine(leaf))
	fine2 := newResponder(t, says(good))
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "120")
			w.WriteHeader(code)
			w.Write(good) // does not count
		}
	}
	for _, test := range []struct {
		name   string
		answer http.HandlerFunc
		want   error // nil where any will do
		status int
		asked  int
	}{
		{"wrong serial", says(sign(t, ca, ca, fine(newLeaf(t, ca, 6)))), ocsp.ErrOther, 200, 2},
		{"wrong signer", says(sign(t, stranger, stranger, fine(leaf))), ocsp.ErrOther, 200, 2},
		{"wrong signature", says(sign(t, ca, stranger, fine(leaf))), ocsp.ErrInvalid, 200, 2},
		{"expired", says(sign(t, ca, ca, expired)), ocsp.ErrExpired, 200, 2},
		{"malformed", says(good[:len(good)-1]), ocsp.ErrInvalid, 200, 2},
		{"empty", says(nil), ocsp.ErrInvalid, 200, 2},
		{"huge", says(bytes.Repeat(good, 1000)), network.ErrTooLong, 0, 2},
		{"in a circle", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, r.URL.String(), http.StatusTemporaryRedirect)
		}, network.ErrRedirect, 0, 8},
		{"unchanged, unasked", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotModified) }, nil, 304, 2},
		{"500", status(500), nil, 500, 1},
		{"503", status(503), nil, 503, 1},
		{"429", status(429), nil, 429, 1},
		{"unauthorized", says(wire.UnauthorizedErrorResponse), nil, 200, 1},
		{"try later", says(wire.TryLaterErrorResponse), nil, 200, 1},
	} {
		r := newResponder(t, test.answer)
		got, err := newClient(t, nil).Fetch(t.Context(), ocsp.Question{Leaf: leaf, Issuer: ca.cert, URLs: []string{r.URL}})
		failed, ok := errors.AsType[*ocsp.Error](err)
		if !ok || len(failed.Failures) != 1 || failed.Blame() != plan.BlameCA || test.want != nil && !errors.Is(err, test.want) {
			t.Errorf("%s: %+v, %v", test.name, got, err)
			continue
		}
		if f := failed.Failures[0]; f.Status != test.status || f.URL != r.URL || len(r.asked) != test.asked {
			t.Errorf("%s: %+v, asked %q", test.name, f, r.asked)
		}
		if test.status >= 400 && failed.RetryAfter() != 2*time.Minute {
			t.Errorf("%s: again in %s", test.name, failed.RetryAfter())
		}
		got, err = newClient(t, nil).Fetch(t.Context(), ocsp.Question{Leaf: leaf, Issuer: ca.cert, URLs: []string{r.URL, fine2.URL}})
		if err != nil || !bytes.Equal(got.DER, good) || got.Keep.URL != fine2.URL {
			t.Errorf("%s: the next responder: %+v, %v", test.name, got, err)
		}
	}
}

// TestFetchUnknown: a responder that knows nothing is heard last.
func TestFetchUnknown(t *testing.T) {
	ca := newCA(t, nil, "ca")
	leaf := newLeaf(t, ca, 5)
	unknown := fine(leaf)
	unknown.Status = wire.Unknown
	ignorant, broken := newResponder(t, says(sign(t, ca, ca, unknown))), newResponder(t, http.NotFound)
	knowing := newResponder(t, says(sign(t, ca, ca, fine(leaf))))
	for _, test := range []struct {
		urls []string
		want ocsp.Status
	}{
		{[]string{ignorant.URL, knowing.URL}, ocsp.Good},
		{[]string{broken.URL, ignorant.URL, broken.URL}, ocsp.Unknown},
	} {
		got, err := newClient(t, nil).Fetch(t.Context(), ocsp.Question{Leaf: leaf, Issuer: ca.cert, URLs: test.urls})
		if err != nil || got.Status != test.want {
			t.Errorf("%q: %s, %v", test.urls, got.Status, err)
		}
	}
}

// TestFetchBlame: nobody there, nobody named, an address that is none.
func TestFetchBlame(t *testing.T) {
	ca := newCA(t, nil, "ca")
	leaf := newLeaf(t, ca, 5)
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	blame := func(urls ...string) plan.Blame {
		_, err := newClient(t, nil).Fetch(t.Context(), ocsp.Question{Leaf: leaf, Issuer: ca.cert, URLs: urls})
		failed, ok := errors.AsType[*ocsp.Error](err)
		if !ok || strings.Count(err.Error(), "ask the OCSP responder ") != len(urls) {
			t.Fatalf("%q: %v", urls, err)
		}
		return failed.Blame()
	}
	if got := blame(closed.URL); got != plan.BlameNetwork {
		t.Errorf("nobody there: %s", got)
	}
	if got := blame(closed.URL, newResponder(t, http.NotFound).URL); got != plan.BlameCA {
		t.Errorf("one of two there: %s", got)
	}
	if got := blame("responder.example.test"); got != plan.BlameAdmin {
		t.Errorf("no URL: %s", got)
	}
	if _, err := newClient(t, nil).Fetch(t.Context(), ocsp.Question{Leaf: leaf, Issuer: ca.cert}); !errors.Is(err, ocsp.ErrNoResponder) {
		t.Errorf("nobody named: %v", err)
	}
	for name, issuer := range map[string]*x509.Certificate{"no issuer": nil, "another issuer": newCA(t, nil, "other").cert} {
		if _, err := newClient(t, nil).Fetch(t.Context(), ocsp.Question{Leaf: leaf, Issuer: issuer, URLs: []string{closed.URL}}); !errors.Is(err, ocsp.ErrIssuer) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestFetchWrongClock: where a statement does not hold by our clock and would
// by the responder's, a person here has to look at the clock.
func TestFetchWrongClock(t *testing.T) {
	ca := newCA(t, nil, "ca")
	leaf := newLeaf(t, ca, 5)
	for _, days := range []int{-30, 30} {
		there := time.Now().UTC().Truncate(time.Second).AddDate(0, 0, days)
		template := wire.Response{SerialNumber: leaf.SerialNumber, ThisUpdate: there.Add(-time.Hour), NextUpdate: there.Add(time.Hour)}
		der := sign(t, ca, ca, template)
		date := there.Format(http.TimeFormat)
		r := newResponder(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Date", date)
			w.Write(der)
		})
		q := ocsp.Question{Leaf: leaf, Issuer: ca.cert, URLs: []string{r.URL}}
		_, err := newClient(t, nil).Fetch(t.Context(), q)
		if failed, ok := errors.AsType[*ocsp.Error](err); !ok || !errors.Is(err, ocsp.ErrClock) || failed.Blame() != plan.BlameAdmin {
			t.Errorf("%d days away: %v", days, err)
		}
		date = time.Now().UTC().Format(http.TimeFormat) // now the clocks agree
		if _, err = newClient(t, nil).Fetch(t.Context(), q); errors.Is(err, ocsp.ErrClock) || err == nil {
			t.Errorf("%d days away, same clock: %v", days, err)
		}
	}
}

func TestFetchCancelled(t *testing.T) {
	ca := newCA(t, nil, "ca")
	leaf := newLeaf(t, ca, 5)
	ctx, cancel := context.WithCancel(t.Context())
	r := newResponder(t, func(_ http.ResponseWriter, req *http.Request) {
		cancel()
		<-req.Context().Done()
	})
	never := newResponder(t, func(http.ResponseWriter, *http.Request) { t.Error("asked after the end") })
	_, err := newClient(t, nil).Fetch(ctx, ocsp.Question{Leaf: leaf, Issuer: ca.cert, URLs: []string{r.URL, never.URL}})
	if _, failed := errors.AsType[*ocsp.Error](err); failed || !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
