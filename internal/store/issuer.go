package store

import (
	"context"
	"sync"

	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/store/backend"
)

// issuerRecord is what is remembered of a CA.
type issuerRecord struct {
	header
	plan.KnownIssuer
}

// issuersFolder is the folder of the CAs' records.
const issuersFolder = "issuers"

// issuers returns what is remembered of every CA. A record that cannot be
// read becomes a fault of that CA, so that a person learns of it.
func (s *Store) issuers(ctx context.Context) (map[string]plan.KnownIssuer, error) {
	issuers := map[string]plan.KnownIssuer{}
	var mu sync.Mutex // guards issuers
	err := s.backend.Scan(ctx, issuersFolder, func(entry backend.Entry, err error) error {
		var r issuerRecord
		if err == nil {
			err = decode(entry.Key, entry.Value, &r)
		}
		if err != nil {
			r = issuerRecord{KnownIssuer: plan.KnownIssuer{
				Fault: &plan.Fault{Code: plan.CodeDamaged, Words: err.Error(), Blame: plan.BlameAdmin},
			}}
		}
		mu.Lock()
		defer mu.Unlock()
		issuers[lastName(entry.Key)] = r.KnownIssuer
		return nil
	})
	return issuers, err
}

// UpdateIssuer changes what is remembered of a CA. A damaged record is
// replaced.
func (s *Store) UpdateIssuer(ctx context.Context, id string, apply func(*plan.KnownIssuer) error) error {
	return update(ctx, s, change[*issuerRecord]{
		key:     keyOf(issuersFolder, id),
		rebuild: true,
		fresh:   func() *issuerRecord { return &issuerRecord{} },
		apply:   func(r *issuerRecord) error { return apply(&r.KnownIssuer) },
	})
}
