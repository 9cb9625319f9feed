package ocsp_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	wire "golang.org/x/crypto/ocsp"

	"github.com/certkeep/certkeep/internal/network"
	"github.com/certkeep/certkeep/internal/ocsp"
	"github.com/certkeep/certkeep/internal/plan"
)

func newClient(t *testing.T, n network.Network) *ocsp.Client {
	c := ocsp.NewClient(n, nil, "certkeep/test")
	t.Cleanup(c.Close)
	return c
}

func TestFetch(t *testing.T) {
	ca := newCA(t, nil, "ca")
	der := sign(t, ca, ca, fine(newLeaf(t, ca, 5)))
	r := newResponder(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("ETag", `"first"`)
		w.Write(der)
	})
	leaf := newLeaf(t, ca, 5, "ldap://ca.example.test/", r.URL+"/ocsp/")
	got, err := newClient(t, nil).Fetch(t.Context(), ocsp.Question{Leaf: leaf, Issuer: ca.cert})
	if err != nil {
		t.Fatal(err)
	}
	if got.Status != ocsp.Good || got.Unchanged || !bytes.Equal(got.DER, der) {
		t.Errorf("answer: %+v", got)
	}
	if want := (ocsp.Kept{DER: der, URL: r.URL + "/ocsp/", ETag: `"first"`}); !reflect.DeepEqual(got.Keep, want) {
		t.Errorf("to keep: %+v, want %+v", got.Keep, want)
	}
	if got.AskAgain != got.ThisUpdate.Add(84*time.Hour) {
		t.Errorf("again after %s", got.AskAgain.Sub(got.ThisUpdate))
	}
	if !reflect.DeepEqual(r.asked, []string{"GET"}) || r.header[0].Get("If-Modified-Since") != "" {
		t.Errorf("asked: %q %v", r.asked, r.header)
	}
}

func TestFetchConditional(t *testing.T) {
	ca := newCA(t, nil, "ca")
	leaf := newLeaf(t, ca, 5)
	template := fine(leaf)
	kept := ocsp.Kept{DER: sign(t, ca, ca, template), ETag: `"old"`}
	r := newResponder(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("ETag", `"same"`)
		w.WriteHeader(http.StatusNotModified)
	})
	kept.URL = r.URL
	got, err := newClient(t, nil).Fetch(t.Context(), ocsp.Question{Leaf: leaf, Issuer: ca.cert, URLs: []string{r.URL}, Kept: kept})
	if err != nil || !got.Unchanged || got.Status != ocsp.Good || !bytes.Equal(got.DER, kept.DER) {
		t.Fatalf("%+v, %v", got, err)
	}
	if got.Keep.ETag != `"same"` {
		t.Errorf("ETag to keep: %s", got.Keep.ETag)
	}
	if h := r.header[0]; h.Get("If-None-Match") != `"old"` || h.Get("If-Modified-Since") != template.ThisUpdate.Format(http.TimeFormat) {
		t.Errorf("conditions: %v", h)
	}
	// Another responder does not know the first one's ETag.
	kept.URL = "http://other.example.test/"
	if _, err = newClient(t, nil).Fetch(t.Context(), ocsp.Question{Leaf: leaf, Issuer: ca.cert, URLs: []string{r.URL}, Kept: kept}); err != nil {
		t.Fatal(err)
	}
	if h := r.header[1]; h.Get("If-None-Match") != "" || h.Get("If-Modified-Since") == "" {
		t.Errorf("conditions at another responder: %v", h)
	}
}

