package sim

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
)

// wire is the network of one life of the process, and of all whom it talks to.
// It is made within the bubble of that life and cut at its end.
type wire struct {
	mu        sync.Mutex // guards what follows
	cut       bool
	listeners map[string]*socket
	conns     []io.Closer
}

func newWire() *wire { return &wire{listeners: map[string]*socket{}} }

// errCut is what a process gets whose end has come.
var errCut = errors.New("the process is no more")

// socket is a listener.
type socket struct {
	wire    *wire
	address string
	queue   chan net.Conn
	gone    chan struct{}
	once    sync.Once
}

// Listen implements [network.Network].
func (w *wire) Listen(_ context.Context, kind, address string) (net.Listener, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cut {
		return nil, errCut
	}
	if w.listeners[address] != nil {
		return nil, &net.OpError{Op: "listen", Net: kind, Err: syscall.EADDRINUSE}
	}
	s := &socket{wire: w, address: address, queue: make(chan net.Conn), gone: make(chan struct{})}
	w.listeners[address] = s
	return s, nil
}

// DialContext implements [network.Network]. A host that has no listener of its
// own is this machine, as the names of all certificates are.
func (w *wire) DialContext(ctx context.Context, kind, address string) (net.Conn, error) {
	s, err := w.find(kind, address)
	if err != nil {
		return nil, err
	}
	near, far := net.Pipe()
	select {
	case s.queue <- far:
	case <-s.gone:
		return nil, refused(kind)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.conns = append(w.conns, near, far)
	if w.cut {
		near.Close()
		far.Close()
	}
	return near, nil
}

func (w *wire) find(kind, address string) (*socket, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cut {
		return nil, errCut
	}
	if s := w.listeners[address]; s != nil {
		return s, nil
	}
	if s := w.listeners[address[strings.LastIndexByte(address, ':'):]]; s != nil {
		return s, nil
	}
	return nil, refused(kind)
}

func refused(kind string) error {
	return &net.OpError{Op: "dial", Net: kind, Err: syscall.ECONNREFUSED}
}

// end cuts every connection and listener.
func (w *wire) end() {
	w.mu.Lock()
	w.cut = true
	conns := w.conns
	var sockets []*socket
	for _, s := range w.listeners {
		sockets = append(sockets, s)
	}
	w.mu.Unlock()
	for _, s := range sockets {
		s.Close()
	}
	for _, c := range conns {
		c.Close()
	}
}

// Accept implements [net.Listener].
func (s *socket) Accept() (net.Conn, error) {
	select {
	case conn := <-s.queue:
		return conn, nil
	case <-s.gone:
		return nil, net.ErrClosed
	}
}

// Close implements [net.Listener].
func (s *socket) Close() error {
	s.once.Do(func() {
		close(s.gone)
		s.wire.mu.Lock()
		defer s.wire.mu.Unlock()
		delete(s.wire.listeners, s.address)
	})
	return nil
}

// Addr implements [net.Listener].
func (s *socket) Addr() net.Addr { return simAddr(s.address) }

// simAddr is an address on the wire.
type simAddr string

func (simAddr) Network() string  { return "tcp" }
func (a simAddr) String() string { return string(a) }
