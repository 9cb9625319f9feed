package daemon

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Who does not finish a request of the status, or sends too much with it, is
// let go.
func TestStatusRequestsAreShort(t *testing.T) {
	t.Parallel()
	for name, begin := range map[string]string{
		"a header without end":      "GET / HTTP/1.1\r\nHost: localhost\r\n",
		"a body that does not come": "POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n",
		"a large header":            "GET / HTTP/1.1\r\nHost: localhost\r\nX: " + strings.Repeat("x", 64<<10) + "\r\n\r\n",
		"nothing at all":            "",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				read := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
					if _, err := io.ReadAll(r.Body); err == nil {
						t.Error("the request was whole")
					}
				})
				server := newStatusServer(read, slog.New(slog.DiscardHandler))
				p := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
				ended := make(chan error, 1)
				go func() { ended <- server.Serve(p) }()
				conn, err := p.dial(t.Context(), "", "")
				if err != nil {
					t.Fatal(err)
				}
				go func() { _, _ = conn.Write([]byte(begin)) }() // it may be cut off before the end
				began := time.Now()
				_, _ = io.Copy(io.Discard, conn)
				if took := time.Since(began); took > 2*statusAsks {
					t.Errorf("let go after %s", took)
				}
				if err := errors.Join(server.Close(), conn.Close()); err != nil {
					t.Error(err)
				}
				if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
					t.Error(err)
				}
			})
		})
	}
}
