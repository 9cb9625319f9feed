package store

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/certkeep/certkeep/internal/keys"
	"github.com/certkeep/certkeep/internal/store/backend"
)

// keysFolder is the folder of the private keys.
const keysFolder = "keys"

// keyRecord is one private key.
type keyRecord struct {
	header
	Type    keys.Type `json:"type,omitempty"` // absent for a kind that Certkeep does not make
	Created time.Time `json:"created"`
	Secret  Envelope  `json:"secret"`
}

// keyKey is the key of a private key's record.
func keyKey(fingerprint string) string { return keyOf(keysFolder, fingerprint) }

// PutKey stores a private key and returns its fingerprint. It is stored
// before anything is ordered with it: a crash in between leaves a key that
// nobody refers to. A key that is stored already stays as it is.
func (s *Store) PutKey(ctx context.Context, key crypto.Signer) (fingerprint string, err error) {
	fingerprint, err = keys.Fingerprint(key.Public())
	if err != nil {
		return "", err
	}
	// A type that is not ours, as an adopted key may have, is left out.
	keyType, _ := keys.TypeOf(key.Public())
	plain, err := plainEnvelope(key)
	if err != nil {
		return "", err
	}
	s.vault.writing.RLock()
	defer s.vault.writing.RUnlock()
	secret, err := s.vault.renew(plain, keyPlace(fingerprint))
	if err != nil {
		return "", fmt.Errorf("seal private key %.16s…: %w", fingerprint, err)
	}
	return fingerprint, update(ctx, s, change[*keyRecord]{
		key:     keyKey(fingerprint),
		rebuild: true, // the same key again is what mends a damaged record
		fresh:   func() *keyRecord { return &keyRecord{} },
		check: func(r *keyRecord) error {
			_, err := s.signer(r, fingerprint)
			return err
		},
		apply: func(r *keyRecord) error {
			if r.Secret == (Envelope{}) {
				r.Type, r.Created, r.Secret = keyType, time.Now().UTC(), secret
			}
			return nil
		},
	})
}

// signer takes the key out of its record.
func (s *Store) signer(r *keyRecord, fingerprint string) (crypto.Signer, error) {
	key, err := s.vault.signer(r.Secret, keyPlace(fingerprint), fingerprint)
	if _, sealed := errors.AsType[*SealedError](err); sealed || err == nil {
		return key, err
	}
	return nil, &DamagedError{Key: keyKey(fingerprint), Err: err}
}

// Key reads a private key. One that is not there is ErrNotFound, one that
// cannot be understood, or is another one, a *DamagedError, and one whose store
// key is not at hand a *SealedError.
func (s *Store) Key(ctx context.Context, fingerprint string) (crypto.Signer, error) {
	entry, err := s.backend.Get(ctx, keyKey(fingerprint))
	if err != nil {
		return nil, fmt.Errorf("read private key %.16s…: %w", fingerprint, err)
	}
	var r keyRecord
	if err := decode(entry.Key, entry.Value, &r); err != nil {
		return nil, err
	}
	return s.signer(&r, fingerprint)
}

// Keys lists the fingerprints of all private keys, sorted.
func (s *Store) Keys(ctx context.Context) ([]string, error) {
	found, err := s.backend.Keys(ctx, keysFolder)
	if err != nil {
		return nil, fmt.Errorf("list private keys: %w", err)
	}
	for i, key := range found {
		found[i] = lastName(key)
	}
	return found, nil
}

// DeleteKey removes a private key. Nobody may refer to it any more; see
// References.
func (s *Store) DeleteKey(ctx context.Context, fingerprint string) error {
	return s.delete(ctx, keyKey(fingerprint))
}

// References returns the fingerprints of all keys that a certificate's record
// or a set of keys refers to, with the names of those. Whoever removes keys asks
// here first: while a record cannot be read it is an error, since what that
// one refers to is not known.
func (s *Store) References(ctx context.Context) (map[string][]string, error) {
	referrers := map[string][]string{}
	var mu sync.Mutex // guards referrers
	err := s.backend.Scan(ctx, groupsFolder, func(entry backend.Entry, err error) error {
		if err != nil {
			return err
		}
		var r groupRecord
		if err := decode(entry.Key, entry.Value, &r); err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		for name, cert := range r.Certs {
			if cert == nil {
				continue
			}
			for _, v := range cert.Versions {
				for _, pair := range v.Pairs {
					referrers[pair.Key] = append(referrers[pair.Key], name)
				}
			}
			for _, order := range cert.Orders {
				referrers[order.Key] = append(referrers[order.Key], name)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	shared, err := s.KeySetKeys(ctx)
	for _, fingerprint := range shared {
		referrers[fingerprint] = append(referrers[fingerprint], "keys")
	}
	return referrers, err
}

// UnusedKeys lists the keys that no certificate's record refers to and that
// were not stored within an age of now: a key is stored before the order that
// will refer to it, so a young one may be about to be used. One that was stored
// far in the future was stored under a wrong clock.
func (s *Store) UnusedKeys(ctx context.Context, now time.Time, age time.Duration) ([]string, error) {
	used, err := s.References(ctx)
	if err != nil {
		return nil, fmt.Errorf("find unused keys: %w", err)
	}
	var unused []string
	var mu sync.Mutex // guards unused
	err = s.backend.Scan(ctx, keysFolder, func(entry backend.Entry, err error) error {
		fingerprint := lastName(entry.Key)
		if used[fingerprint] != nil {
			return nil
		}
		var r keyRecord
		if err == nil {
			err = decode(entry.Key, entry.Value, &r)
		}
		if err != nil || now.Sub(r.Created).Abs() < age {
			return nil // what is damaged is for a person to look at
		}
		mu.Lock()
		defer mu.Unlock()
		unused = append(unused, fingerprint)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("find unused keys: %w", err)
	}
	return unused, nil
}
