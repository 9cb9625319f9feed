package challenge

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/network"
	"github.com/certkeep/certkeep/internal/servertest"
)

// visit opens connections that say nothing.
func visit(t *testing.T, address string, n int) []net.Conn {
	t.Helper()
	var visitors []net.Conn
	for range n {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		visitors = append(visitors, conn)
		t.Cleanup(func() { conn.Close() })
	}
	return visitors
}

// TestSilentVisitors has strangers connect, more than there is room for, who
// say nothing: the CA behind them is answered at once all the same, and
// nobody holds more than that.
func TestSilentVisitors(t *testing.T) {
	for name, test := range map[string]struct {
		solver func(Listen) Solver
		asks   func(ctx context.Context, address string) error
	}{
		"http-01": {
			func(l Listen) Solver { return NewHTTP01(l) },
			func(ctx context.Context, address string) error {
				request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+acmePath+"token", nil)
				if err != nil {
					return err
				}
				response, err := new(http.Transport).RoundTrip(request)
				if err == nil {
					response.Body.Close()
				}
				return err
			},
		},
		"tls-alpn-01": {
			func(l Listen) Solver { return NewTLSALPN01(l) },
			func(ctx context.Context, address string) error {
				dialer := tls.Dialer{Config: &tls.Config{
					ServerName: "www.example.test", NextProtos: []string{alpnProtocol}, InsecureSkipVerify: true,
				}}
				conn, err := dialer.DialContext(ctx, "tcp", address)
				if err == nil {
					conn.Close()
				}
				return err
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			address := servertest.FreeAddress(t)
			s := test.solver(ListenOn(network.OS{}, address))
			c := httpChallenge("token")
			if err := s.Present(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			visitors := visit(t, address, maxVisitors+50)
			// Silence ends by itself after headerTime; that is too late.
			ctx, cancel := context.WithTimeout(t.Context(), headerTime/2)
			defer cancel()
			if err := test.asks(ctx, address); err != nil {
				t.Errorf("the CA: %v", err)
			}
			if err := visitors[0].SetReadDeadline(time.Now().Add(headerTime / 2)); err != nil {
				t.Fatal(err)
			}
			if n, err := visitors[0].Read(make([]byte, 1)); n > 0 || err != io.EOF {
				t.Errorf("the first visitor read %d bytes, %v; want to be shown out", n, err)
			}
			if err := s.CleanUp(t.Context(), c); err != nil {
				t.Error(err)
			}
		})
	}
}
