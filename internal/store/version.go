package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/store/backend"
)

// versions is the folder of the version records.
const versions = "versions"

// VersionRecord is a version with its certificates. It never changes.
type VersionRecord struct {
	Certificate string            `json:"certificate"` // the name it was made for
	Version     plan.Version      `json:"version"`     // the same summary as in the group
	Chains      map[string]string `json:"chains"`      // PEM by key type, the leaf first
}

// versionRecord is a VersionRecord as it lies in the store.
type versionRecord struct {
	header
	VersionRecord
}

// versionKey is the key of a version.
func versionKey(cert, id string) string { return keyOf(versions, cert, id) }

// PutVersion writes a version, which must have an id of its own. It is
// written before the group points to it: a crash in between leaves a version
// that nobody points to. Writing the same again changes nothing; writing
// another version under the id is an error.
func (s *Store) PutVersion(ctx context.Context, v VersionRecord) error {
	for _, pair := range v.Version.Pairs {
		if v.Chains[pair.KeyType] == "" {
			return fmt.Errorf("put version %s of %s: it has no chain for %s", v.Version.ID, v.Certificate, pair.KeyType)
		}
	}
	key := versionKey(v.Certificate, v.Version.ID)
	value, err := encode(key, versionRecord{header: header{Format: Format}, VersionRecord: v})
	if err != nil {
		return err
	}
	return s.putImmutable(ctx, key, value)
}

// putImmutable writes a record that never changes. That it is there already,
// as after a write whose answer was lost, is as good.
func (s *Store) putImmutable(ctx context.Context, key string, value []byte) error {
	err := s.putValue(ctx, key, value, "")
	if !errors.Is(err, backend.ErrConflict) {
		return err
	}
	entry, getErr := s.backend.Get(ctx, key)
	switch {
	case getErr != nil:
		return getErr
	case !bytes.Equal(entry.Value, value):
		return err
	}
	return nil
}

// Version reads a version. One that is not there is ErrNotFound, one that
// cannot be understood a *DamagedError.
func (s *Store) Version(ctx context.Context, cert, id string) (VersionRecord, error) {
	key := versionKey(cert, id)
	entry, err := s.backend.Get(ctx, key)
	if err != nil {
		return VersionRecord{}, fmt.Errorf("read version %s of %s: %w", id, cert, err)
	}
	return decodeVersion(entry, cert, id)
}

// decodeVersion reads a version's entry.
func decodeVersion(entry backend.Entry, cert, id string) (VersionRecord, error) {
	var r versionRecord
	if err := decode(entry.Key, entry.Value, &r); err != nil {
		return VersionRecord{}, err
	}
	if r.Certificate != cert || r.Version.ID != id {
		return VersionRecord{}, foreign(entry.Key, versionKey(r.Certificate, r.Version.ID))
	}
	for _, pair := range r.Version.Pairs {
		if r.Chains[pair.KeyType] == "" {
			return VersionRecord{}, &DamagedError{Key: entry.Key, Err: fmt.Errorf("it has no chain for %s", pair.KeyType)}
		}
	}
	return r.VersionRecord, nil
}

// VersionIDs lists the versions held of a certificate, also those that its
// group does not point to, in no particular order.
func (s *Store) VersionIDs(ctx context.Context, cert string) ([]string, error) {
	found, err := s.backend.Keys(ctx, keyOf(versions, cert))
	if err != nil {
		return nil, fmt.Errorf("list versions of %s: %w", cert, err)
	}
	for i, key := range found {
		found[i] = lastName(key)
	}
	return found, nil
}

// DeleteVersion removes a version. The group must not point to it any more:
// it is updated first.
func (s *Store) DeleteVersion(ctx context.Context, cert, id string) error {
	return s.delete(ctx, versionKey(cert, id))
}