// TestFetchKeptIsNoUse: nothing is asked under the condition of a statement
// that no server should staple.
func TestFetchKeptIsNoUse(t *testing.T) {
	ca, other := newCA(t, nil, "ca"), newCA(t, nil, "other")
	leaf := newLeaf(t, ca, 5)
	expired, revoked := fine(leaf), fine(leaf)
	expired.ThisUpdate, expired.NextUpdate = time.Now().AddDate(0, 0, -9), time.Now().AddDate(0, 0, -2)
	revoked.Status, revoked.RevokedAt = wire.Revoked, revoked.ThisUpdate
	der := sign(t, ca, ca, fine(leaf))
	for name, kept := range map[string][]byte{
		"expired":         sign(t, ca, ca, expired),
		"revoked":         sign(t, ca, ca, revoked),
		"another's":       sign(t, ca, ca, fine(newLeaf(t, ca, 6))),
		"another CA's":    sign(t, other, other, fine(leaf)),
		"no DER":          []byte("<html>"),
		"nothing":         nil,
		"an error status": wire.TryLaterErrorResponse,
	} {
		r := newResponder(t, func(w http.ResponseWriter, req *http.Request) {
			if req.Header.Get("If-Modified-Since") != "" || req.Header.Get("If-None-Match") != "" {
				t.Errorf("%s: asked under a condition", name)
			}
			w.Write(der)
		})
		got, err := newClient(t, nil).Fetch(t.Context(), ocsp.Question{
			Leaf: leaf, Issuer: ca.cert, URLs: []string{r.URL}, Kept: ocsp.Kept{DER: kept, URL: r.URL, ETag: "x"},
		})
		if err != nil || got.Unchanged || !bytes.Equal(got.DER, der) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

// TestFetchNothingOlder: a responder that lags behind takes nothing away, and
// one that only signs anew changes nothing.
func TestFetchNothingOlder(t *testing.T) {
	ca := newCA(t, nil, "ca")
	leaf := newLeaf(t, ca, 5)
	older, newer, unknown, revoked, olderUnknown := fine(leaf), fine(leaf), fine(leaf), fine(leaf), fine(leaf)
	older.ThisUpdate, older.NextUpdate = older.ThisUpdate.Add(-time.Hour), older.NextUpdate.Add(-time.Hour)
	newer.ThisUpdate, newer.NextUpdate = newer.ThisUpdate.Add(time.Minute), newer.NextUpdate.Add(time.Minute)
	unknown.Status, olderUnknown.Status, olderUnknown.ThisUpdate = wire.Unknown, wire.Unknown, older.ThisUpdate
	revoked.Status, revoked.RevokedAt = wire.Revoked, revoked.ThisUpdate
	kept := sign(t, ca, ca, fine(leaf))
	for _, test := range []struct {
		name      string
		der       []byte
		unchanged bool
		status    ocsp.Status
	}{
		{"the same", kept, true, ocsp.Good},
		{"the same times, signed anew", sign(t, ca, ca, fine(leaf)), true, ocsp.Good},
		{"older", sign(t, ca, ca, older), true, ocsp.Good},
		{"newer", sign(t, ca, ca, newer), false, ocsp.Good},
		{"revoked", sign(t, ca, ca, revoked), false, ocsp.Revoked},
		{"unknown", sign(t, ca, ca, unknown), false, ocsp.Unknown},
		{"unknown once", sign(t, ca, ca, olderUnknown), true, ocsp.Good},
	} {
		r := newResponder(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("ETag", "this one")
			w.Write(test.der)
		})
		got, err := newClient(t, nil).Fetch(t.Context(), ocsp.Question{
			Leaf: leaf, Issuer: ca.cert, URLs: []string{r.URL}, Kept: ocsp.Kept{DER: kept, URL: r.URL, ETag: "the kept one"},
		})
		if err != nil || got.Unchanged != test.unchanged || got.Status != test.status || got.Unchanged != bytes.Equal(got.DER, kept) {
			t.Errorf("%s: unchanged %t, %s, %v", test.name, got.Unchanged, got.Status, err)
		}
		if want := map[bool]string{true: "the kept one", false: "this one"}[got.Unchanged]; got.Keep.ETag != want {
			t.Errorf("%s: ETag %q, want %q", test.name, got.Keep.ETag, want)
		}
	}
}

// TestFetchOtherMethod: who does not know GET, or holds something useless in a
// cache, is asked by POST.
func TestFetchOtherMethod(t *testing.T) {
	ca := newCA(t, nil, "ca")
	leaf := newLeaf(t, ca, 5)
	expired := fine(leaf)
	expired.ThisUpdate, expired.NextUpdate = time.Now().AddDate(0, 0, -9), time.Now().AddDate(0, 0, -2)
	der, old := sign(t, ca, ca, fine(leaf)), sign(t, ca, ca, expired)
	for name, get := range map[string]http.HandlerFunc{
		"405":               func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusMethodNotAllowed) },
		"404":               http.NotFound,
		"malformed request": says(wire.MalformedRequestErrorResponse),
		"a page":            says([]byte("<html>OCSP responder</html>")),
		"a stale cache":     says(old),
		"a redirect to a page": func(w http.ResponseWriter, req *http.Request) {
			w.Header().Set("Location", "http://"+req.Host+req.URL.EscapedPath())
			w.WriteHeader(302)
		},
	} {
		r := newResponder(t, func(w http.ResponseWriter, req *http.Request) {
			if req.Method == http.MethodPost {
				w.Write(der)
				return
			}
			get(w, req)
		})
		got, err := newClient(t, nil).Fetch(t.Context(), ocsp.Question{Leaf: leaf, Issuer: ca.cert, URLs: []string{r.URL}})
		if err != nil || got.Status != ocsp.Good || r.asked[len(r.asked)-1] != "POST" {
			t.Errorf("%s: %+v, %v, asked %q", name, got, err, r.asked)
		}
	}
	for _, address := range []string{"/" + strings.Repeat("a", 200), "/?ca=5"} {
		r := newResponder(t, says(der))
		if _, err := newClient(t, nil).Fetch(t.Context(), ocsp.Question{Leaf: leaf, Issuer: ca.cert, URLs: []string{r.URL + address}}); err != nil || !reflect.DeepEqual(r.asked, []string{"POST"}) {
			t.Errorf("%s: %v, asked %q", address, err, r.asked)
		}
	}
}

