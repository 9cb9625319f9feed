package challenge

import (
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// pipes is a listener in memory.
type pipes struct {
	calls  chan net.Conn
	closed chan struct{}
	once   sync.Once // closes closed
}

func newPipes() *pipes { return &pipes{calls: make(chan net.Conn), closed: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.calls:
		return conn, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.once.Do(func() { close(p.closed) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

// TestListenersAreShort has strangers take their time, and send more than
// anybody reads: each is let go in time, and most is never read.
func TestListenersAreShort(t *testing.T) {
	const get = "GET /.well-known/acme-challenge/token HTTP/1.1\r\nHost: x\r\n"
	for name, test := range map[string]struct {
		solver func(Listen) Solver
		says   string        // at first; then, where drip is set, a byte a second
		drip   string        // what is sent on and on
		within time.Duration // it is let go
		hears  string        // what is answered begins with it
		most   int           // bytes that are taken
	}{
		"http-01, silent":         {http01, "", "", headerTime, "", 0},
		"http-01, half a header":  {http01, get, "", headerTime, "", 0},
		"http-01, slow header":    {http01, get + "X: ", "a", headerTime, "", 1 << 10},
		"http-01, long header":    {http01, get + "X: " + strings.Repeat("a", 64<<10), "", requestTime, "HTTP/1.1 431 ", 13 << 10},
		"http-01, long body":      {http01, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n" + strings.Repeat("a", 1<<20), "", requestTime, "HTTP/1.1 404 ", 300 << 10},
		"http-01, slow body":      {http01, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n", "a", requestTime, "HTTP/1.1 404 ", 1 << 10},
		"tls-alpn-01, silent":     {tlsALPN01, "", "", handshakeTime, "", 0},
		"tls-alpn-01, slow hello": {tlsALPN01, "\x16\x03\x01\x40\x00", "a", handshakeTime, "", 1 << 10},
		"tls-alpn-01, long hello": {tlsALPN01, "\x16\x03\x01\xff\xff" + strings.Repeat("a", 64<<10), "", handshakeTime, "\x15", 20 << 10},
		"tls-alpn-01, not TLS":    {tlsALPN01, get + "\r\n", "", handshakeTime, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPipes()
				s := test.solver(func(context.Context) (net.Listener, error) { return p, nil })
				c := httpChallenge("token")
				if err := s.Present(t.Context(), c); err != nil {
					t.Fatal(err)
				}
				ours, theirs := net.Pipe()
				p.calls <- theirs
				began, taken := time.Now(), 0
				var stranger sync.WaitGroup
				stranger.Go(func() {
					n, err := io.WriteString(ours, test.says)
					for taken = n; err == nil && test.drip != ""; taken += n {
						time.Sleep(time.Second)
						n, err = io.WriteString(ours, test.drip)
					}
				})
				heard, _ := io.ReadAll(ours) // until we are let go
				took := time.Since(began)
				ours.Close()
				stranger.Wait()
				if took > test.within+time.Second || !strings.HasPrefix(string(heard), test.hears) || strings.Contains(string(heard), "thumbprint") {
					t.Errorf("let go after %v with %q, want %v and %q", took, heard, test.within, test.hears)
				}
				if test.most > 0 && taken > test.most {
					t.Errorf("%d bytes were taken, want %d at most", taken, test.most)
				}
				if err := s.CleanUp(t.Context(), c); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func http01(l Listen) Solver    { return NewHTTP01(l) }
func tlsALPN01(l Listen) Solver { return NewTLSALPN01(l) }
