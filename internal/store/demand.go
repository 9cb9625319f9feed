package store

import (
	"context"
	"fmt"
	"time"
)

// demandsFolder is the folder of names that visitors asked for.
const demandsFolder = "demands"

// demandRecord is a certificate that the config does not declare: a visitor
// asked for its name, and a program allowed it.
type demandRecord struct {
	header
	Name string    `json:"name"`
	At   time.Time `json:"at"`
}

func demandKey(name string) string { return keyOf(demandsFolder, name) }

// Demand stores that a certificate is wanted for a name that a visitor asked
// for. It is stored before anything is ordered: a crash after it leaves a name
// that is asked for by the next process.
func (s *Store) Demand(ctx context.Context, name string) error {
	return update(ctx, s, change[*demandRecord]{
		key:     demandKey(name),
		rebuild: true,
		fresh:   func() *demandRecord { return &demandRecord{Name: name} },
		apply: func(r *demandRecord) error {
			if r.At.IsZero() {
				r.At = time.Now().UTC()
			}
			return nil
		},
	})
}

// Demands lists the names that are wanted because a visitor asked for them.
func (s *Store) Demands(ctx context.Context) ([]string, error) {
	found, err := s.backend.Keys(ctx, demandsFolder)
	if err != nil {
		return nil, fmt.Errorf("list what visitors asked for: %w", err)
	}
	for i, key := range found {
		found[i] = lastName(key)
	}
	return found, nil
}

// Undemand drops the wish for a name. What is stored of its certificate stays.
func (s *Store) Undemand(ctx context.Context, name string) error {
	return s.delete(ctx, demandKey(name))
}
