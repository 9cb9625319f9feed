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

	vault *vault // that opens Secret; nil where it was never stored
}

// Intention is a change of an account that was begun: the CA may or may not
// know of it.
type Intention struct {
	Kind  IntentionKind `json:"kind"`
	Since time.Time     `json:"since"`
	Key   string        `json:"key,omitempty"` // fingerprint of the new key

	Secret Envelope `json:"-"` // the new private key

	vault *vault
	place string // that Secret is sealed for
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
	a.Key, a.Secret, err = envelopeOf(key)
	return err
}

// Signer is the account's private key.
func (a Account) Signer() (crypto.Signer, error) {
	key, err := a.vault.signer(a.Secret, accountPlace(a.Issuer, a.Key), a.Key)
	if err != nil {
		return nil, fmt.Errorf("key of the account at %s: %w", a.Issuer, err)
	}
	return key, nil
}

// SetKey gives the intention the new private key.
func (i *Intention) SetKey(key crypto.Signer) (err error) {
	i.Key, i.Secret, err = envelopeOf(key)
	return err
}

// Signer is the new private key.
func (i Intention) Signer() (crypto.Signer, error) {
	key, err := i.vault.signer(i.Secret, i.place, i.Key)
	if err != nil {
		return nil, fmt.Errorf("new account key: %w", err)
	}
	return key, nil
}

// envelopeOf names a key and puts it into an envelope, which is sealed when it
// is stored.
func envelopeOf(key crypto.Signer) (fingerprint string, secret Envelope, err error) {
	if fingerprint, err = keys.Fingerprint(key.Public()); err != nil {
		return "", Envelope{}, err
	}
	secret, err = plainEnvelope(key)
	return fingerprint, secret, err
}

// accountRecord is an Account as it lies in the store.
type accountRecord struct {
	header
	Account
	Secret *Envelope `json:"secret,omitempty"`
	Next   *Envelope `json:"next_secret,omitempty"` // the intention's
}

// accountOf returns the account with its secrets in their places.
func (s *Store) accountOf(r *accountRecord) Account {
	a := r.Account
	a.vault = &s.vault
	if r.Secret != nil {
		a.Secret = *r.Secret
	}
	if a.Intention != nil && r.Next != nil {
		next := *a.Intention
		next.Secret, next.vault, next.place = *r.Next, &s.vault, accountPlace(r.Issuer, next.Key)
		a.Intention = &next
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

// renewAccount puts the secrets of an account under the key that seals now. One
// that cannot be opened stays as it is, and kept says why: whoever needs it hears
// that too. With an error the record must not be written.
func (s *Store) renewAccount(r *accountRecord) (kept, err error) {
	renew := func(e *Envelope, key string) *Envelope {
		if e == nil || e.Data == nil {
			return e
		}
		fresh, failed := s.vault.renew(*e, accountPlace(r.Issuer, key))
		switch {
		case failed == nil:
		case e.Algorithm == algorithmNone: // it must not be written in the clear
			err = fmt.Errorf("seal the account at %s: %w", r.Issuer, failed)
		default:
			kept = failed
		}
		return &fresh
	}
	r.Secret = renew(r.Secret, r.Key)
	if r.Intention != nil {
		r.Next = renew(r.Next, r.Intention.Key)
	}
	return kept, err
}

// accountKey is the key of a CA's account.
func accountKey(issuer string) string { return keyOf(accounts, issuer) }

// Account reads the account at a CA. One that is not there is ErrNotFound.
func (s *Store) Account(ctx context.Context, issuer string) (Account, error) {
	r, _, err := s.account(ctx, issuer)
	if err != nil {
		return Account{}, fmt.Errorf("read account at %s: %w", issuer, err)
	}
	return s.accountOf(&r), nil
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
	s.vault.writing.RLock()
	defer s.vault.writing.RUnlock()
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
			a := s.accountOf(r)
			if err := apply(&a); err != nil {
				return err
			}
			a.Issuer = issuer
			r.set(a)
			_, err := s.renewAccount(r)
			return err
		},
	})
}

// ArchiveAccount puts the account at a CA aside, with the reason in words,
// so that a new one can be registered. It is written to the archive, then
// removed here: a crash in between leaves both, and archiving again finishes
// it. One that is changed meanwhile is archived as it is then. A damaged one is
// put aside as it is, under "damaged/". Where there is no account nothing
// happens.
func (s *Store) ArchiveAccount(ctx context.Context, issuer, words string) error {
	if err := s.writable(); err != nil {
		return err
	}
	for {
		err := s.archiveAccount(ctx, issuer, words)
		if errors.Is(err, backend.ErrConflict) && ctx.Err() == nil {
			continue // it was changed meanwhile
		}
		if err != nil {
			return fmt.Errorf("archive account at %s: %w", issuer, err)
		}
		return nil
	}
}

// archiveAccount is ArchiveAccount, unless the account is changed meanwhile.
func (s *Store) archiveAccount(ctx context.Context, issuer, words string) error {
	r, entry, err := s.account(ctx, issuer)
	switch {
	case errors.Is(err, ErrNotFound):
		return nil
	case lost(err):
		if err := s.putAside(ctx, entry); err != nil {
			return fmt.Errorf("put the damaged record aside: %w", err)
		}
	case err != nil:
		return err
	default:
		if err := s.copyToArchive(ctx, r, words); err != nil {
			return err
		}
	}
	return s.backend.Delete(ctx, entry.Key, entry.Revision)
}

// copyToArchive writes an account to the archive. The name depends on the
// account alone, so doing it again is no second copy.
func (s *Store) copyToArchive(ctx context.Context, account accountRecord, words string) error {
	s.vault.writing.RLock()
	defer s.vault.writing.RUnlock()
	if _, err := s.renewAccount(&account); err != nil {
		return err
	}
	account.Archived = &Archived{At: time.Now().UTC(), Words: words}
	name := fmt.Sprintf("%s-%.12s", account.Created.UTC().Format("20060102T150405Z"), account.Key)
	return update(ctx, s, change[*accountRecord]{
		key:     keyOf(accountsArchive, account.Issuer, name),
		fresh:   func() *accountRecord { return &accountRecord{} },
		rebuild: true,
		apply: func(r *accountRecord) error {
			if r.Archived != nil {
				account.Archived = r.Archived // begun before, and interrupted
			}
			*r = account
			return nil
		},
	})
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
		found[lastName(entry.Key)] = s.accountOf(&r)
		return nil
	})
	return found, errors.Join(append(damaged, err)...)
}
