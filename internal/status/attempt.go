package status

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
)

// Attempt is how often in a row a certificate of one key type was asked for in
// vain, and what came of the last attempt.
type Attempt struct {
	KeyType string      `json:"key_type"`
	Issuer  string      `json:"issuer,omitempty"` // whom the last one asked
	Count   int         `json:"count"`
	Last    time.Time   `json:"last,omitzero"` // when the last one began
	Next    time.Time   `json:"next,omitzero"` // no automatic one is made earlier
	Open    bool        `json:"open"`          // the last one has not reported yet
	Fault   *plan.Fault `json:"fault,omitempty"`
}

// Renewing reports whether a renewal is under way, or was tried in vain.
func (c Certificate) Renewing() bool { return len(c.Attempts) > 0 || len(c.Orders) > 0 }

// attempts are those that came to nothing since the last success.
func attempts(now time.Time, k *plan.KnownCert) []Attempt {
	all := []Attempt{}
	for _, keyType := range slices.Sorted(maps.Keys(k.Tries)) {
		t := k.Tries[keyType]
		if t.Count == 0 {
			continue
		}
		a := Attempt{KeyType: keyType, Issuer: t.Issuer, Count: t.Count, Last: t.Last.UTC(), Open: t.Open}
		if next := t.WaitsUntil(now); next.After(now) {
			a.Next = next.UTC()
		}
		if t.Fault != nil {
			fault := *t.Fault
			fault.At = fault.At.UTC()
			a.Fault = &fault
		}
		all = append(all, a)
	}
	slices.SortStableFunc(all, func(a, b Attempt) int { return cmp.Compare(b.Count, a.Count) })
	return all
}
