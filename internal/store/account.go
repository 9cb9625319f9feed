package store

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/certkeep/certkeep/internal/keys"
	"github.com/certkeep/certkeep/internal/store/backend"
)

// The folders of live accounts, and of those no longer used.
const (
	accounts        = "accounts"
	accountsArchive = "accounts/archive"
)

// AccountStatus is what the CA says of an account (RFC 8555 section 7.1.2);
// "" before it answered.
type AccountStatus string

// The statuses.
const (
	AccountValid       AccountStatus = "valid"
	AccountDeactivated AccountStatus = "deactivated"
	AccountRevoked     AccountStatus = "revoked"
)

// Account is an account at a CA. Its JSON is for people: the keys are left
// out.
type Account struct {
	Issuer    string        `json:"issuer"`
	Directory string        `json:"directory"`
	URL       string        `json:"url,omitempty"` // "" until newAccount was answered
	Contact   []string      `json:"contact,omitempty"`
	Terms     string        `json:"terms,omitempty"` // URL of the terms agreed to
	EABKid    string        `json:"eab_kid,omitempty"`
	Key       string        `json:"key,omitempty"` // fingerprint
	Status    AccountStatus `json:"status,omitempty"`
	Created   time.Time     `json:"created,omitzero"`
	Intention *Intention    `json:"intention,omitempty"`
	Archived  *Archived     `json:"archived,omitempty"`

	Secret Envelope `json:"-"` // the private key; see SetKey and Signer
}

// Intention is a change of an account that was begun: the CA may or may not
// know of it.
type Intention struct {
	Kind  IntentionKind `json:"kind"`
	Since time.Time     `json:"since"`
	Key   string        `json:"key,omitempty"` // fingerprint of the new key

	Secret Envelope `json:"-"` // the new private key
}

// IntentionKind says what is to be changed.
type IntentionKind string

// The kinds.
const (
	IntendRollKey    IntentionKind = "roll-key"
	IntendDeactivate IntentionKind = "deactivate"
)

// Archived says when and why an account is no longer used.
type Archived struct {
	At    time.Time `json:"at"`
	Words string    `json:"words"`
}

// SetKey gives the account its private key.
func (a *Account) SetKey(key crypto.Signer) (err error) {
	a.Key, a.Secret, err = sealNamed(key)
	return err
}

// Signer is the account's private key.
func (a Account) Signer() (crypto.Signer, error) {
	key, err := a.Secret.open(a.Key)
	if err != nil {
		return nil, fmt.Errorf("key of the account at %s: %w", a.Issuer, err)
	}
	return key, nil
}

// SetKey gives the intention the new private key.
func (i *Intention) SetKey(key crypto.Signer) (err error) {
	i.Key, i.Secret, err = sealNamed(key)
	return err
}

// Signer is the new private key.
func (i Intention) Signer() (crypto.Signer, error) {
	key, err := i.Secret.open(i.Key)
	if err != nil {
		return nil, fmt.Errorf("new account key: %w", err)
	}
	return key, nil
}

// sealNamed names a key and puts it into an envelope.
func sealNamed(key crypto.Signer) (fingerprint string, secret Envelope, err error) {
	if fingerprint, err = keys.Fingerprint(key.Public()); err != nil {
		return "", Envelope{}, err
	}
	secret, err = seal(key)
	return fingerprint, secret, err
}

// accountRecord is an Account as it lies in the store.
type accountRecord struct {
	header
	Account
	Secret *Envelope `json:"secret,omitempty"`
	Next   *Envelope `json:"next_secret,omitempty"` // the intention's
}

// account returns the account with its secrets in their places.
func (r *accountRecord) account() Account {
	a := r.Account
	if r.Secret != nil {
		a.Secret = *r.Secret
	}
	if a.Intention != nil && r.Next != nil {
		a.Intention.Secret = *r.Next
	}
	return a
}

// set takes an account over into the record.
func (r *accountRecord) set(a Account) {
	r.Account, r.Secret, r.Next = a, nil, nil
	if a.Secret != (Envelope{}) {
		r.Secret = &a.Secret
	}
	if a.Intention != nil && a.Intention.Secret != (Envelope{}) {
		r.Next = &a.Intention.Secret
	}
}

// accountKey is the key of a CA's account.
func accountKey(issuer string) string { return keyOf(accounts, issuer) }

