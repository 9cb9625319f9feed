package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/store/backend"
)

// keySetsFolder is the folder of the keys that outlive certificates.
const keySetsFolder = "keysets"

// keySetRecord is one set of keys, by reference.
type keySetRecord struct {
	header
	plan.KnownKeys
}

// sharedRecord is what a node knows of the files of such keys.
type sharedRecord struct {
	header
	Keys   string      `json:"keys"`
	Shared plan.Target `json:"shared"`
}

func keySetKey(name string) string { return keyOf(keySetsFolder, name) }

func (s *Store) sharedKey(name string) string { return keyOf(nodesFolder, s.node, "keysets", name) }

// KnownKeys returns all that is known of a set of keys. Where nothing is, it is
// empty but for its name. What cannot be read is told in its Damage.
func (s *Store) KnownKeys(ctx context.Context, name string) (*plan.KnownKeys, error) {
	known := &plan.KnownKeys{Name: name}
	entry, err := s.backend.Get(ctx, keySetKey(name))
	if !errors.Is(err, ErrNotFound) {
		if err != nil && ctx.Err() != nil || errors.Is(err, backend.ErrKey) {
			return nil, err
		}
		known = decodeKeySet(name, entry, err)
	}
	if s.node == "" {
		return known, nil
	}
	entry, err = s.backend.Get(ctx, s.sharedKey(name))
	if errors.Is(err, ErrNotFound) {
		return known, nil
	}
	if err != nil && ctx.Err() != nil {
		return nil, err
	}
	addShared(known, entry, err)
	return known, nil
}

// decodeKeySet turns an entry, or the error of reading it, into what is known.
func decodeKeySet(name string, entry backend.Entry, err error) *plan.KnownKeys {
	var r keySetRecord
	if err == nil {
		err = decode(entry.Key, entry.Value, &r)
	}
	if err == nil && r.Name != name {
		err = foreign(entry.Key, r.Name)
	}
	if err != nil {
		return &plan.KnownKeys{Name: name, Damage: err.Error(), Newer: !lost(err)}
	}
	return &r.KnownKeys
}

// addShared adds this node's facts. A damaged record of them is as if there
// was none: installing again finds them.
func addShared(known *plan.KnownKeys, entry backend.Entry, err error) {
	var r sharedRecord
	if err == nil {
		err = decode(entry.Key, entry.Value, &r)
	}
	if err == nil && r.Keys != known.Name {
		err = foreign(entry.Key, r.Keys)
	}
	switch {
	case err == nil:
		known.Shared = r.Shared
	case !lost(err) && known.Damage == "":
		known.Damage, known.Newer = err.Error(), true
	}
}

// keySets returns all sets of keys by name.
func (s *Store) keySets(ctx context.Context) (map[string]*plan.KnownKeys, error) {
	known := map[string]*plan.KnownKeys{}
	var mu sync.Mutex // guards known
	err := s.backend.Scan(ctx, keySetsFolder, func(entry backend.Entry, err error) error {
		name := lastName(entry.Key)
		set := decodeKeySet(name, entry, err)
		mu.Lock()
		defer mu.Unlock()
		known[name] = set
		return nil
	})
	if err != nil || s.node == "" || len(known) == 0 {
		return known, err
	}
	return known, s.backend.Scan(ctx, keyOf(nodesFolder, s.node, "keysets"), func(entry backend.Entry, err error) error {
		mu.Lock()
		defer mu.Unlock()
		if set := known[lastName(entry.Key)]; set != nil {
			addShared(set, entry, err)
		}
		return nil
	})
}

// KeySetKeys lists the fingerprints of all keys that some set of keys refers
// to. While a record cannot be read it is an error.
func (s *Store) KeySetKeys(ctx context.Context) ([]string, error) {
	var all []string
	var mu sync.Mutex // guards all
	err := s.backend.Scan(ctx, keySetsFolder, func(entry backend.Entry, err error) error {
		var r keySetRecord
		if err == nil {
			err = decode(entry.Key, entry.Value, &r)
		}
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		all = append(all, r.References()...)
		return nil
	})
	return all, err
}

// UpdateKeys changes what is known of a set of keys, this node's facts
// excepted. A damaged record is an error.
func (s *Store) UpdateKeys(ctx context.Context, name string, apply func(*plan.KnownKeys) error) error {
	key := keySetKey(name)
	return update(ctx, s, change[*keySetRecord]{
		key:   key,
		fresh: func() *keySetRecord { return &keySetRecord{KnownKeys: plan.KnownKeys{Name: name}} },
		check: func(r *keySetRecord) error {
			if r.Name != name {
				return foreign(key, r.Name)
			}
			return nil
		},
		apply: func(r *keySetRecord) error {
			if r.Keys == nil {
				r.Keys = map[string]plan.KeySet{}
			}
			return apply(&r.KnownKeys)
		},
	})
}

// UpdateShared changes this node's facts about the files of a set of keys. A
// damaged record is replaced.
func (s *Store) UpdateShared(ctx context.Context, name string, apply func(*plan.Target) error) error {
	key := s.sharedKey(name)
	return update(ctx, s, change[*sharedRecord]{
		key:     key,
		rebuild: true,
		fresh:   func() *sharedRecord { return &sharedRecord{Keys: name} },
		check: func(r *sharedRecord) error {
			if r.Keys != name {
				return foreign(key, r.Keys)
			}
			return nil
		},
		apply: func(r *sharedRecord) error { return apply(&r.Shared) },
	})
}

// forgetKeySet drops the keys that a certificate has for itself alone, and
// returns the fingerprints of those that the record referred to. Keys of that
// name which another certificate is on stay.
func (s *Store) forgetKeySet(ctx context.Context, name string) ([]string, error) {
	known, err := s.KnownKeys(ctx, name)
	if err != nil || known.Damage != "" || len(known.Keys) == 0 && known.Ask == nil {
		return nil, err // what cannot be read is left
	}
	shared, err := s.onKeySet(ctx, name)
	if err != nil || shared {
		return nil, err
	}
	if err := s.delete(ctx, s.sharedKey(name)); err != nil {
		return nil, err
	}
	return known.References(), s.delete(ctx, keySetKey(name))
}

// onKeySet reports whether some certificate has a version or order on keys.
func (s *Store) onKeySet(ctx context.Context, name string) (bool, error) {
	var on atomic.Bool
	err := s.backend.Scan(ctx, groupsFolder, func(entry backend.Entry, err error) error {
		var r groupRecord
		if err == nil {
			err = decode(entry.Key, entry.Value, &r)
		}
		if err != nil {
			on.Store(true) // what it is on is not known
			return nil
		}
		for _, cert := range r.Certs {
			if cert != nil && cert.On(name) {
				on.Store(true)
			}
		}
		return nil
	})
	return on.Load(), err
}

// RepairKeys puts a damaged record of keys aside, under "damaged/". What the
// certificates on them use is taken over afterwards; a key that was only kept
// ready is lost.
func (s *Store) RepairKeys(ctx context.Context, name string) error {
	entry, err := s.backend.Get(ctx, keySetKey(name))
	if err != nil {
		return fmt.Errorf("repair keys %s: %w", name, err)
	}
	if known := decodeKeySet(name, entry, nil); known.Damage == "" || known.Newer {
		return fmt.Errorf("repair keys %s: %w", name, ErrNotDamaged)
	}
	// The copy is made first, as for a certificate: see Repair.
	if err := s.putAside(ctx, entry); err != nil {
		return fmt.Errorf("repair keys %s: %w", name, err)
	}
	return s.delete(ctx, keySetKey(name))
}
