package certkeep_test

import (
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/certkeep/certkeep"
)

// No handshake fails while the certificate is exchanged under load. The whole
// hundred thousand are made where CERTKEEP_HANDSHAKES says so, and by the bench.
func TestSwapUnderLoad(t *testing.T) {
	t.Parallel()
	least := int64(1000)
	if text := os.Getenv("CERTKEEP_HANDSHAKES"); text != "" {
		var err error
		if least, err = strconv.ParseInt(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	s := newSite(t)
	s.open(certkeep.Options{Config: s.config("certificates: {a.example: {key_types: [ecdsa-p256]}}\n")})
	serial := s.awaits("a.example", "")
	var made atomic.Int64
	var ended atomic.Bool
	var shown sync.Map // serials
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			for !ended.Load() {
				state, err := s.shows("a.example")
				if err != nil {
					t.Errorf("handshake %d: %v", made.Load(), err)
					return
				}
				made.Add(1)
				shown.Store(state.PeerCertificates[0].SerialNumber.String(), true)
			}
		})
	}
	renewals := 0
	for renewals < 5 || made.Load() < least && !t.Failed() {
		s.renew("a.example")
		serial = s.awaits("a.example", serial)
		renewals++
	}
	ended.Store(true)
	clients.Wait()
	seen := 0
	shown.Range(func(any, any) bool { seen++; return true })
	if seen < 5 {
		t.Errorf("%d handshakes and %d renewals, and only %d certificates were shown", made.Load(), renewals, seen)
	}
}
