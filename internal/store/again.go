package store

import (
	"context"
	"maps"

	"github.com/certkeep/certkeep/internal/plan"
)

// Again returns everything that is known now, where of the certificates only
// the named ones may have changed since was was read. It costs what these do,
// not what all do. What was given stays as it is; an error means as in Known.
func (s *Store) Again(ctx context.Context, was plan.Known, certs []string) (plan.Known, error) {
	known := was
	known.Certs = maps.Clone(was.Certs)
	for _, name := range certs {
		fresh, found, err := s.knownCert(ctx, name)
		if err != nil {
			return plan.Known{}, err
		}
		if !found {
			delete(known.Certs, name) // it was forgotten
			continue
		}
		known.Certs[name] = fresh
	}
	var err error
	known.Issuers, err = s.issuers(ctx)
	if err == nil {
		known.Banned, err = s.Banned(ctx)
	}
	if err == nil {
		known.Keys, err = s.keySets(ctx)
	}
	if err == nil {
		known.Seal, err = s.sealShown(ctx)
	}
	return known, err
}
