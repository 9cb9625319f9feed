package issuer

import (
	"encoding/json"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/certkeep/certkeep/internal/acmetest"
)

// listen runs a server until the test ends.
func listen(t *testing.T, server *http.Server) {
	t.Helper()
	l, err := net.Listen("tcp", server.Addr)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		// It always ends with http.ErrServerClosed.
		_ = server.Serve(l)
	}()
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		<-done
	})
}

// withoutRenewalInfo takes renewalInfo out of the directory.
func withoutRenewalInfo(t *testing.T) acmetest.Interceptor {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if acmetest.KindOf(r) != acmetest.Directory {
			next.ServeHTTP(w, r)
			return
		}
		rec := httptest.NewRecorder()
		next.ServeHTTP(rec, r)
		var dir map[string]any
		if err := json.Unmarshal(rec.Body.Bytes(), &dir); err != nil {
			t.Error(err)
		}
		delete(dir, "renewalInfo")
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(dir); err != nil {
			t.Error(err)
		}
	}
}

// quiet is the log of servers that meet bad clients on purpose.
func quiet() *log.Logger { return log.New(io.Discard, "", 0) }

// mustParse parses a URL that the test made.
func mustParse(t *testing.T, raw string) *url.URL {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return u
}
