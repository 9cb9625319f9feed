package acmetest

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
)

// Interceptor stands between a client and the CA. It may answer itself, call
// next, or alter what next answers.
type Interceptor func(w http.ResponseWriter, r *http.Request, next http.Handler)

// Request is a request that reached the CA's address, in order of arrival.
type Request struct {
	Kind   Kind
	Method string
	Path   string
}

// proxy stands before Pebble.
type proxy struct {
	url     string
	server  *http.Server
	backend *http.Transport
	handler http.Handler // to Pebble
	settle  *childLog    // nil where answers are not held back
	hook    atomic.Pointer[Interceptor]

	mu       sync.Mutex // guards requests and unready
	requests []Request
	unready  int

	// Pebble 2.10.1 holds an authorisation while it waits for its store, and
	// its store while it waits for authorisations: together with a waiting
	// writer that hangs it for ever. So requests for authorisations are kept
	// apart from those that look at orders, and new orders from each other.
	authz    sync.RWMutex
	newOrder sync.Mutex
}

// newProxy listens on a free port and forwards to backend.
func newProxy(a *authority, backend string, children *childLog, settle bool) (*proxy, error) {
	target, err := url.Parse(backend)
	if err != nil {
		return nil, fmt.Errorf("start the CA's proxy: %w", err)
	}
	listener, err := net.Listen("tcp", loopback(0))
	if err != nil {
		return nil, fmt.Errorf("start the CA's proxy: %w", err)
	}
	p := &proxy{
		url: "https://" + listener.Addr().String(),
		backend: &http.Transport{
			TLSClientConfig:     &tls.Config{RootCAs: a.pool, MinVersion: tls.VersionTLS12},
			MaxIdleConnsPerHost: 64,
		},
	}
	if settle {
		p.settle = children
	}
	quiet := log.New(children, "proxy ", 0)
	p.handler = &httputil.ReverseProxy{
		// The host stays as the client gave it: Pebble makes its URLs of it.
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host = target.Scheme, target.Host
			r.Out.Host = r.In.Host
		},
		Transport:      p.backend,
		ErrorLog:       quiet,
		ModifyResponse: p.look,
	}
	p.server = &http.Server{Handler: p, ErrorLog: quiet, TLSConfig: &tls.Config{
		Certificates: []tls.Certificate{a.server}, MinVersion: tls.VersionTLS12,
	}}
	go func() {
		// It ends with close; a test sees any other end as a refused connection.
		quiet.Print(p.server.ServeTLS(listener, "", ""))
	}()
	return p, nil
}

// close ends the proxy at once, requests under way included.
func (p *proxy) close() {
	// The error would speak of a listener that is closed already.
	_ = p.server.Close()
	p.backend.CloseIdleConnections()
}

// dropConnections forgets connections to a Pebble that is gone.
func (p *proxy) dropConnections() { p.backend.CloseIdleConnections() }

// ServeHTTP counts a request and hands it to the interceptor or to Pebble.
func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	p.requests = append(p.requests, Request{KindOf(r), r.Method, r.URL.Path})
	p.mu.Unlock()
	next := http.HandlerFunc(p.forward)
	if hook := p.hook.Load(); hook != nil {
		(*hook)(w, r, next)
		return
	}
	next(w, r)
}

// forward hands a request to Pebble, past its deadlock, and holds back the
// answer where that was asked for.
func (p *proxy) forward(w http.ResponseWriter, r *http.Request) {
	kind := KindOf(r)
	if p.settle != nil && (kind == Challenge || kind == Finalize) {
		held := newHeldAnswer()
		p.pass(kind, held, r)
		if held.code == http.StatusOK {
			p.settle.await(r.Context(), r.URL.Path)
		}
		held.release(w)
		return
	}
	p.pass(kind, w, r)
}

// pass forwards one request under the locks that its kind needs.
func (p *proxy) pass(kind Kind, w http.ResponseWriter, r *http.Request) {
	switch kind {
	case Authz:
		p.authz.Lock()
		defer p.authz.Unlock()
	case NewOrder:
		p.newOrder.Lock()
		defer p.newOrder.Unlock()
		fallthrough
	case Order, Finalize:
		p.authz.RLock()
		defer p.authz.RUnlock()
	}
	p.handler.ServeHTTP(w, r)
}

// look counts the polls that Pebble answered with "not yet".
func (p *proxy) look(resp *http.Response) error {
	if KindOf(resp.Request) != Order {
		return nil
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	var order struct{ Status string }
	// Anything else than an order is no "not yet".
	if json.Unmarshal(body, &order) == nil && (order.Status == "pending" || order.Status == "processing") {
		p.mu.Lock()
		p.unready++
		p.mu.Unlock()
	}
	return nil
}

// Intercept puts f between clients and the CA from now on; nil takes it away.
func (ca *CA) Intercept(f Interceptor) {
	if f == nil {
		ca.proxy.hook.Store(nil)
		return
	}
	ca.proxy.hook.Store(&f)
}

// Requests returns the requests since the start or the last ResetRequests,
// those included that an interceptor answered.
func (ca *CA) Requests() []Request {
	ca.proxy.mu.Lock()
	defer ca.proxy.mu.Unlock()
	return slices.Clone(ca.proxy.requests)
}

// Count returns how many requests of the given kinds there were; without a
// kind, of all.
func (ca *CA) Count(kinds ...Kind) int {
	n := 0
	for _, r := range ca.Requests() {
		if len(kinds) == 0 || slices.Contains(kinds, r.Kind) {
			n++
		}
	}
	return n
}

// Unready returns how many polls of an order Pebble itself answered with
// "pending" or "processing".
func (ca *CA) Unready() int {
	ca.proxy.mu.Lock()
	defer ca.proxy.mu.Unlock()
	return ca.proxy.unready
}

// ResetRequests forgets the requests so far.
func (ca *CA) ResetRequests() {
	ca.proxy.mu.Lock()
	defer ca.proxy.mu.Unlock()
	ca.proxy.requests, ca.proxy.unready = nil, 0
}
