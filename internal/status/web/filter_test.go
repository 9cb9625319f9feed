package web

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/status"
)

// TestFindIsAPartOfAll compares each page of each order with the same part of
// all rows, sorted.
func TestFindIsAPartOfAll(t *testing.T) {
	t.Parallel()
	dice := rand.New(rand.NewPCG(1, 2))
	now := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	s := &status.Snapshot{}
	for i := range 1000 {
		r := status.Row{Name: fmt.Sprintf("c%d.test", i), State: []status.State{status.OK, status.Warning, status.Critical, status.Unknown}[dice.IntN(4)], NotAfter: now.Add(time.Duration(dice.IntN(50)) * time.Hour)}
		if dice.IntN(5) > 0 {
			r.RenewAt = now.Add(time.Duration(dice.IntN(50)) * time.Hour)
		}
		s.Rows = append(s.Rows, r)
	}
	for _, by := range []string{sortUrgency, sortName, sortExpiry, sortRenewal} {
		for _, state := range []status.State{"", status.Warning} {
			f := filter{sort: by, state: state}
			var all []*status.Row
			for i := range s.Rows {
				if f.fits(&s.Rows[i]) {
					all = append(all, &s.Rows[i])
				}
			}
			slices.SortFunc(all, f.order())
			for _, limit := range []int{1, 7, 100, 5000} {
				for offset := 0; offset < len(all)+limit; offset += max(limit, 30) {
					got, found := f.find(s, offset, limit)
					if want := part(all, offset, limit); found != len(all) || !slices.Equal(got, want) {
						t.Fatalf("by %s, state %q: %d rows from %d of %d found, want %d of %d", by, state, len(got), offset, found, len(want), len(all))
					}
				}
			}
		}
	}
}
