package issuer

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/challenge"
)

// fakeCA plays a CA in memory, for what no real one does, and for hours that
// pass at once under synctest. It believes every signature.
type fakeCA struct {
	t *testing.T

	mu     sync.Mutex
	pages  map[string]http.HandlerFunc // by path; in place of what is usual
	counts map[string]int              // requests by path
}

// page answers requests for a path.
func (f *fakeCA) page(path string, h http.HandlerFunc) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.pages == nil {
		f.pages, f.counts = make(map[string]http.HandlerFunc), make(map[string]int)
	}
	f.pages[path] = h
}

// json answers with a document.
func (f *fakeCA) json(path, body string) {
	f.page(path, func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, body) })
}

// count is how often a path was asked for.
func (f *fakeCA) count(path string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.counts[path]
}

// writeJSON writes a document, with the media type of an error where it is one.
func writeJSON(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json")
	if status >= 400 {
		w.Header().Set("Content-Type", "application/problem+json")
	}
	w.WriteHeader(status)
	fmt.Fprint(w, body)
}

// RoundTrip answers without a network.
func (f *fakeCA) RoundTrip(r *http.Request) (*http.Response, error) {
	rec := httptest.NewRecorder()
	rec.Header().Set("Date", time.Now().UTC().Format(http.TimeFormat))
	f.ServeHTTP(rec, r)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return rec.Result(), nil
}

// ServeHTTP answers one request.
func (f *fakeCA) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	page := f.pages[r.URL.Path]
	f.counts[r.URL.Path]++
	n := f.counts[r.URL.Path]
	f.mu.Unlock()
	w.Header().Set("Replay-Nonce", fmt.Sprintf("%s-%d", strings.Trim(r.URL.Path, "/"), n))
	if page == nil {
		f.t.Errorf("unexpected request: %s %s", r.Method, r.URL)
		http.NotFound(w, r)
		return
	}
	page(w, r)
}

// fakeDirectory is where fakeCA's directory lies.
const fakeDirectory = "https://ca.test/dir"

// fakeOrder is an order of fakeCA, for a.test.
func fakeOrder(status string) string {
	return fmt.Sprintf(`{"status":%q,"identifiers":[{"type":"dns","value":"a.test"}],"authorizations":["https://ca.test/authz"],
		"finalize":"https://ca.test/finalize","certificate":"https://ca.test/cert"}`, status)
}

// fakeAuthz is its authorisation.
func fakeAuthz(status, challengeStatus, more string) string {
	return fmt.Sprintf(`{"status":%q,"identifier":{"type":"dns","value":"a.test"},"challenges":[
		{"type":"http-01","url":"https://ca.test/challenge","token":"abc","status":%q%s}]}`, status, challengeStatus, more)
}

// newFake returns a CA in memory whose order stays pending, and the CA that
// asks it.
func newFake(t *testing.T, change ...func(*Config)) (*fakeCA, *CA) {
	t.Helper()
	f := &fakeCA{t: t}
	f.json("/dir", `{"newNonce":"https://ca.test/nonce","newAccount":"https://ca.test/account",
		"newOrder":"https://ca.test/order","revokeCert":"https://ca.test/revoke","renewalInfo":"https://ca.test/ari"}`)
	f.page("/nonce", func(http.ResponseWriter, *http.Request) {})
	f.page("/order", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "https://ca.test/order/1")
		writeJSON(w, http.StatusCreated, fakeOrder("pending"))
	})
	f.json("/order/1", fakeOrder("pending"))
	f.json("/authz", fakeAuthz("pending", "pending", ""))
	f.json("/challenge", `{}`)
	cfg := Config{ID: "fake", Directory: fakeDirectory, UserAgent: userAgent}
	for _, c := range change {
		c(&cfg)
	}
	ca, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	real, ok := ca.http.Transport.(*transport)
	if !ok {
		t.Fatal("the CA has no transport of ours")
	}
	real.base = f
	return f, ca
}

// fakeJob asks it for a.test.
func fakeJob(t *testing.T) (Job, *brokenSolver) {
	t.Helper()
	solver := &brokenSolver{kind: challenge.TypeHTTP01}
	return newJob(t, Account{URL: "https://ca.test/account/1", Key: newKey(t)}, []string{"a.test"}, solver), solver
}
