package issuer

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/challenge"
)

// userAgent is what the tests call themselves.
const userAgent = "certkeep/test (+https://certkeep.example)"

// connect returns the CA behind a test CA's address.
func connect(t *testing.T, pebble *acmetest.CA, change ...func(*Config)) *CA {
	t.Helper()
	cfg := Config{ID: "pebble", Directory: pebble.DirectoryURL(), Roots: pebble.RootPEM(), UserAgent: userAgent}
	for _, f := range change {
		f(&cfg)
	}
	ca, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(ca.Close)
	return ca
}

// newKey makes a key.
func newKey(t *testing.T) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// yes agrees to all terms.
func yes(string) error { return nil }

// register makes an account.
func register(t *testing.T, ca *CA) Account {
	t.Helper()
	a, err := ca.Register(t.Context(), Registration{Key: newKey(t), AgreeTerms: yes})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// newJob asks for names, with a key of its own, proven by solvers.
func newJob(t *testing.T, a Account, names []string, solvers ...challenge.Solver) Job {
	t.Helper()
	key := newKey(t)
	csr, err := CSR(key, names, "", false)
	if err != nil {
		t.Fatal(err)
	}
	return Job{
		Account: a, Names: names, CSR: csr, Public: key.Public(),
		Solvers: func(challenge.Identifier) []challenge.Solver { return solvers },
		Save:    func(Order) error { return nil },
		Warn:    func(err error) { t.Logf("warning: %v", err) },
	}
}

// answers is what all test solvers share: it remembers what is put up.
type answers struct {
	mu    sync.Mutex
	up    map[string]string        // token → key authorisation
	asked map[string]chan struct{} // by token; closed when the CA has looked
	total int                      // calls of Present
}

func (a *answers) put(c challenge.Challenge) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.up == nil {
		a.up, a.asked = make(map[string]string), make(map[string]chan struct{})
	}
	a.up[c.Token] = c.KeyAuthorization
	a.asked[c.Token] = make(chan struct{})
	a.total++
}

func (a *answers) take(c challenge.Challenge) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.up, c.Token)
}

// left counts the answers that nobody took away.
func (a *answers) left() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.up)
}

// presented counts the answers that were put up.
func (a *answers) presented() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.total
}

// httpSolver answers http-01 on a port of its own.
type httpSolver struct {
	answers
	before func(*http.Request) // called with each request of the CA; may be nil
}

// hooks calls f with each request of the CA from now on.
func (s *httpSolver) hooks(f func(*http.Request)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before = f
}

// serveHTTP01 answers where the test CA looks.
func serveHTTP01(t *testing.T, pebble *acmetest.CA) *httpSolver {
	t.Helper()
	s := new(httpSolver)
	server := &http.Server{Addr: fmt.Sprintf("127.0.0.1:%d", pebble.HTTPPort()), Handler: s}
	listen(t, server)
	return s
}

// ServeHTTP answers one request of the CA.
func (s *httpSolver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	token, ok := strings.CutPrefix(r.URL.Path, "/.well-known/acme-challenge/")
	s.mu.Lock()
	before := s.before
	s.mu.Unlock()
	if before != nil {
		before(r)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	answer := s.up[token]
	if !ok || answer == "" {
		http.NotFound(w, r)
		return
	}
	if _, err := w.Write([]byte(answer)); err != nil {
		return
	}
	select {
	case <-s.asked[token]:
	default:
		close(s.asked[token])
	}
}

func (s *httpSolver) Type() string { return challenge.TypeHTTP01 }

func (s *httpSolver) Present(_ context.Context, c challenge.Challenge) error {
	s.put(c)
	return nil
}

func (s *httpSolver) CleanUp(_ context.Context, c challenge.Challenge) error {
	s.take(c)
	return nil
}

// Asked makes it a challenge.Asker.
func (s *httpSolver) Asked(c challenge.Challenge) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[c.Token]
}

// dnsSolver answers dns-01 through the test CA's DNS server.
type dnsSolver struct {
	answers
	dns  *acmetest.DNS
	wait func(context.Context, challenge.Challenge) error
}

func (s *dnsSolver) Type() string { return challenge.TypeDNS01 }

func (s *dnsSolver) Present(_ context.Context, c challenge.Challenge) error {
	s.put(c)
	return s.dns.SetTXT("_acme-challenge."+c.Identifier.Value, c.DNSValue())
}

func (s *dnsSolver) CleanUp(_ context.Context, c challenge.Challenge) error {
	s.take(c)
	return nil // ClearTXT would take away the wildcard's value too
}

// Wait makes it a challenge.Waiter.
func (s *dnsSolver) Wait(ctx context.Context, c challenge.Challenge) error {
	if s.wait == nil {
		return nil
	}
	return s.wait(ctx, c)
}

// brokenSolver cannot answer, or answers wrongly.
type brokenSolver struct {
	answers
	kind string
	err  error // of Present; nil puts up nothing that the CA could see
}

func (s *brokenSolver) Type() string { return s.kind }

func (s *brokenSolver) Present(_ context.Context, c challenge.Challenge) error {
	s.put(c)
	return s.err
}

func (s *brokenSolver) CleanUp(_ context.Context, c challenge.Challenge) error {
	s.take(c)
	return nil
}

// failure returns the *Error in err.
func failure(t *testing.T, err error) *Error {
	t.Helper()
	e, ok := errors.AsType[*Error](err)
	if !ok {
		t.Fatalf("error %v (%T), want an *Error", err, err)
	}
	return e
}
