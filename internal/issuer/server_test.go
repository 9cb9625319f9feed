package issuer

import (
	"net"
	"net/http"
	"testing"
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
