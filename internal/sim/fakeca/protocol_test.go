package fakeca_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/certkeep/certkeep/internal/issuer"
	"github.com/certkeep/certkeep/internal/keys"
)

// raw sends requests as no good client does.
type raw struct {
	w     *world
	key   *ecdsa.PrivateKey
	alg   string
	kid   string // "": the key itself is sent
	url   string // signed; the path's where empty
	nonce string // a fresh one where empty
	agent string
	kind  string // Content-Type
	bend  func(jws map[string]string)
}

// rude prepares a request of an account that is fit to be sent.
func (w *world) rude(a issuer.Account) *raw {
	w.t.Helper()
	key, ok := a.Key.(*ecdsa.PrivateKey)
	if !ok {
		w.t.Fatalf("the account has a key of type %T", a.Key)
	}
	return &raw{w: w, key: key, alg: "ES256", kid: a.URL, agent: "test", kind: "application/jose+json"}
}

func (w *world) nonce() string {
	rec := httptest.NewRecorder()
	w.ca.ServeHTTP(rec, agent(httptest.NewRequest(http.MethodHead, "/new-nonce", nil), "test"))
	return rec.Header().Get("Replay-Nonce")
}

func agent(r *http.Request, name string) *http.Request {
	r.Header.Set("User-Agent", name)
	return r
}

// encode is base64url of JSON.
func (r *raw) encode(v any) string {
	r.w.t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		r.w.t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(text)
}

// post signs and sends, and returns the status and the problem's type.
func (r *raw) post(to string, payload any) (status int, kind string) {
	r.w.t.Helper()
	if r.nonce == "" {
		r.nonce = r.w.nonce()
	}
	if r.url == "" {
		r.url = "http://ca.test" + to
	}
	header := map[string]any{"alg": r.alg, "nonce": r.nonce, "url": r.url, "kid": r.kid}
	if r.kid == "" {
		delete(header, "kid")
		public, err := r.key.PublicKey.Bytes()
		if err != nil {
			r.w.t.Fatal(err)
		}
		header["jwk"] = map[string]string{
			"kty": "EC", "crv": "P-256",
			"x": base64.RawURLEncoding.EncodeToString(public[1:33]), "y": base64.RawURLEncoding.EncodeToString(public[33:]),
		}
	}
	jws := map[string]string{"protected": r.encode(header), "payload": r.encode(payload)}
	sum := sha256.Sum256([]byte(jws["protected"] + "." + jws["payload"]))
	a, b, err := ecdsa.Sign(rand.Reader, r.key, sum[:])
	if err != nil {
		r.w.t.Fatal(err)
	}
	jws["signature"] = base64.RawURLEncoding.EncodeToString(append(a.FillBytes(make([]byte, 32)), b.FillBytes(make([]byte, 32))...))
	if r.bend != nil {
		r.bend(jws)
	}
	body, err := json.Marshal(jws)
	if err != nil {
		r.w.t.Fatal(err)
	}
	rec := httptest.NewRecorder()
	req := agent(httptest.NewRequest(http.MethodPost, to, bytes.NewReader(body)), r.agent)
	req.Header.Set("Content-Type", r.kind)
	r.w.ca.ServeHTTP(rec, req)
	var problem struct{ Type string }
	if err := json.Unmarshal(rec.Body.Bytes(), &problem); err != nil {
		r.w.t.Fatalf("status %d, body %q: %v", rec.Code, rec.Body, err)
	}
	return rec.Code, strings.TrimPrefix(problem.Type, "urn:ietf:params:acme:error:")
}

// wantOrder is the payload of an order.
func wantOrder(name string, more ...string) map[string]any {
	order := map[string]any{"identifiers": []map[string]string{{"type": "dns", "value": name}}}
	for i := 0; i < len(more); i += 2 {
		order[more[i]] = more[i+1]
	}
	return order
}

