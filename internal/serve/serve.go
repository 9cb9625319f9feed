// Package serve hands the published certificates to TLS handshakes: an index
// of all names, and in memory as many certificates as there is room for.
//
// New makes a Shelf over a store that is open for reading. Refresh reads all
// of it, Follow takes over what others change, and Get is what a handshake
// asks. What is in memory is given out without a lock that anybody holds for
// long, without a look at the disk, and without an allocation; anything else
// is read when somebody asks for it. A certificate that cannot be read does
// not displace the one that is being served.
package serve

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/certkeep/certkeep/internal/store"
)

// The answers of Get where there is no certificate.
var (
	// ErrUnknown says that no certificate is for this name.
	ErrUnknown = errors.New("no certificate is for this name")
	// ErrNotYet says that one is wanted for this name, and none is there yet.
	ErrNotYet = errors.New("the certificate for this name is not there yet")
	// ErrBusy says that too many certificates are being read from the disk.
	ErrBusy = errors.New("too many certificates are being read just now")
)

// readers is how many certificates are read from the disk at once.
func readers() int { return 4 * runtime.GOMAXPROCS(0) }

// Shelf holds certificates for handshakes. Its methods may be called at the
// same time.
type Shelf struct {
	store *store.Store
	log   *slog.Logger

	taking sync.Mutex       // held while the store is read for the index: what was read later is noted later
	late   map[string]*late // what could not be read, by certificate; guarded by taking

	mu      sync.RWMutex // guards what follows
	index   index
	entries map[string]*entry // by certificate

	memory memory
	slots  chan struct{} // who may read the disk
}

// New makes an empty shelf over a store, with room for so many certificates
// in memory.
func New(s *store.Store, room int, log *slog.Logger) *Shelf {
	return &Shelf{
		store: s, log: log, late: map[string]*late{}, index: newIndex(), entries: map[string]*entry{},
		memory: memory{room: max(1, room)}, slots: make(chan struct{}, readers()),
	}
}

// Held returns the certificate for a client that says hello where it is in
// memory, else nil. It allocates nothing.
func (s *Shelf) Held(hello *tls.ClientHelloInfo) *tls.Certificate {
	e := s.find(hello)
	if e == nil {
		return nil
	}
	on := e.shown.Load()
	if on == nil {
		return nil
	}
	e.touch()
	return on.choose(hello, time.Now())
}

// Get returns the certificate for a client that says hello. Reading it from
// the disk, where it is not in memory, is not waited for beyond ctx.
func (s *Shelf) Get(ctx context.Context, hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	e := s.find(hello)
	if e == nil {
		return nil, ErrUnknown
	}
	on := e.shown.Load()
	if on == nil {
		var err error
		if on, err = s.load(ctx, e); err != nil {
			return nil, err
		}
	}
	e.touch()
	return on.choose(hello, time.Now()), nil
}

// Of reports whether a certificate is wanted or there for a name, and whether
// it is there, be it in memory or not.
func (s *Shelf) Of(name string) (wanted, served bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	e := s.index.find(lower(name))
	return e != nil, e != nil && e.summary.version != ""
}

// Named is the certificate, by its name in the config, that is for a name.
func (s *Shelf) Named(name string) (cert string, known bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if e := s.index.find(lower(name)); e != nil {
		return e.cert, true
	}
	return "", false
}

// find is the entry of the name that a client asks for: of the address that
// it came to where it names none, or else of the only certificate.
func (s *Shelf) find(hello *tls.ClientHelloInfo) *entry {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if hello.ServerName != "" {
		return s.index.find(lower(hello.ServerName))
	}
	if hello.Conn != nil {
		if local, ok := hello.Conn.LocalAddr().(*net.TCPAddr); ok {
			if e := s.index.find(local.AddrPort().Addr().Unmap().String()); e != nil {
				return e
			}
		}
	}
	if len(s.entries) == 1 {
		for _, e := range s.entries {
			return e
		}
	}
	return nil
}

// lower is a name in small letters. It allocates only where it has to.
func lower(name string) string {
	for i := range len(name) {
		if c := name[i]; 'A' <= c && c <= 'Z' {
			return strings.ToLower(name)
		}
	}
	return name
}

// load reads a certificate from the disk, once for all who wait for it.
func (s *Shelf) load(ctx context.Context, e *entry) (*shown, error) {
	select {
	case e.turn <- struct{}{}:
		defer func() { <-e.turn }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if on := e.shown.Load(); on != nil {
		return on, nil // somebody was quicker
	}
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", ErrBusy, context.Cause(ctx))
	}
	for {
		of := s.summaryOf(e)
		on, err := s.readAny(ctx, of)
		if err != nil {
			return nil, err
		}
		s.put(e, on)
		if s.summaryOf(e).same(of) {
			return on, nil
		}
		// Another one was published meanwhile, and whoever took note of it
		// found nothing in memory that was to be exchanged.
	}
}

// readAny reads what an index knows of, or what has replaced it since.
func (s *Shelf) readAny(ctx context.Context, of summary) (*shown, error) {
	on, err := s.read(ctx, of)
	if err != nil && !errors.Is(err, ErrNotYet) {
		if known, readErr := s.store.KnownCert(ctx, of.cert); readErr == nil && known.Damage == "" {
			on, err = s.read(ctx, summarize(known))
		}
	}
	return on, err
}

// put shows what was read to all who come from now on; e.turn is held.
func (s *Shelf) put(e *entry, on *shown) {
	fresh := e.shown.Swap(on) == nil
	e.touch()
	if fresh {
		s.memory.add(e)
	}
}

func (s *Shelf) summaryOf(e *entry) summary {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return e.summary
}
