package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/certkeep/certkeep/internal/seal"
	"github.com/certkeep/certkeep/internal/store/backend"
)

// mostLeft bounds how many secrets that could not be sealed are named.
const mostLeft = 5

// SealReport is what Seal did.
type SealReport struct {
	Key     string   `json:"key,omitempty"` // id of the key that all is under now; "" in the clear
	All     int      `json:"all"`           // records and files that hold secrets
	Changed int      `json:"changed"`       // of them were sealed, or taken out of their seal, now
	Left    []string `json:"left"`          // could not be, and why
}

// Seal puts every secret of the store under the key that seals, or in the clear
// where none does: private keys, accounts, and copies of replaced files. Each is
// replaced by one write, so that a crash leaves it under the old key or the new
// one; both are named by the record of the seal until all is done, and Seal goes
// on where it ended. What cannot be opened stays as it is and is named. Progress
// is told how many are done; it may be nil.
func (s *Store) Seal(ctx context.Context, progress func(done, all int)) (SealReport, error) {
	if err := s.writable(); err != nil {
		return SealReport{}, err
	}
	s.sealing.Lock()
	defer s.sealing.Unlock()
	for {
		report, again, err := s.sealOnce(ctx, progress)
		if err != nil {
			return report, fmt.Errorf("seal the store: %w", err)
		}
		if !again {
			return report, nil
		}
	}
}

// sealOnce is Seal, unless the key changes meanwhile.
func (s *Store) sealOnce(ctx context.Context, progress func(done, all int)) (report SealReport, again bool, err error) {
	known, err := s.KnownSeal(ctx)
	if err != nil || known == nil {
		return SealReport{Left: []string{}}, false, err
	}
	report = SealReport{Key: known.Key, Left: []string{}}
	if first := s.vault.sealing().First(); first != known.Key {
		return report, false, fmt.Errorf("the change to store key %q was begun and failed; begin it again", known.Key)
	}
	places, err := s.secrets(ctx)
	if err != nil {
		return report, false, err
	}
	report.All = len(places)
	inClear := false
	for i, place := range places {
		if err := ctx.Err(); err != nil {
			return report, false, context.Cause(ctx)
		}
		changed, err := s.sealPlace(ctx, place)
		if stays, ok := errors.AsType[*staysError](err); ok {
			inClear = inClear || stays.inClear
			report.Left = append(report.Left, stays.Error())
		} else if err != nil {
			return report, false, fmt.Errorf("%d of %d are done: %w", i, len(places), err)
		}
		if changed {
			report.Changed++
		}
		if progress != nil {
			progress(i+1, len(places))
		}
	}
	again, err = s.sealed(ctx, report, inClear)
	return report, again, err
}

// sealed notes that all that could be is under the key of a report.
func (s *Store) sealed(ctx context.Context, report SealReport, inClear bool) (again bool, err error) {
	s.vault.writing.Lock()
	defer s.vault.writing.Unlock()
	if s.vault.sealing().First() != report.Key {
		return true, nil
	}
	if report.Key == "" && len(report.Left) == 0 {
		return false, s.delete(ctx, sealKey)
	}
	return false, update(ctx, s, change[*sealRecord]{
		key:   sealKey,
		fresh: func() *sealRecord { return &sealRecord{} },
		apply: func(r *sealRecord) error {
			r.Left = report.Left[:min(len(report.Left), mostLeft)]
			if report.Key == "" {
				return nil // what could not be opened needs its keys
			}
			r.Others = nil
			if inClear {
				r.Others = []string{algorithmNone}
			}
			return nil
		},
	})
}

// staysError is a secret that stays as it is.
type staysError struct {
	place   place
	inClear bool // it may be in the clear
	err     error
}

func (e *staysError) Error() string { return fmt.Sprintf("%s: %v", e.place, e.err) }

func (e *staysError) Unwrap() error { return e.err }

// place is where secrets lie: a record, or else a file of the archive.
type place struct {
	record string
	file   string // its path below the state folder
}

// String is the path below the state folder.
func (p place) String() string {
	if p.file != "" {
		return p.file
	}
	return "records/" + p.record
}

