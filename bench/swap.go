package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/certkeep/certkeep"
	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/daemon"
	"github.com/certkeep/certkeep/internal/engine"
	"github.com/certkeep/certkeep/internal/plan"
)

// handshakes is how many are made while certificates are renewed.
const handshakes = 100_000

// swap makes many handshakes with a net/http server whose certificate is
// renewed again and again, and counts those that fail.
func (b *bench) swap(ctx context.Context) error {
	heading("Handshakes during renewals, in the Go library")
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer listener.Close()
	s, err := b.site(ctx, "swap", acmetest.Options{TLSPort: listener.Addr().(*net.TCPAddr).Port})
	if err != nil {
		return err
	}
	defer s.ca.Close()
	keeper, err := certkeep.Open(certkeep.Options{
		Config: fmt.Sprintf("state: %s/state\naccept_terms: true\nissuers: {pebble: {directory: %q, roots_file: %s}}\ndefaults: {issuer: pebble, files: []}\ncertificates: {a.example: {}}\n", s.dir, s.ca.DirectoryURL(), s.roots),
		Log:    slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return err
	}
	defer keeper.Close()
	server := &http.Server{TLSConfig: keeper.TLSConfig(), Handler: http.NotFoundHandler(), ReadHeaderTimeout: time.Minute, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}
	go func() { _ = server.ServeTLS(listener, "", "") }()
	defer server.Close()
	l := &load{address: listener.Addr().String(), seen: map[string]int{}}
	for !l.real() { // until the first certificate is there
		l.once(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		time.Sleep(10 * time.Millisecond)
	}
	renewed, stop := context.WithCancel(ctx)
	defer stop()
	renewals := make(chan error, 1)
	go func() { renewals <- renewAgain(renewed, filepath.Join(s.dir, "state")) }()
	l.reset()
	begin := time.Now()
	l.run(ctx)
	long := time.Since(begin)
	stop()
	if err := <-renewals; err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	fmt.Printf("%d full handshakes (no resumption), %d at a time, in %.0f s; %d certificates were shown one after another; **%d handshakes failed**.\n",
		handshakes, l.clients(), long.Seconds(), len(l.seen), l.failed.Load())
	return ctx.Err()
}

// renewAgain asks for a new certificate as soon as the last one is there.
func renewAgain(ctx context.Context, state string) error {
	client, err := daemon.Dial(ctx, state)
	if err != nil {
		return err
	}
	defer client.Close()
	for ctx.Err() == nil {
		if _, err := client.Ask(ctx, daemon.Ask{Kind: plan.AskRenew, Names: []string{"a.example"}}, func(engine.Progress) {}); err != nil {
			return err
		}
	}
	return nil
}

// load is many clients.
type load struct {
	address string
	failed  atomic.Int64

	mu   sync.Mutex // guards seen
	seen map[string]int
}

func (l *load) clients() int { return 4 * runtime.GOMAXPROCS(0) }

func (l *load) run(ctx context.Context) {
	var left atomic.Int64
	left.Store(handshakes)
	var clients sync.WaitGroup
	for range l.clients() {
		clients.Go(func() {
			for left.Add(-1) >= 0 && ctx.Err() == nil {
				l.once(ctx)
			}
		})
	}
	clients.Wait()
}

// once makes a handshake to its end.
func (l *load) once(ctx context.Context) {
	d := tls.Dialer{Config: &tls.Config{ServerName: "a.example", InsecureSkipVerify: true}}
	c, err := d.DialContext(ctx, "tcp", l.address)
	if err != nil {
		l.failed.Add(1)
		return
	}
	defer c.Close()
	leaf := c.(*tls.Conn).ConnectionState().PeerCertificates[0]
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seen[leaf.Issuer.CommonName+" "+leaf.SerialNumber.String()]++
}

// real reports whether a certificate of the CA was seen.
func (l *load) real() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for who := range l.seen {
		if len(who) > 6 && who[:6] == "Pebble" {
			return true
		}
	}
	return false
}

func (l *load) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.seen)
	l.failed.Store(0)
}