// Account reads the account at a CA. One that is not there is ErrNotFound.
func (s *Store) Account(ctx context.Context, issuer string) (Account, error) {
	r, _, err := s.account(ctx, issuer)
	if err != nil {
		return Account{}, fmt.Errorf("read account at %s: %w", issuer, err)
	}
	return r.account(), nil
}

// account reads an account's record, with its revision.
func (s *Store) account(ctx context.Context, issuer string) (accountRecord, backend.Entry, error) {
	var r accountRecord
	entry, err := s.backend.Get(ctx, accountKey(issuer))
	if err == nil {
		err = decode(entry.Key, entry.Value, &r)
	}
	if err == nil && r.Issuer != issuer {
		err = foreign(entry.Key, r.Issuer)
	}
	return r, entry, err
}

// UpdateAccount changes the account at a CA; where there is none, apply is
// given one that has but its Issuer.
func (s *Store) UpdateAccount(ctx context.Context, issuer string, apply func(*Account) error) error {
	key := accountKey(issuer)
	return update(ctx, s, change[*accountRecord]{
		key:   key,
		fresh: func() *accountRecord { return &accountRecord{Account: Account{Issuer: issuer}} },
		check: func(r *accountRecord) error {
			if r.Issuer != issuer {
				return foreign(key, r.Issuer)
			}
			return nil
		},
		apply: func(r *accountRecord) error {
			a := r.account()
			if err := apply(&a); err != nil {
				return err
			}
			a.Issuer = issuer
			r.set(a)
			return nil
		},
	})
}

// ArchiveAccount puts the account at a CA aside, with the reason in words,
// so that a new one can be registered. It is written to the archive, then
// removed here: a crash in between leaves both, and archiving again finishes
// it. A damaged one is put aside as it is, under "damaged/". Where there is no
// account nothing happens.
func (s *Store) ArchiveAccount(ctx context.Context, issuer, words string) error {
	if err := s.writable(); err != nil {
		return err
	}
	r, entry, err := s.account(ctx, issuer)
	switch {
	case errors.Is(err, ErrNotFound):
		return nil
	case lost(err):
		if err = s.putAside(ctx, entry); err == nil {
			err = s.backend.Delete(ctx, entry.Key, entry.Revision)
		}
		if err != nil {
			err = fmt.Errorf("put the damaged account at %s aside: %w", issuer, err)
		}
		return err
	case err != nil:
		return fmt.Errorf("archive account at %s: %w", issuer, err)
	}
	r.Archived = &Archived{At: time.Now().UTC(), Words: words}
	// The name depends on the account alone, so doing it again is no second
	// copy.
	name := fmt.Sprintf("%s-%.12s", r.Created.UTC().Format("20060102T150405Z"), r.Key)
	err = s.put(ctx, keyOf(accountsArchive, issuer, name), &r, "")
	if err == nil || errors.Is(err, backend.ErrConflict) {
		err = s.backend.Delete(ctx, entry.Key, entry.Revision)
	}
	if err != nil {
		return fmt.Errorf("archive account at %s: %w", issuer, err)
	}
	return nil
}

// HadAccount reports whether an account at an issuer was put aside.
func (s *Store) HadAccount(ctx context.Context, issuer string) (bool, error) {
	names, err := s.backend.Keys(ctx, keyOf(accountsArchive, issuer))
	if err != nil {
		return false, fmt.Errorf("look for former accounts at %s: %w", issuer, err)
	}
	return len(names) > 0, nil
}

// Accounts returns the live accounts by issuer. One that cannot be read is
// part of the error; the others are returned beside it.
func (s *Store) Accounts(ctx context.Context) (map[string]Account, error) {
	found := map[string]Account{}
	var damaged []error
	var mu sync.Mutex // guards both
	err := s.backend.Scan(ctx, accounts, func(entry backend.Entry, err error) error {
		if strings.HasPrefix(entry.Key, accountsArchive+"/") {
			return nil
		}
		var r accountRecord
		if err == nil {
			err = decode(entry.Key, entry.Value, &r)
		}
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			damaged = append(damaged, err)
			return nil
		}
		found[lastName(entry.Key)] = r.account()
		return nil
	})
	return found, errors.Join(append(damaged, err)...)
}
