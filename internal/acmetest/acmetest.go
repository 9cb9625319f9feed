// Package acmetest runs a real ACME CA on loopback: Pebble, its DNS server
// challtestsrv, and a proxy in front that counts and disturbs requests. It is
// for tests and the demo only.
//
// Start gives a test a CA that ends with the test; Launch gives one to any
// other program, which ends it with Close. Nothing outside 127.0.0.1 is
// contacted, and the children die with the process that started them.
package acmetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"
)

// Options shape a CA. The zero value is a quick and reliable CA: ECDSA, no
// pause before validations, no rejected nonces, no reused authorisations, one
// profile named "default" with 90 days.
type Options struct {
	Profiles     map[string]Profile // instead of "default"; with several, Pebble picks one at random when none is asked for
	Validity     time.Duration      // lifetime under the profile "default"; 90 days where zero
	KeyAlgorithm string             // of the CA's own keys: "ecdsa" (default) or "rsa", which is slow to start

	ChainLength    int // intermediates; 1 where zero
	AlternateRoots int // further chains offered for each certificate

	NonceReject     int           // percent of good nonces that are refused
	AuthzReuse      int           // percent of orders that reuse valid authorisations; 0 still reuses about 1 %
	RetryAfterAuthz time.Duration // whole seconds
	RetryAfterOrder time.Duration // whole seconds
	ValidationPause bool          // Pebble's pause of up to 5 s before each validation
	Strict          bool          // Pebble's -strict

	EAB     map[string]string // key id → base64url HMAC key; accounts need one of them where it is not empty
	Blocked []string          // domains that are refused

	OCSP bool // certificates name an OCSP responder, see CA.OCSP; the CA's keys are RSA then

	HTTPPort int    // where http-01 answers are expected; a free one where zero
	TLSPort  int    // where tls-alpn-01 answers are expected; a free one where zero
	DNS      string // host:port of a DNS server (asked over TCP); challtestsrv is started where empty

	// Settle holds back the answer to a challenge or a finalisation until
	// Pebble has done the work, so that the first poll finds it ready. It is
	// how requests are counted without depending on time.
	Settle bool

	Log io.Writer // the children's log; thrown away where nil
}

// Profile is a certificate profile of the CA.
type Profile struct {
	Description string
	Validity    time.Duration // whole seconds
}

// CA is a running CA.
type CA struct {
	DNS *DNS // challtestsrv; nil where Options.DNS was given
	// OCSP is the responder that its certificates name; nil without
	// Options.OCSP.
	OCSP *Responder

	opts    Options
	tools   tools
	dir     string // configuration and keys of the children
	tls     *authority
	dnsAddr string
	port    int // Pebble's own ACME port, behind the proxy
	manage  int // Pebble's management port
	client  *http.Client
	proxy   *proxy
	log     *childLog

	mu     sync.Mutex // guards pebble
	pebble *process
	dns    *process
}

// Start runs a CA for a test and ends it with the test. Where the programs
// are not built the test is skipped, or fails where CI is set.
func Start(t testing.TB, o Options) *CA {
	t.Helper()
	ca, err := Launch(t.Context(), o)
	if missing, ok := errors.AsType[*MissingToolError](err); ok && os.Getenv("CI") == "" {
		t.Skipf("%v", missing)
	}
	if err != nil {
		t.Fatalf("start the test CA: %v", err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the CA's log ends with:\n%s", ca.log.tail())
		}
		if err := ca.Close(); err != nil {
			t.Errorf("end the test CA: %v", err)
		}
	})
	return ca
}

// Launch runs a CA and returns when it answers. The context bounds only the
// start. A program that is not built gives a *MissingToolError.
func Launch(ctx context.Context, o Options) (*CA, error) {
	found, err := findTools()
	if err != nil {
		return nil, err
	}
	// Another process may take a port between its choice and its use: the
	// child then ends at once, and other ports are tried.
	for try := 1; ; try++ {
		ca, err := launch(ctx, found, o)
		if err == nil || try == 5 || ctx.Err() != nil {
			return ca, err
		}
	}
}

// launch makes one attempt with fresh ports.
func launch(ctx context.Context, found tools, o Options) (_ *CA, err error) {
	ca := &CA{opts: o, tools: found, log: newChildLog(o.Log)}
	defer func() {
		if err != nil {
			err = errors.Join(err, ca.Close())
		}
	}()
	if ca.dir, err = os.MkdirTemp("", "certkeep-acmetest-"); err != nil {
		return nil, fmt.Errorf("make the CA's folder: %w", err)
	}
	if ca.tls, err = newAuthority(ca.dir); err != nil {
		return nil, err
	}
	ca.client = ca.tls.client()
	if err := ca.choosePorts(); err != nil {
		return nil, err
	}
	if err := ca.startDNS(ctx); err != nil {
		return nil, err
	}
	if o.OCSP {
		if ca.OCSP, err = newResponder(ca); err != nil {
			return nil, err
		}
	}
	if err := ca.writeConfig(); err != nil {
		return nil, err
	}
	if err := ca.startPebble(ctx); err != nil {
		return nil, err
	}
	ca.proxy, err = newProxy(ca.tls, ca.backend(), ca.log, o.Settle)
	if err != nil {
		return nil, err
	}
	return ca, nil
}

// choosePorts fills in the ports that were left open.
func (ca *CA) choosePorts() error {
	for _, p := range []*int{&ca.port, &ca.manage, &ca.opts.HTTPPort, &ca.opts.TLSPort} {
		if *p != 0 {
			continue
		}
		port, err := FreePort()
		if err != nil {
			return err
		}
		*p = port
	}
	return nil
}

// Close ends the children and the proxy, and removes their files.
func (ca *CA) Close() error {
	ca.mu.Lock()
	defer ca.mu.Unlock()
	if ca.proxy != nil {
		ca.proxy.close()
	}
	if ca.OCSP != nil {
		_ = ca.OCSP.server.Close() // ends what still waits for an answer
	}
	ca.pebble.stop()
	ca.dns.stop()
	if ca.client != nil {
		ca.client.CloseIdleConnections()
	}
	return os.RemoveAll(ca.dir)
}

// Restart kills Pebble and starts it again on the same port. It forgets
// everything: accounts, orders, certificates and its own roots.
func (ca *CA) Restart(ctx context.Context) error {
	ca.mu.Lock()
	ca.pebble.stop()
	ca.mu.Unlock()
	ca.proxy.dropConnections()
	ca.client.CloseIdleConnections()
	return ca.startPebble(ctx)
}

// DirectoryURL is where an ACME client begins.
func (ca *CA) DirectoryURL() string { return ca.proxy.url + pathDirectory }

// RootPEM is the certificate to trust for the CA's own HTTPS. Those that its
// certificates lead to are IssuingRoots.
func (ca *CA) RootPEM() []byte { return ca.tls.rootPEM }

// HTTPPort is where Pebble expects answers to http-01.
func (ca *CA) HTTPPort() int { return ca.opts.HTTPPort }

// TLSPort is where Pebble expects answers to tls-alpn-01.
func (ca *CA) TLSPort() int { return ca.opts.TLSPort }

// DNSAddr is the DNS server that Pebble asks, as host:port.
func (ca *CA) DNSAddr() string { return ca.dnsAddr }

// backend is Pebble itself, behind the proxy.
func (ca *CA) backend() string { return "https://" + loopback(ca.port) }

// loopback is an address of this machine.
func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// PID is Pebble's process.
func (ca *CA) PID() int {
	ca.mu.Lock()
	defer ca.mu.Unlock()
	return ca.pebble.cmd.Process.Pid
}
