package daemon

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/certkeep/certkeep/internal/engine"
)

// pipes is a listener whose connections exist in memory, so that time can be
// simulated.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}
func (p *pipes) Close() error   { close(p.done); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{} }

func (p *pipes) dial(context.Context, string, string) (net.Conn, error) {
	here, there := net.Pipe()
	p.conns <- there
	return here, nil
}

// served runs a server over pipes, without an engine behind it.
func served(t *testing.T) (*server, *pipes) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	s := newServer(ctx, &daemon{log: slog.New(slog.DiscardHandler)}, newDesk())
	p := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
	ended := make(chan error, 1)
	go func() { ended <- s.http.Serve(p) }()
	t.Cleanup(func() {
		cancel()
		if err := s.http.Close(); err != nil {
			t.Error(err)
		}
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return s, p
}

// Work may take hours: no time-out of a request ends its progress.
func TestProgressMayTakeLong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, p := served(t)
		ticket, err := s.desk.open(nil, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		client := &http.Client{Transport: &http.Transport{DialContext: p.dial, DisableKeepAlives: true}}
		resp, err := client.Get("http://certkeep" + pathProgress + "?ticket=" + ticket.id)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		go func() {
			for range 3 {
				time.Sleep(time.Hour)
				s.desk.watch(engine.Progress{Cert: "www", Stage: "waiting"})
			}
			time.Sleep(time.Hour)
			ticket.end("", time.Now())
		}()
		var got []Line
		lines := bufio.NewScanner(resp.Body)
		for lines.Scan() {
			var l Line
			if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
				t.Fatal(err)
			}
			got = append(got, l)
		}
		if len(got) != 4 || got[3].Ended == nil {
			t.Errorf("lines %+v, %v", got, lines.Err())
		}
	})
}

// A client that does not finish its request is let go.
func TestSlowRequestsAreCutOff(t *testing.T) {
	t.Parallel()
	for name, begin := range map[string]string{
		"in the header": "POST " + pathAsk + " HTTP/1.1\r\nHost: x\r\n",
		"in the body":   "POST " + pathAsk + " HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				_, p := served(t)
				conn, err := p.dial(t.Context(), "", "")
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				began := time.Now()
				if _, err := conn.Write([]byte(begin)); err != nil {
					t.Fatal(err)
				}
				text := new(strings.Builder)
				for buf := make([]byte, 1024); ; {
					n, err := conn.Read(buf)
					text.Write(buf[:n])
					if err != nil {
						break
					}
				}
				if took := time.Since(began); took < requestMayTake || took > 2*requestMayTake {
					t.Errorf("let go after %s, want %s: %s", took, requestMayTake, text)
				}
			})
		})
	}
}
