package engine

import (
	"fmt"
	"strings"
	"testing"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/faultfs"
)

// maxWrites bounds the synced writes of one certificate: docs/STORE.md,
// "Writes per certificate", lists them.
const maxWrites = 15

// TestWhatACertificateCosts counts the requests and the synced writes of a
// certificate whose account is known and whose answers are ready at the first
// poll: the order is polled, not each authorisation.
func TestWhatACertificateCosts(t *testing.T) {
	f := newFixture(t, acmetest.Options{Settle: true})
	disk := faultfs.New(durable.OS{})
	f.disk = disk
	f.reopen()
	f.configure("certificates: {first.test: {}}\n")
	f.apply()
	for _, n := range []int{1, 3, 20} {
		var names []string
		for i := range n {
			names = append(names, fmt.Sprintf("n%d-%d.test", n, i))
		}
		f.configure(fmt.Sprintf("certificates: {of%d: {names: [%s]}}\n", n, strings.Join(names, ", ")))
		f.ca.ResetRequests()
		disk.Disarm()
		f.apply()
		nonces := f.ca.Count(acmetest.NewNonce)
		if got := f.ca.Count() - f.ca.Unready() - nonces; got != 5+2*n {
			t.Errorf("%d requests for %d names, want %d", got, n, 5+2*n)
		}
		// Each answer brings the nonce of the next request; only requests that
		// run side by side for the first time need nonces of their own.
		if n == 1 && nonces > 0 || nonces > 7 {
			t.Errorf("%d nonces were fetched for %d names", nonces, n)
		}
		// A file is made durable by one Create and a sync of its folder; what
		// is switched by a rename alone costs a sync of the folder.
		if got := disk.Tally()[faultfs.Create]; got > maxWrites {
			t.Errorf("%d synced writes for %d names, at most %d are allowed: %v", got, n, maxWrites, disk.Ops())
		}
	}
}
