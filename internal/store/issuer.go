package store

import (
	"context"
	"errors"
	"sync"
	"time"

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

// Service is how far a service of this node was told of what was installed
// for it. One reload covers every write that finished before it began.
type Service struct {
	Writes  uint64    `json:"writes"`      // installations finished
	Reloads uint64    `json:"reloads"`     // up to which of them it was reloaded
	At      time.Time `json:"at,omitzero"` // of the last reload
}

// Behind reports whether the service has not been told of everything.
func (s Service) Behind() bool { return s.Reloads < s.Writes }

// serviceRecord is the record of a Service.
type serviceRecord struct {
	header
	Service
}

// serviceKey is the key of a service of this node.
func (s *Store) serviceKey(name string) string { return keyOf(nodesFolder, s.node, "services", name) }

// Service returns how far a service was told; the zero Service where nothing
// is known, or where the record is damaged: installing again finds out.
func (s *Store) Service(ctx context.Context, name string) (Service, error) {
	if s.node == "" {
		return Service{}, nil // nobody installed anything here yet
	}
	key := s.serviceKey(name)
	entry, err := s.backend.Get(ctx, key)
	if errors.Is(err, ErrNotFound) {
		return Service{}, nil
	}
	var r serviceRecord
	if err == nil {
		err = decode(key, entry.Value, &r)
	}
	if lost(err) {
		return Service{}, nil
	}
	return r.Service, err
}

// UpdateService changes how far a service was told. A damaged record is
// replaced.
func (s *Store) UpdateService(ctx context.Context, name string, apply func(*Service) error) error {
	return update(ctx, s, change[*serviceRecord]{
		key:     s.serviceKey(name),
		rebuild: true,
		fresh:   func() *serviceRecord { return &serviceRecord{} },
		apply:   func(r *serviceRecord) error { return apply(&r.Service) },
	})
}

// BumpWrites counts a finished installation for a service and returns its
// number. A crash before it loses the number, not the fact: the target is
// still "written", not "reloaded".
func (s *Store) BumpWrites(ctx context.Context, name string) (number uint64, err error) {
	err = s.UpdateService(ctx, name, func(service *Service) error {
		service.Writes++
		number = service.Writes
		return nil
	})
	return number, err
}

// MarkReloaded says that the service was reloaded at an instant, after the
// installation of a number was finished. A lower number than an earlier one
// changes nothing.
func (s *Store) MarkReloaded(ctx context.Context, name string, number uint64, at time.Time) error {
	return s.UpdateService(ctx, name, func(service *Service) error {
		if number > service.Reloads {
			service.Reloads, service.At = number, at.UTC()
		}
		return nil
	})
}
