package engine

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/ocsp"
	"github.com/certkeep/certkeep/internal/plan"
)

// forwarder is an HTTP proxy that remembers which hosts it was asked for.
type forwarder struct {
	t     *testing.T
	url   string
	mu    sync.Mutex
	hosts []string
}

func newForwarder(t *testing.T) *forwarder {
	t.Helper()
	f := &forwarder{t: t}
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	f.url = server.URL
	return f
}

func (f *forwarder) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.hosts = append(f.hosts, r.Host)
	f.mu.Unlock()
	if r.Method == http.MethodConnect {
		f.tunnel(w, r)
		return
	}
	out := r.Clone(r.Context())
	out.RequestURI = ""
	resp, err := http.DefaultTransport.RoundTrip(out)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer resp.Body.Close()
	for name, values := range resp.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(resp.StatusCode)
	_, _ = io.Copy(w, resp.Body)
}

// tunnel joins two connections until one of them ends.
func (f *forwarder) tunnel(w http.ResponseWriter, r *http.Request) {
	there, err := new(net.Dialer).DialContext(r.Context(), "tcp", r.Host)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer there.Close()
	here, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		f.t.Error(err)
		return
	}
	defer here.Close()
	_, _ = io.WriteString(here, "HTTP/1.1 200 OK\r\n\r\n")
	go func() {
		_, _ = io.Copy(there, here)
		_ = there.Close()
	}()
	_, _ = io.Copy(here, there)
}

// asked reports whether it was asked for the host of a URL.
func (f *forwarder) asked(url string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, host, _ := strings.Cut(url, "://")
	host, _, _ = strings.Cut(host, "/")
	return slices.Contains(f.hosts, host)
}

// TestRevocationsAreAskedThroughTheProxy: the proxy of a CA is that to its OCSP
// responders and to its revocation lists. Other CAs' are asked without it.
func TestRevocationsAreAskedThroughTheProxy(t *testing.T) {
	f := newFixture(t, acmetest.Options{OCSP: true})
	l := newListing(f)
	l.install("listed.test", 100)
	proxy := newForwarder(t)
	issuer := fmt.Sprintf("proxied: {directory: %q, roots_file: %s, proxy: %q}", f.ca.DirectoryURL(), f.roots, proxy.url)
	f.issuers = issuer
	f.configure(`certificates: {listed.test: {renew: {crl: true}}, b.test: {ocsp: {}}}`)
	f.apply()
	if len(proxy.hosts) > 0 || l.asked.Load() != 1 || len(f.ca.OCSP.Asked()) != 1 {
		t.Fatalf("%q were asked for by the proxy of another CA", proxy.hosts)
	}
	l.install("c.test", 101)
	f.configure(`certificates: {c.test: {issuer: [proxied], renew: {crl: true}}, d.test: {issuer: [proxied], ocsp: {}}}`)
	f.apply()
	for what, url := range map[string]string{"the CA": f.ca.DirectoryURL(), "its responder": f.ca.OCSP.URL(), "its list": l.url} {
		if !proxy.asked(url) {
			t.Errorf("%s, %s, was asked without the proxy: %q", what, url, proxy.hosts)
		}
	}
	if k := f.known("d.test"); k.OCSP[ecKey].SHA256 == "" {
		t.Errorf("no response was obtained: %+v", k.OCSP)
	}
}

// TestEndedResponseIsGivenUp: with `keep`, a response that has ended leaves its
// file after some time, though the responder gives no newer one.
func TestEndedResponseIsGivenUp(t *testing.T) {
	f := newFixture(t, acmetest.Options{OCSP: true})
	config := strings.Replace(f.ocspConfig(""), "{file:", "{keep: 1h, file:", 1)
	f.configure(config)
	f.apply()
	path, first := filepath.Join(f.dir, "ocsp/a.test.ecdsa-p256.ocsp"), f.response("a.test")
	f.ca.OCSP.Fail(http.StatusServiceUnavailable)
	holds := func(ended time.Duration, want []byte) {
		t.Helper()
		err := f.store.UpdateCert(t.Context(), "a.test", func(k *plan.KnownCert) error {
			staple := k.OCSP[ecKey]
			staple.AskAgain, staple.Ends, staple.Tries = time.Now().Add(-3*time.Hour), time.Now().Add(-ended), plan.Tries{}
			k.OCSP[ecKey] = staple
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if fault := f.failing(); fault.Code != plan.CodeOCSP {
			t.Errorf("fault %+v", fault)
		}
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s after its end the file holds %x, %v; want %x", ended, got, err, want)
		}
		f.problem(plan.CodeOCSPEnded)
	}
	holds(30*time.Minute, first)
	holds(61*time.Minute, ocsp.TryLater())
	if again := f.apply(); len(again.Done) != 0 {
		t.Errorf("the next pass did %+v", again.Done)
	}
	f.ca.OCSP.Fail(0)
	f.askApply("a.test")
	f.apply()
	f.response("a.test")
	if k := f.known("a.test"); k.OCSP[ecKey].GivenUp {
		t.Errorf("%+v", k.OCSP[ecKey])
	}
}
