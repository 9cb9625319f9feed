// Package fakeca is an ACME CA that exists in memory alone: RFC 8555, renewal
// information (RFC 9773) and profiles (draft-ietf-acme-profiles), with the
// rate limits and habits of real CAs. It stands in for them where Pebble
// cannot: in years of simulated time, in many lives of one client.
//
// New makes a CA. ServeHTTP is what clients see of it; Issuances and Breaches
// say afterwards what it signed, and what a client did that it must not. The
// methods of operator.go are what a CA's own people do: move renewal windows,
// revoke, lose data, be overloaded.
//
// It checks every signature, nonce and CSR for real, and asks Options.Now for
// every instant. It keeps plain data under one mutex, no goroutine, timer or
// channel: one CA may serve several testing/synctest bubbles, one after the
// other. Its randomness is crypto/rand.
package fakeca

import (
	"context"
	"crypto/ecdsa"
	"crypto/x509"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Options say how a CA behaves.
type Options struct {
	Name string           // host in URLs: the directory is http://NAME/directory
	Now  func() time.Time // the CA's own clock; it may differ from the client's

	Profiles map[string]time.Duration // advertised profiles, and how long their certificates live
	Default  string                   // the profile where none is asked for
	Terms    string                   // URL of the terms of service; "" for none
	EAB      map[string][]byte        // MAC keys by their ids; with any, an account needs one of its own

	Limits Limits

	// ReuseAuthz is how long a valid authorisation serves for further orders;
	// zero: for its own order alone.
	ReuseAuthz time.Duration
	// SignTime is how long an order is processing; the answer to finalize says
	// so even where it is zero.
	SignTime time.Duration
	// PollAfter is the Retry-After of orders and authorisations that wait for
	// the CA; zero: there is none.
	PollAfter time.Duration
	// WindowAfter is the Retry-After of renewal information; six hours where
	// zero.
	WindowAfter time.Duration
	// OCSPLife is how long an OCSP response is believed; zero: there is no
	// responder, and certificates name none.
	OCSPLife time.Duration
	// CRLLife is how long a revocation list is believed; zero: there is none,
	// and certificates name none.
	CRLLife time.Duration

	// Validate looks at the answer to a challenge: its type, the name without
	// "*.", its token and the key authorisation that proves it. Nil is valid;
	// the error's text is shown to the client. A *ValidationError says which
	// ACME error it is; a net.Error is one of connection, any other is
	// unauthorized. The CA does no request of its own.
	Validate func(ctx context.Context, typ, name, token, keyAuth string) error
}

// ValidationError is a failed validation with the ACME type that the client
// is shown, RFC 8555 section 6.7, such as "dns" or "caa".
type ValidationError struct{ Type, Detail string }

// Error says what failed.
func (e *ValidationError) Error() string { return e.Detail }

// pendingLife is how long orders and authorisations wait for their client.
const pendingLife = 7 * 24 * time.Hour

// CA is a certification authority. Its methods may run at the same time.
type CA struct {
	opt  Options
	base string // of all URLs, without a slash at its end

	rootPEM  []byte
	interPEM []byte
	inter    *x509.Certificate
	interKey *ecdsa.PrivateKey

	mu        sync.Mutex // guards what follows; never held while Validate runs
	serial    uint64     // of accounts, orders, authorisations
	orderings int        // see tidy
	nonces    nonceBook
	accounts  map[string]*account // by URL
	byKey     map[string]*account // by thumbprint
	bound     map[string]string   // thumbprint of the account's key, by id of its external account key
	orders    map[string]*order   // by id
	open      map[string]*order   // by account, profile and names: may be handed out again
	authz     map[string]*authz   // by id
	proven    map[string]*authz   // by account and name: may be used again
	certs     map[string]*cert    // by serial number
	byCertID  map[string]*cert
	issued    []*cert // in the order of their issuance
	meters    map[string]*meter
	told      map[string]promise
	breaches  []Breach
	busy      time.Time             // overloaded until then
	said      map[string]*statement // by serial number
	list      *list                 // of what is revoked; nil before anybody asked for it
	frozen    time.Time             // until then responder and list say nothing new
	had       map[string]bool       // sets of names that a certificate was signed for
	refusals  []Refusal
}

// New makes a CA with a fresh root and intermediate.
func New(opt Options) (*CA, error) {
	if opt.Name == "" || opt.Now == nil || opt.Validate == nil {
		return nil, errors.New("a CA needs a name, a clock and a way to validate")
	}
	if opt.Profiles[opt.Default] <= 0 {
		return nil, fmt.Errorf("the CA does not offer its default profile %q", opt.Default)
	}
	if opt.WindowAfter == 0 {
		opt.WindowAfter = 6 * time.Hour
	}
	c := &CA{
		opt:      opt,
		base:     "http://" + opt.Name,
		nonces:   newNonceBook(),
		accounts: map[string]*account{},
		byKey:    map[string]*account{},
		bound:    map[string]string{},
		orders:   map[string]*order{},
		open:     map[string]*order{},
		authz:    map[string]*authz{},
		proven:   map[string]*authz{},
		certs:    map[string]*cert{},
		byCertID: map[string]*cert{},
		meters:   map[string]*meter{},
		told:     map[string]promise{},
		said:     map[string]*statement{},
		had:      map[string]bool{},
	}
	if err := c.makeChain(); err != nil {
		return nil, err
	}
	return c, nil
}

// DirectoryURL is where a client begins.
func (c *CA) DirectoryURL() string { return c.base + "/directory" }

// RootPEM is the root that all chains end in.
func (c *CA) RootPEM() []byte { return append([]byte(nil), c.rootPEM...) }

// nextID names the next thing. An id is never used twice, also not after the
// CA has forgotten what bore it.
func (c *CA) nextID() string {
	c.serial++
	return fmt.Sprint(c.serial)
}
