package fakeca_test

import (
	"context"
	"crypto"
	"errors"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/challenge"
	"github.com/certkeep/certkeep/internal/issuer"
	"github.com/certkeep/certkeep/internal/keys"
	"github.com/certkeep/certkeep/internal/sim/fakeca"
)

// world is a CA, the client of it, and their clock.
type world struct {
	t      *testing.T
	ca     *fakeca.CA
	client *issuer.CA

	mu    sync.Mutex
	ahead time.Duration // of the CA's clock before the machine's; guarded by mu
	wrong error         // what validation comes to
	asked []string      // what was validated
}

// day is the unit of most lives.
const day = 24 * time.Hour

// newWorld starts a CA.
func newWorld(t *testing.T, change ...func(*fakeca.Options)) *world {
	t.Helper()
	w := &world{t: t}
	opt := fakeca.Options{
		Name: "ca.test", Now: w.now, Validate: w.validate,
		Profiles: map[string]time.Duration{"classic": 90 * day, "shortlived": 6 * day}, Default: "classic",
	}
	for _, c := range change {
		c(&opt)
	}
	var err error
	if w.ca, err = fakeca.New(opt); err != nil {
		t.Fatal(err)
	}
	w.client = w.connect()
	return w
}

// connect makes a client that reaches the CA in memory.
func (w *world) connect() *issuer.CA {
	w.t.Helper()
	wire := &wire{conns: make(chan net.Conn), closed: make(chan struct{})}
	server := &http.Server{Handler: w.ca}
	served := make(chan error)
	go func() { served <- server.Serve(wire) }()
	client, err := issuer.New(issuer.Config{
		ID: "sim", Directory: w.ca.DirectoryURL(), UserAgent: "test", Network: wire,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		client.Close()
		server.Close()
		<-served
	})
	return client
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Now().Add(w.ahead)
}

// pass moves the CA's clock.
func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ahead += d
}

// fail lets validations fail from now on, or succeed again.
func (w *world) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wrong = err
}

func (w *world) validate(_ context.Context, typ, name, token, keyAuth string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked = append(w.asked, typ+" "+name)
	if token == "" || len(keyAuth) != len(token)+1+43 {
		return errors.New("the key authorisation has a wrong form")
	}
	return w.wrong
}

// validated lists what was validated since the last call.
func (w *world) validated() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	asked := w.asked
	w.asked = nil
	return asked
}

// register opens an account.
func (w *world) register() issuer.Account {
	w.t.Helper()
	a, err := w.client.Register(w.t.Context(), issuer.Registration{Key: newKey(w.t, keys.ECDSAP256)})
	if err != nil {
		w.t.Fatal(err)
	}
	return a
}

// issue gets a certificate for names.
func (w *world) issue(a issuer.Account, names ...string) (issuer.Issued, error) {
	w.t.Helper()
	return w.client.Issue(w.t.Context(), w.job(a, names...))
}

// mustIssue does so without failure.
func (w *world) mustIssue(a issuer.Account, names ...string) issuer.Issued {
	w.t.Helper()
	issued, err := w.issue(a, names...)
	if err != nil {
		w.t.Fatal(err)
	}
	return issued
}

// job asks for a certificate for names.
func (w *world) job(a issuer.Account, names ...string) issuer.Job {
	w.t.Helper()
	key := newKey(w.t, keys.ECDSAP256)
	csr, err := issuer.CSR(key, names, "", false)
	if err != nil {
		w.t.Fatal(err)
	}
	return issuer.Job{
		Account: a, Names: names, CSR: csr, Public: key.Public(),
		Solvers: func(challenge.Identifier) []challenge.Solver { return []challenge.Solver{solver{}} },
		Save:    func(issuer.Order) error { return nil },
	}
}

// last is the CA's last certificate.
func (w *world) last() fakeca.Issuance {
	w.t.Helper()
	all := w.ca.Issuances()
	if len(all) == 0 {
		w.t.Fatal("the CA has signed nothing")
	}
	return all[len(all)-1]
}

// wantBreaches checks how many breaches were noted.
func (w *world) wantBreaches(n int) {
	w.t.Helper()
	if got := w.ca.Breaches(); len(got) != n {
		w.t.Errorf("%d breaches, want %d: %q", len(got), n, got)
	}
}

func newKey(t *testing.T, kind keys.Type) crypto.Signer {
	t.Helper()
	key, err := keys.Generate(kind)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// failure is what the client says of a refusal.
func failure(t *testing.T, err error) *issuer.Error {
	t.Helper()
	e, ok := errors.AsType[*issuer.Error](err)
	if !ok {
		t.Fatalf("error %v, want one of the issuer", err)
	}
	return e
}

// solver answers http-01 in the mind of the CA alone.
type solver struct{}

func (solver) Type() string                                       { return challenge.TypeHTTP01 }
func (solver) Present(context.Context, challenge.Challenge) error { return nil }
func (solver) CleanUp(context.Context, challenge.Challenge) error { return nil }

// wire is a network of one server.
type wire struct {
	conns  chan net.Conn
	once   sync.Once
	closed chan struct{}
}

func (w *wire) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case w.conns <- theirs:
		return ours, nil
	case <-w.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (w *wire) Listen(context.Context, string, string) (net.Listener, error) { return w, nil }

func (w *wire) Accept() (net.Conn, error) {
	select {
	case c := <-w.conns:
		return c, nil
	case <-w.closed:
		return nil, net.ErrClosed
	}
}

func (w *wire) Close() error   { w.once.Do(func() { close(w.closed) }); return nil }
func (w *wire) Addr() net.Addr { return &net.TCPAddr{} }
