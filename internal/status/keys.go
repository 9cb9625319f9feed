package status

import (
	"maps"
	"slices"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
)

// Keys are the keys that a certificate is issued on, where they outlive it.
type Keys struct {
	Name    string    `json:"name"`
	Shared  []string  `json:"certificates"` // that are issued on them
	Types   []KeyType `json:"types"`
	Rolling *Rolling  `json:"rolling,omitempty"`
}

// KeyType is the keys of one type.
type KeyType struct {
	KeyType  string    `json:"key_type"`
	Primary  string    `json:"primary"` // SHA-256 of the public key
	Since    time.Time `json:"since,omitzero"`
	Next     string    `json:"next,omitempty"`
	Ready    time.Time `json:"next_since,omitzero"`
	Previous string    `json:"previous,omitempty"`
}

// Rolling is a change of keys that is under way.
type Rolling struct {
	Since  time.Time   `json:"since"`
	Reason plan.Reason `json:"reason"`
}

// keys tells of the keys of a certificate; nil where each issue makes new ones.
func keys(w plan.World, want plan.WantedCert) *Keys {
	if want.Keys == "" {
		return nil
	}
	known := w.Known.KeysOf(want.Keys)
	k := &Keys{Name: want.Keys, Shared: []string{want.Name}, Types: []KeyType{}}
	for _, all := range w.Wanted.Keys {
		if all.Name == want.Keys {
			k.Shared = list(all.Certs)
		}
	}
	for _, keyType := range slices.Sorted(maps.Keys(known.Keys)) {
		set := known.Keys[keyType]
		k.Types = append(k.Types, KeyType{
			KeyType: keyType, Primary: set.Primary.SHA256, Since: set.Primary.Since.UTC(),
			Next: set.Next.SHA256, Ready: set.Next.Made.UTC(), Previous: set.Previous.SHA256,
		})
	}
	if r := known.Rolling; r != nil {
		k.Rolling = &Rolling{Since: r.At.UTC(), Reason: r.Reason}
	}
	return k
}
