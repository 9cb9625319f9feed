package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/seal"
)

// sealKey is the key of the record that says under which store keys secrets are.
const sealKey = "seal"

// sealRecord says under which store keys secrets are. It is written before the
// first secret is sealed under a key, and names a key for as long as one may
// be: so whoever opens the state as Holder knows whether it can read them all.
type sealRecord struct {
	header
	plan.KnownSeal
}

// StoreKeyError says that the state cannot be held, since secrets in it could
// not be read.
type StoreKeyError struct {
	Dir   string
	Needs []string // ids of keys that are not at hand
	Have  []string // ids of those that are
	Err   error    // why keys could not be read; nil where they could
}

// Error says which key is needed.
func (e *StoreKeyError) Error() string {
	switch {
	case e.Err != nil && len(e.Needs) == 0:
		return fmt.Sprintf("the store in %s is to be sealed, and its key cannot be read: %v", e.Dir, e.Err)
	case e.Err != nil:
		return fmt.Sprintf("the store in %s is sealed under store key %s, which cannot be read: %v", e.Dir, strings.Join(e.Needs, ", "), e.Err)
	case len(e.Have) == 0:
		return fmt.Sprintf("the store in %s is sealed under store key %s, and no store key is configured", e.Dir, strings.Join(e.Needs, ", "))
	}
	return fmt.Sprintf("the store in %s is sealed under store key %s, and the one that is configured is %s", e.Dir, strings.Join(e.Needs, ", "), strings.Join(e.Have, ", "))
}

// Remedy says what to do.
func (e *StoreKeyError) Remedy() string {
	if len(e.Needs) == 0 {
		return "correct `store_key_file` or its like; `certkeep store key` makes a key"
	}
	return "put that key back where `store_key_file` or its like says, as a line of its own; nothing was changed. " +
		"Where it is lost for good, move the state folder away: certificates and keys are then taken over from the installed files"
}

// Unwrap returns why keys could not be read.
func (e *StoreKeyError) Unwrap() error { return e.Err }

// KnownSeal is what is known of the store's seal; nil where nothing was ever sealed.
func (s *Store) KnownSeal(ctx context.Context) (*plan.KnownSeal, error) {
	r, err := s.sealRecord(ctx)
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read how the store is sealed: %w", err)
	}
	return &r.KnownSeal, nil
}

func (s *Store) sealRecord(ctx context.Context) (sealRecord, error) {
	var r sealRecord
	entry, err := s.backend.Get(ctx, sealKey)
	if err == nil {
		err = decode(entry.Key, entry.Value, &r)
	}
	return r, err
}

// sealShown is KnownSeal for those who decide and show: a record that cannot be
// read is no reason to know nothing else.
func (s *Store) sealShown(ctx context.Context) (*plan.KnownSeal, error) {
	known, err := s.KnownSeal(ctx)
	_, newer := errors.AsType[*NewerError](err)
	if lost(err) || newer {
		return &plan.KnownSeal{Key: "unknown", Left: []string{err.Error()}}, nil
	}
	return known, err
}

// CheckKeys looks whether all secrets can be opened by the keys that are there
// now, as far as the record of the seal tells. The error is a *StoreKeyError.
func (s *Store) CheckKeys(ctx context.Context) error {
	known, err := s.KnownSeal(ctx)
	if err != nil {
		return err
	}
	ring, err := s.vault.again()
	return s.fits(known, ring, err)
}

// fits checks that a ring has every key that a secret may be under. Failed is
// why the keys could not be read.
func (s *Store) fits(known *plan.KnownSeal, ring seal.Ring, failed error) error {
	var needs []string
	if known != nil {
		for _, id := range append([]string{known.Key}, known.Others...) {
			if id != "" && id != algorithmNone && !ring.Has(id) {
				needs = append(needs, id)
			}
		}
	}
	if len(needs) == 0 && failed == nil {
		return nil
	}
	return &StoreKeyError{Dir: s.path, Needs: needs, Have: ring.IDs(), Err: failed}
}

// UseKeys takes over other store keys, as Open does. Where secrets may be under
// a key that is not among them, the error is a *StoreKeyError, and the former
// ones stay. What is not under the first key yet is for Seal to see to.
func (s *Store) UseKeys(ctx context.Context, keys Keys) error {
	if err := s.writable(); err != nil {
		return err
	}
	return s.takeKeys(ctx, keys, false)
}

// takeKeys reads the keys and notes, before any secret is sealed under the first
// of them, that one may be; with clear that secrets are taken out of their seal.
func (s *Store) takeKeys(ctx context.Context, keys Keys, clear bool) error {
	s.vault.writing.Lock()
	defer s.vault.writing.Unlock()
	var ring seal.Ring
	var failed error
	if keys != nil {
		ring, failed = keys()
	}
	was, err := s.sealRecord(ctx)
	missing := errors.Is(err, ErrNotFound)
	switch {
	case missing:
		if err := s.fits(nil, ring, failed); err != nil {
			return err
		}
	case lost(err) && failed == nil && ring.First() != "":
		was = sealRecord{KnownSeal: plan.KnownSeal{Key: algorithmNone, Others: ring.IDs()}} // any of them may be in use
	case err != nil:
		return fmt.Errorf("read how the store is sealed: %w", err)
	default:
		if err := s.fits(&was.KnownSeal, ring, failed); err != nil {
			return err
		}
	}
	first := ring.First()
	if clear {
		first = ""
	}
	if missing && first == "" || !missing && was.Key == first {
		s.vault.use(keys, ring, clear)
		return nil
	}
	err = update(ctx, s, change[*sealRecord]{
		key: sealKey, rebuild: true,
		fresh: func() *sealRecord { return &sealRecord{} },
		apply: func(r *sealRecord) error {
			before := was.Key
			if before == "" {
				before = algorithmNone
			}
			r.Others = slices.DeleteFunc(append(slices.Clone(was.Others), before), func(id string) bool { return id == first })
			slices.Sort(r.Others)
			r.Others = slices.Compact(r.Others)
			r.Key, r.Since, r.Left = first, time.Now().UTC(), nil
			return nil
		},
	})
	if err != nil {
		return fmt.Errorf("note under which key the store is sealed: %w", err)
	}
	s.vault.use(keys, ring, clear)
	return nil
}
