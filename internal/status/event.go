package status

import (
	"context"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/store"
)

// Event is one thing that happened to a certificate.
type Event struct {
	Time    time.Time   `json:"time"`
	Kind    string      `json:"kind"`
	Target  string      `json:"target,omitempty"`
	KeyType string      `json:"key_type,omitempty"`
	Version string      `json:"version,omitempty"`
	Issuer  string      `json:"issuer,omitempty"`
	Words   string      `json:"words,omitempty"`
	Detail  []string    `json:"detail,omitempty"`
	Fault   *plan.Fault `json:"fault,omitempty"`
}

// EventOf is how a stored event is shown.
func EventOf(e store.Event) Event {
	return Event{
		Time: e.Time.UTC(), Kind: string(e.Kind), Target: e.Target, KeyType: e.KeyType, Version: e.Version,
		Issuer: e.Issuer, Words: e.Words, Detail: e.Detail, Fault: e.Fault,
	}
}

// History lists the events that a store has of a certificate, oldest first.
func History(s *store.Store) func(ctx context.Context, cert string) ([]Event, error) {
	return func(ctx context.Context, cert string) ([]Event, error) {
		var all []Event
		for e, err := range s.History(ctx, cert) {
			if err != nil {
				return nil, err
			}
			all = append(all, EventOf(e))
		}
		return all, nil
	}
}
