package challenge

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/network"
)

// TestShown asks a web server whose old configuration still answers every
// other visitor for a while.
func TestShown(t *testing.T) {
	t.Parallel()
	c := Challenge{Type: TypeHTTP01, Identifier: Identifier{Value: "www.example.test"}, Token: "token", KeyAuthorization: "token.thumb"}
	var asked, good atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n := asked.Add(1); r.Host != "www.example.test" || r.URL.Path != acmePath+"token" || n < 10 && n%3 == 0 {
			good.Store(0)
			http.NotFound(w, r)
			return
		}
		good.Add(1)
		_, _ = w.Write([]byte("token.thumb")) // whoever asked may be gone
	}))
	defer server.Close()
	at := netip.MustParseAddrPort(server.Listener.Addr().String())
	solver := func(within time.Duration, ip ...netip.Addr) *shown {
		w, err := NewFolder(t.TempDir(), durable.OS{})
		if err != nil {
			t.Fatal(err)
		}
		s := Shown(w, within, network.OS{}, int(at.Port())).(*shown)
		s.addresses = func() ([]netip.Addr, error) { return ip, nil }
		return s
	}
	// Nobody listens at the first address.
	if err := solver(time.Minute, netip.MustParseAddr("127.9.9.9"), at.Addr()).Wait(t.Context(), c); err != nil || good.Load() < looksInRow {
		t.Errorf("after %d answers, %d good ones in a row: %v", asked.Load(), good.Load(), err)
	}
	// What nobody shows is not waited for longer than was said, and is no error.
	if err := solver(10*time.Millisecond, netip.MustParseAddr("127.9.9.9")).Wait(t.Context(), c); err != nil {
		t.Errorf("never shown: %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := solver(time.Minute, at.Addr()).Wait(ended, c); !errors.Is(err, context.Canceled) {
		t.Errorf("ended: %v", err)
	}
	if _, lasting := Solver(solver(time.Minute)).(Lasting); !lasting {
		t.Error("a file is not remembered as something that lasts")
	}
	if own, err := ownAddresses(); err != nil || len(own) == 0 || !own[0].IsLoopback() {
		t.Errorf("own addresses %v: %v", own, err)
	}
}