// TestFetchFresh: what HTTP says of caching moves the next question, within
// what the statement itself allows.
func TestFetchFresh(t *testing.T) {
	ca := newCA(t, nil, "ca")
	leaf := newLeaf(t, ca, 5)
	der := sign(t, ca, ca, fine(leaf)) // an hour old, seven days long
	now := time.Now()
	date := func(from time.Duration) string { return now.Add(from).UTC().Format(http.TimeFormat) }
	for _, test := range []struct {
		header map[string]string
		want   time.Duration // until the next question
		before plan.Span
	}{
		{nil, 111*time.Hour + 33*time.Minute + 36*time.Second, plan.Span{Percent: 33}},
		{nil, 125 * time.Hour, plan.Span{Percent: 25}},
		{nil, 143 * time.Hour, plan.Span{Fixed: 24 * time.Hour}},
		{nil, 83*time.Hour + 30*time.Minute, plan.Span{Fixed: 30 * 24 * time.Hour}},
		{map[string]string{"Cache-Control": "max-age=594000"}, 143 * time.Hour, plan.Span{Fixed: 24 * time.Hour}},
		{map[string]string{"Cache-Control": "public, max-age=3600"}, 83 * time.Hour, plan.Span{}},
		{map[string]string{"Cache-Control": "max-age=360000, public"}, 100 * time.Hour, plan.Span{}},
		{map[string]string{"Cache-Control": "max-age=360000", "Age": "7200"}, 98 * time.Hour, plan.Span{}},
		{map[string]string{"Cache-Control": "max-age=99999999999999999999"}, 83 * time.Hour, plan.Span{}},
		{map[string]string{"Cache-Control": "max-age=600000"}, 125 * time.Hour, plan.Span{}},
		{map[string]string{"Cache-Control": "max-age=3600", "Expires": date(100 * time.Hour)}, 83 * time.Hour, plan.Span{}},
		{map[string]string{"Expires": date(100 * time.Hour)}, 100 * time.Hour, plan.Span{}},
		{map[string]string{"Expires": date(105 * time.Hour), "Date": date(5 * time.Hour)}, 100 * time.Hour, plan.Span{}},
		{map[string]string{"Expires": "0"}, 83 * time.Hour, plan.Span{}},
	} {
		r := newResponder(t, func(w http.ResponseWriter, _ *http.Request) {
			for name, value := range test.header {
				w.Header().Set(name, value)
			}
			w.Write(der)
		})
		got, err := newClient(t, nil).Fetch(t.Context(), ocsp.Question{Leaf: leaf, Issuer: ca.cert, URLs: []string{r.URL}, Before: test.before})
		if wait := got.AskAgain.Sub(now); err != nil || (wait-test.want).Abs() > time.Minute {
			t.Errorf("%v, %v: again in %s, want %s (%v)", test.header, test.before, wait, test.want, err)
		}
	}
}

// slowWeb is a network on which a responder answers after a day.
type slowWeb struct{ network.OS }

func (slowWeb) DialContext(context.Context, string, string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	go io.Copy(io.Discard, theirs)
	return ours, nil
}

func TestFetchTooSlow(t *testing.T) {
	ca := newCA(t, nil, "ca")
	leaf := newLeaf(t, ca, 5, "http://a.example.test/", "http://b.example.test/")
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		_, err := newClient(t, slowWeb{}).Fetch(t.Context(), ocsp.Question{Leaf: leaf, Issuer: ca.cert})
		failed, ok := errors.AsType[*ocsp.Error](err)
		if !ok || failed.Blame() != plan.BlameNetwork || !errors.Is(err, network.ErrTooSlow) {
			t.Errorf("%v", err)
		}
		if took := time.Since(began); took != 40*time.Second {
			t.Errorf("two responders took %s", took)
		}
	})
}
