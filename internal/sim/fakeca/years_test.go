package fakeca_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/certkeep/certkeep/internal/sim/fakeca"
)

// TestYears renews certificates for years at once: nothing is a breach, and
// what is over is forgotten in between.
func TestYears(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *fakeca.Options) { o.ReuseAuthz = day })
		a := w.register()
		first := w.abandon(a, "never.example")
		certs, rounds := 20, 12
		last := make([]string, certs)
		for round := range rounds {
			for i := range 80 {
				w.abandon(a, fmt.Sprintf("gone%d-%d.example", round, i))
			}
			for i := range certs {
				warned, err := w.replace(a, last[i], fmt.Sprintf("n%d.example", i))
				if err != nil || len(warned) > 0 {
					t.Fatal(warned, err)
				}
				last[i] = w.last().CertID
			}
			time.Sleep(60 * day)
		}
		if got := len(w.ca.Issuances()); got != certs*rounds {
			t.Errorf("%d certificates, want %d", got, certs*rounds)
		}
		w.wantBreaches(0)
		job := w.job(a, "never.example")
		job.Resume = &first
		if _, err := w.client.Issue(t.Context(), job); failure(t, err).Status != 404 {
			t.Errorf("error %v, want an order of years ago forgotten", err)
		}
	})
}
