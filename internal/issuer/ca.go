// Package issuer speaks with ACME CAs (RFC 8555): accounts, orders,
// certificates, renewal information (RFC 9773), revocation.
//
// New makes a CA without contacting it. Register or FindAccount gives an
// Account, and Issue turns a Job into a certificate chain that fits its key
// and names. Failures of the CA, the network or the configuration are *Error:
// they carry a plan.Code, who can mend it, the CA's own words, and how long
// the CA wants to be left alone.
//
// The CA is untrusted. What it sends is bounded in size and time, its
// identifiers must be ones that were asked for, its tokens never are paths,
// its words never reach a log with control characters, and its chain is
// checked against key and names before it is returned. CAs share nothing: one
// that hangs takes nothing of another.
package issuer

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mholt/acmez/v3/acme"

	"github.com/certkeep/certkeep/internal/network"
)

// The defaults of Config.
const (
	defaultRequestTimeout = 30 * time.Second
	defaultPatience       = 5 * time.Minute
)

// Config says how a CA is reached.
type Config struct {
	ID        string // the issuer's name in the config; stands in errors
	Directory string // URL of the directory, RFC 8555 section 7.1.1
	Roots     []byte // PEM: trusted for the CA's HTTPS in place of the system's roots
	// Unverified believes whoever answers under the directory's address.
	Unverified bool
	Proxy      *url.URL // HTTP proxy (CONNECT); nil follows HTTPS_PROXY and NO_PROXY
	UserAgent  string   // sent with every request; RFC 8555 section 6.1 demands one

	Network network.Network // the machine's where nil

	// Asked is told of every request, with the HTTP status of its answer, or 0
	// where there was none. It must be quick. Nil tells nobody.
	Asked func(method string, status int, took time.Duration)

	// ChainRoots (PEM) are roots by which Job.PreferredChain may choose,
	// besides the system's and Roots.
	ChainRoots []byte

	// RequestTimeout bounds each HTTP request with its answer; 30 s where zero.
	RequestTimeout time.Duration
	// Patience bounds how long the CA may take to validate, and again to
	// sign, within one Issue; 5 minutes where zero. The order can be resumed.
	Patience time.Duration
}

// CA is one ACME CA. Its methods may run at the same time.
type CA struct {
	cfg        Config
	http       *http.Client
	chainRoots func() *x509.CertPool // see prefer.go
	clock      clock
	pace       pace
	account    chan struct{} // holds one token: see AccountLock

	fetching chan struct{}             // holds one token: who has it fetches the directory
	dir      atomic.Pointer[directory] // nil until the first fetch
	failed   atomic.Pointer[failedFetch]
}

// New returns a CA. It contacts nobody; an error speaks of the Config.
func New(cfg Config) (*CA, error) {
	u, err := url.Parse(cfg.Directory)
	if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") {
		return nil, fmt.Errorf("issuer %s: directory %q is no URL of a CA", cfg.ID, cfg.Directory)
	}
	if cfg.UserAgent == "" {
		return nil, fmt.Errorf("issuer %s: no User-Agent", cfg.ID)
	}
	if cfg.Network == nil {
		cfg.Network = network.OS{}
	}
	if cfg.Asked == nil {
		cfg.Asked = func(string, int, time.Duration) {}
	}
	if cfg.RequestTimeout == 0 {
		cfg.RequestTimeout = defaultRequestTimeout
	}
	if cfg.Patience == 0 {
		cfg.Patience = defaultPatience
	}
	ca := &CA{cfg: cfg, account: make(chan struct{}, 1), fetching: make(chan struct{}, 1)}
	var httpsRoots *x509.CertPool
	if len(cfg.Roots) > 0 {
		httpsRoots = x509.NewCertPool()
		if !httpsRoots.AppendCertsFromPEM(cfg.Roots) {
			return nil, fmt.Errorf("issuer %s: the file of roots holds no certificate in PEM", cfg.ID)
		}
	}
	ca.http = &http.Client{
		Transport: &transport{
			base:      baseTransport(cfg, httpsRoots),
			userAgent: cfg.UserAgent,
			timeout:   cfg.RequestTimeout,
			clock:     &ca.clock,
			asked:     cfg.Asked,
			plain:     u.Scheme == "http",
		},
		CheckRedirect: checkRedirect,
	}
	ca.chainRoots = sync.OnceValue(func() *x509.CertPool { return trustedRoots(cfg) })
	return ca, nil
}

// ID is the issuer's name in the config.
func (ca *CA) ID() string { return ca.cfg.ID }

// Close ends idle connections. The CA can still be used.
func (ca *CA) Close() { ca.http.CloseIdleConnections() }

// AccountLock makes its holder the only one that works on this CA's account.
// Whoever registers takes it, looks whether an account is stored meanwhile,
// registers, stores it, and unlocks: so twenty jobs that start together make
// one account. It waits as long as ctx lets it.
func (ca *CA) AccountLock(ctx context.Context) (unlock func(), err error) {
	select {
	case ca.account <- struct{}{}:
		return sync.OnceFunc(func() { <-ca.account }), nil
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for the account of %s: %w", ca.cfg.ID, context.Cause(ctx))
	}
}

// dialTime bounds how long connecting to the CA may take.
const dialTime = 10 * time.Second

// baseTransport is what really sends the requests of one CA.
func baseTransport(cfg Config, roots *x509.CertPool) *http.Transport {
	proxy := http.ProxyFromEnvironment
	if cfg.Proxy != nil {
		proxy = http.ProxyURL(cfg.Proxy)
	}
	dial := func(ctx context.Context, kind, address string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, dialTime)
		defer cancel()
		return cfg.Network.DialContext(ctx, kind, address)
	}
	return &http.Transport{
		Proxy:                  proxy,
		DialContext:            dial,
		TLSClientConfig:        trusting(cfg, roots),
		TLSHandshakeTimeout:    10 * time.Second,
		ForceAttemptHTTP2:      true,
		MaxIdleConnsPerHost:    32,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
	}
}

// do runs one operation of the ACME library and turns its failure into an
// *Error, made of what the CA really answered. A cancelled context gives that
// cancellation, which is nobody's fault.
func (ca *CA) do(ctx context.Context, op string, f func(context.Context, *acme.Client) error) (*record, error) {
	dir, err := ca.directory(ctx)
	if err != nil {
		return nil, err
	}
	// The library gives up after ten refused nonces. A refused nonce means
	// that nothing was done, so asking again is safe.
	for try := 1; ; try++ {
		rec, err := ca.once(ctx, op, func(ctx context.Context) error { return f(ctx, dir.client) })
		e, ok := errors.AsType[*Error](err)
		if !ok || e.Type != acme.ProblemTypeBadNonce || try == 3 {
			return rec, err
		}
	}
}

// once runs f with a record in its context.
func (ca *CA) once(ctx context.Context, op string, f func(context.Context) error) (*record, error) {
	rec := &record{}
	inner, cancel := context.WithCancel(context.WithValue(ctx, recordKey{}, rec))
	defer cancel()
	rec.giveUp = cancel
	err := f(inner)
	switch {
	case err == nil:
		return rec, nil
	case ctx.Err() != nil:
		return rec, fmt.Errorf("%s: %s: %w", ca.cfg.ID, op, context.Cause(ctx))
	default:
		return rec, ca.explain(op, rec, err)
	}
}