// TestBadRequests are refused, and some of them are breaches.
func TestBadRequests(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.register()
	order := wantOrder("a.example")
	for _, test := range []struct {
		name    string
		change  func(*raw)
		payload any
		want    string
		breach  bool
	}{
		{"good", func(*raw) {}, order, "201 ", false},
		{"another URL", func(r *raw) { r.url = "http://ca.test/new-account" }, order, "403 unauthorized", true},
		{"no User-Agent", func(r *raw) { r.agent = "" }, order, "201 ", true},
		{"unknown nonce", func(r *raw) { r.nonce = "no-nonce" }, order, "400 badNonce", false},
		{"unknown account", func(r *raw) { r.kid = "http://ca.test/account/99" }, order, "400 accountDoesNotExist", false},
		{"key in place of account", func(r *raw) { r.kid = "" }, order, "400 malformed", false},
		{"wrong algorithm", func(r *raw) { r.alg = "ES384" }, order, "400 badSignatureAlgorithm", false},
		{"no algorithm", func(r *raw) { r.alg = "none" }, order, "400 badSignatureAlgorithm", false},
		{"wrong media type", func(r *raw) { r.kind = "application/json" }, order, "415 malformed", false},
		{"altered payload", func(r *raw) {
			r.bend = func(jws map[string]string) { jws["payload"] = r.encode(wantOrder("b.example")) }
		}, order, "400 malformed", false},
		{"short signature", func(r *raw) { r.bend = func(jws map[string]string) { jws["signature"] = "AAAA" } }, order, "400 malformed", false},
		{"too long", func(*raw) {}, strings.Repeat("x", 1<<20), "400 malformed", false},
		{"unknown profile", func(*raw) {}, wantOrder("a.example", "profile", "gold"), "400 invalidProfile", false},
		{"own dates", func(*raw) {}, wantOrder("a.example", "notAfter", "2030-01-01T00:00:00Z"), "400 malformed", false},
		{"unknown predecessor", func(*raw) {}, wantOrder("a.example", "replaces", "x.y"), "400 malformed", false},
		{"no name", func(*raw) {}, wantOrder("a b"), "400 rejectedIdentifier", false},
		{"an address as name", func(*raw) {}, wantOrder("192.0.2.1"), "400 rejectedIdentifier", false},
		{"no names", func(*raw) {}, struct{}{}, "400 malformed", false},
		{"no JSON object", func(*raw) {}, "order", "400 malformed", false},
	} {
		before := len(w.ca.Breaches())
		r := w.rude(a)
		test.change(r)
		status, kind := r.post("/new-order", test.payload)
		if got := fmt.Sprint(status, " ", kind); got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
		if got := len(w.ca.Breaches()) > before; got != test.breach {
			t.Errorf("%s: breach noted: %v, want %v", test.name, got, test.breach)
		}
	}
}

// TestReplay: a nonce serves once; a client that lost the answer may find
// that out twice.
func TestReplay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.register()
	nonce := w.nonce()
	for i, want := range []string{"201 ", "400 badNonce", "400 badNonce", "400 badNonce"} {
		r := w.rude(a)
		r.nonce = nonce
		status, kind := r.post("/new-order", wantOrder("a.example"))
		if got := fmt.Sprint(status, " ", kind); got != want {
			t.Errorf("time %d: %s, want %s", i+1, got, want)
		}
		w.wantBreaches(max(0, i-2))
	}
}

// readyOrder proves the names and stops there; it returns the order's id.
func (w *world) readyOrder(a issuer.Account, names ...string) string {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.t.Context())
	url := ""
	job := w.job(a, names...)
	job.Save = func(o issuer.Order) error { url = o.URL; return nil }
	job.Stage = func(s issuer.Stage) {
		if s == issuer.StageFinalize {
			cancel()
		}
	}
	if _, err := w.client.Issue(ctx, job); !errors.Is(err, context.Canceled) {
		w.t.Fatalf("error %v, want the job cancelled", err)
	}
	return path.Base(url)
}

// TestFinalizeChecks the CSR.
func TestFinalizeChecks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.register()
	good := newKey(t, keys.ECDSAP256)
	id := w.readyOrder(a, "a.example", "b.example")
	for _, test := range []struct {
		key   crypto.Signer
		names []string
		want  string
	}{
		{good, []string{"a.example"}, "400 badCSR"},
		{good, []string{"a.example", "b.example", "c.example"}, "400 badCSR"},
		{a.Key, []string{"a.example", "b.example"}, "400 badCSR"},
		{good, []string{"B.example", "a.example"}, "200 "},
		{good, []string{"b.example", "a.example"}, "403 orderNotReady"},
	} {
		csr, err := issuer.CSR(test.key, test.names, "", false)
		if err != nil {
			t.Fatal(err)
		}
		status, kind := w.rude(a).post("/finalize/"+id, map[string]string{"csr": base64.RawURLEncoding.EncodeToString(csr)})
		if got := fmt.Sprint(status, " ", kind); got != test.want {
			t.Errorf("CSR for %v: %s, want %s", test.names, got, test.want)
		}
	}
	if all := w.ca.Issuances(); len(all) != 1 || !slices.Equal(all[0].Names, []string{"a.example", "b.example"}) {
		t.Errorf("signed %+v", all)
	}
}