// secrets lists all that holds secrets.
func (s *Store) secrets(ctx context.Context) ([]place, error) {
	var all []place
	for _, folder := range []string{keysFolder, accounts, asideFolder + "/" + keysFolder, asideFolder + "/" + accounts} {
		found, err := s.backend.Keys(ctx, folder)
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", folder, err)
		}
		for _, key := range found {
			all = append(all, place{record: key})
		}
	}
	files, err := s.archived()
	for _, file := range files {
		all = append(all, place{file: file})
	}
	return all, err
}

// sealPlace brings one place under the key that seals now.
func (s *Store) sealPlace(ctx context.Context, p place) (changed bool, err error) {
	if p.file != "" {
		return s.sealArchived(p)
	}
	s.vault.writing.RLock()
	defer s.vault.writing.RUnlock()
	for {
		entry, err := s.backend.Get(ctx, p.record)
		if errors.Is(err, ErrNotFound) {
			return false, nil // removed since it was listed
		}
		if err != nil {
			return false, err
		}
		value, err := s.renewed(p, entry)
		if value == nil || bytes.Equal(value, entry.Value) {
			return false, err
		}
		stored := s.putValue(ctx, p.record, value, entry.Revision)
		if errors.Is(stored, backend.ErrConflict) && ctx.Err() == nil {
			continue // it was changed meanwhile
		}
		if stored != nil {
			return false, stored
		}
		return true, err
	}
}

// renewed is a record with its secrets under the key that seals now; nil where
// it cannot be. The error is a *staysError where some secret stays as it is.
func (s *Store) renewed(p place, entry backend.Entry) ([]byte, error) {
	stays := func(err error, inClear bool) error {
		if err == nil {
			return nil
		}
		return &staysError{place: p, err: err, inClear: inClear}
	}
	switch {
	case strings.HasPrefix(p.record, asideFolder+"/"):
		value, err := s.vault.renewFile(entry.Value, filePlace(p.String()))
		return value, stays(err, !seal.IsFile(entry.Value))
	case strings.HasPrefix(p.record, keysFolder+"/"):
		var r keyRecord
		if err := decode(entry.Key, entry.Value, &r); err != nil {
			return nil, stays(err, true)
		}
		secret, err := s.vault.renew(r.Secret, keyPlace(lastName(entry.Key)))
		if err != nil {
			return nil, stays(err, r.Secret.Algorithm == algorithmNone)
		}
		r.Secret = secret
		return encode(entry.Key, r)
	default:
		var r accountRecord
		if err := decode(entry.Key, entry.Value, &r); err != nil {
			return nil, stays(err, true)
		}
		kept, err := s.renewAccount(&r)
		if err != nil {
			return nil, stays(err, true)
		}
		value, err := encode(entry.Key, r)
		return value, errors.Join(err, stays(kept, false))
	}
}

// Seals counts how secrets lie: by the id of their store key, "none" for those
// in the clear, "unreadable" for records that cannot be read. No secret is
// opened for it.
func (s *Store) Seals(ctx context.Context) (map[string]int, error) {
	places, err := s.secrets(ctx)
	if err != nil {
		return nil, err
	}
	count := map[string]int{}
	for _, p := range places {
		under, err := s.under(ctx, p)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, id := range under {
			count[id]++
		}
	}
	return count, nil
}

// unreadable stands for the key of a secret in a record that cannot be read.
const unreadable = "unreadable"

// under are the keys of the secrets at a place.
func (s *Store) under(ctx context.Context, p place) ([]string, error) {
	var value []byte
	if p.file != "" {
		text, err := s.readArchived(p.file)
		if err != nil {
			return nil, err
		}
		value = text
	} else {
		entry, err := s.backend.Get(ctx, p.record)
		if err != nil {
			return nil, err
		}
		value = entry.Value
	}
	if p.file != "" || strings.HasPrefix(p.record, asideFolder+"/") {
		if !seal.IsFile(value) {
			return []string{algorithmNone}, nil
		}
		sealed, err := seal.ParseFile(value)
		if err != nil {
			return []string{unreadable}, nil
		}
		return []string{sealed.KeyID}, nil
	}
	// The part that private keys and accounts have in common.
	var r struct {
		header
		Secret *Envelope `json:"secret"`
		Next   *Envelope `json:"next_secret"`
	}
	if err := decode(p.record, value, &r); err != nil {
		return []string{unreadable}, nil
	}
	var ids []string
	for _, e := range []*Envelope{r.Secret, r.Next} {
		if e != nil && e.Data != nil {
			ids = append(ids, e.under())
		}
	}
	return slices.Clip(ids), nil
}
