package main

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/mholt/acmez/v3/acme"
	"golang.org/x/sync/errgroup"

	"github.com/certkeep/certkeep/internal/issuer"
)

// loop is the least that any client of the same library does: it keeps
// nothing, checks nothing, and has its keys ready.
type loop struct {
	site    *site
	roots   *x509.CertPool
	client  *acme.Client
	account acme.Account
	answers *answers
	http    string
}

// answers serves http-01 for the bare loop.
type answers struct {
	mu      sync.Mutex
	byToken map[string]string // guarded by mu
}

func (a *answers) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	fmt.Fprint(w, a.byToken[strings.TrimPrefix(r.URL.Path, "/.well-known/acme-challenge/")])
}

func newLoop(ctx context.Context, s *site) (*loop, error) {
	l := &loop{
		site:    s,
		roots:   x509.NewCertPool(),
		answers: &answers{byToken: map[string]string{}},
		http:    fmt.Sprintf("127.0.0.1:%d", s.ca.HTTPPort()),
	}
	l.roots.AppendCertsFromPEM(s.ca.RootPEM())
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	l.connect()
	l.account, err = l.client.NewAccount(ctx, acme.Account{PrivateKey: key, TermsOfServiceAgreed: true})
	return l, err
}

// connect begins with a new client, which has neither a connection nor a nonce.
func (l *loop) connect() {
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: l.roots}, MaxIdleConnsPerHost: 32, ForceAttemptHTTP2: true}
	l.client = &acme.Client{
		Directory:    l.site.ca.DirectoryURL(),
		HTTPClient:   &http.Client{Transport: noAdvice{transport}},
		PollInterval: time.Millisecond,
	}
}

// round issues n certificates as the engine's rounds do: by a client of its
// own, its account known, that has issued one certificate before.
func (l *loop) round(ctx context.Context, name string, n, parallel int) (time.Duration, error) {
	l.connect()
	if _, err := l.run(ctx, name+"-warm", 1, 1); err != nil {
		return 0, err
	}
	return l.run(ctx, name+"-", n, parallel)
}

// noAdvice takes renewal information out of the directory: the library would
// ask for it at each download, which the engine under comparison does not.
type noAdvice struct{ http.RoundTripper }

func (n noAdvice) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := n.RoundTripper.RoundTrip(r)
	if err != nil || r.Method != http.MethodGet {
		return resp, err
	}
	defer resp.Body.Close()
	var directory map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&directory); err != nil {
		return nil, err
	}
	delete(directory, "renewalInfo")
	text, err := json.Marshal(directory)
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
	return resp, err
}

// run issues n certificates and returns how long it took.
func (l *loop) run(ctx context.Context, prefix string, n, parallel int) (time.Duration, error) {
	listener, err := net.Listen("tcp", l.http)
	if err != nil {
		return 0, err
	}
	server := &http.Server{Handler: l.answers, ReadHeaderTimeout: time.Second}
	go server.Serve(listener)
	defer server.Close()
	keys := make([]crypto.Signer, n)
	for i := range keys {
		if keys[i], err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			return 0, err
		}
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	start := time.Now()
	for i := range n {
		group.Go(func() error { return l.one(ctx, fmt.Sprintf("%s%d.test", prefix, i), keys[i]) })
	}
	err = group.Wait()
	return time.Since(start), err
}

// one issues a single certificate.
func (l *loop) one(ctx context.Context, name string, key crypto.Signer) error {
	order, err := l.client.NewOrder(ctx, l.account, acme.Order{Identifiers: []acme.Identifier{{Type: "dns", Value: name}}})
	if err != nil {
		return err
	}
	authz, err := l.client.GetAuthorization(ctx, l.account, order.Authorizations[0])
	if err != nil {
		return err
	}
	if authz.Status != acme.StatusValid {
		if err := l.prove(ctx, authz); err != nil {
			return err
		}
	}
	for order.Status == acme.StatusPending {
		time.Sleep(5 * time.Millisecond)
		if order, err = l.client.GetOrder(ctx, l.account, order); err != nil {
			return err
		}
	}
	csr, err := issuer.CSR(key, []string{name}, "", false)
	if err != nil {
		return err
	}
	if order, err = l.client.FinalizeOrder(ctx, l.account, order, csr); err != nil {
		return err
	}
	_, err = l.client.GetCertificateChain(ctx, l.account, order.Certificate)
	return err
}

// prove answers the http-01 challenge of an authorisation.
func (l *loop) prove(ctx context.Context, authz acme.Authorization) error {
	for _, c := range authz.Challenges {
		if c.Type != acme.ChallengeTypeHTTP01 {
			continue
		}
		l.answers.mu.Lock()
		l.answers.byToken[c.Token] = c.KeyAuthorization
		l.answers.mu.Unlock()
		_, err := l.client.InitiateChallenge(ctx, l.account, c)
		return err
	}
	return fmt.Errorf("no http-01 challenge for %s", authz.Identifier.Value)
}
