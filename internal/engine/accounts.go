package engine

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"time"

	"github.com/certkeep/certkeep/internal/issuer"
	"github.com/certkeep/certkeep/internal/keys"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/store"
)

// RegisterAccount returns the account at an issuer, registering one where
// none is stored.
func (e *Engine) RegisterAccount(ctx context.Context, id string) (store.Account, error) {
	p, _, unlock, err := e.authority(ctx, id)
	if err != nil {
		return store.Account{}, err
	}
	defer unlock()
	if _, err := e.accountHeld(ctx, p, id); err != nil {
		return store.Account{}, e.heard(ctx, id, err)
	}
	return e.Store.Account(ctx, id)
}

// UpdateAccount brings the contact at the CA up to the config.
func (e *Engine) UpdateAccount(ctx context.Context, id string) (store.Account, error) {
	p, ca, unlock, err := e.authority(ctx, id)
	if err != nil {
		return store.Account{}, err
	}
	defer unlock()
	account, err := e.accountHeld(ctx, p, id)
	if err != nil {
		return store.Account{}, e.heard(ctx, id, err)
	}
	account, err = ca.Contact(ctx, account, contact(p.cfg.EmailAt(id)))
	if err != nil {
		return store.Account{}, e.heard(ctx, id, err)
	}
	if err := e.saveAccount(context.WithoutCancel(ctx), id, account, nil); err != nil {
		return store.Account{}, err
	}
	e.toldContact(context.WithoutCancel(ctx), id, p.cfg.EmailAt(id))
	return e.Store.Account(ctx, id)
}

// RollAccountKey changes the account's key (RFC 8555 section 7.3.5). The new
// key is stored before the CA hears of it; after a crash the CA is asked
// which of the two counts.
func (e *Engine) RollAccountKey(ctx context.Context, id string) (store.Account, error) {
	p, ca, unlock, err := e.authority(ctx, id)
	if err != nil {
		return store.Account{}, err
	}
	// Whoever asks for the account meanwhile would take the new key, which the
	// CA does not know yet, for one that it refused.
	defer unlock()
	// This resolves what an earlier change has left: its new key, which may be
	// the one that counts, would be overwritten by this one's.
	account, err := e.accountHeld(ctx, p, id)
	if err != nil {
		return store.Account{}, e.heard(ctx, id, err)
	}
	next, err := keys.Generate(accountKeyType)
	if err != nil {
		return store.Account{}, err
	}
	intention := store.Intention{Kind: store.IntendRollKey, Since: time.Now().UTC()}
	if err := intention.SetKey(next); err != nil {
		return store.Account{}, err
	}
	if err := e.intend(ctx, id, &intention); err != nil {
		return store.Account{}, err
	}
	if _, err := ca.RollKey(ctx, account, next); err != nil {
		return e.doubtKey(ctx, ca, id, e.heard(ctx, id, err))
	}
	return e.takeKey(context.WithoutCancel(ctx), id, next)
}

// doubtKey asks the CA which key counts after a change that failed. Also a
// refusal says nothing: it may be the answer to a repetition, which the old key
// signed when it counted no more. Where the CA cannot be asked the intention
// stays, and is resolved before the account is used again.
func (e *Engine) doubtKey(ctx context.Context, ca *issuer.CA, id string, failed error) (store.Account, error) {
	if e.leftAlone(ctx, id) != nil {
		return store.Account{}, failed
	}
	record, err := e.Store.Account(ctx, id)
	if err != nil {
		return store.Account{}, errors.Join(failed, err)
	}
	before := record.Key
	if record, err = e.resolveIntention(ctx, ca, record); err != nil || record.Key == before {
		return store.Account{}, errors.Join(failed, err)
	}
	return record, nil
}

// takeKey makes the key that the CA now counts the stored one.
func (e *Engine) takeKey(ctx context.Context, id string, key crypto.Signer) (store.Account, error) {
	err := e.Store.UpdateAccount(ctx, id, func(a *store.Account) error {
		a.Intention = nil
		return a.SetKey(key)
	})
	if err != nil {
		return store.Account{}, err
	}
	return e.Store.Account(ctx, id)
}

// intend stores, or drops, what is about to be asked of the CA.
func (e *Engine) intend(ctx context.Context, id string, intention *store.Intention) error {
	return e.Store.UpdateAccount(ctx, id, func(a *store.Account) error {
		a.Intention = intention
		return nil
	})
}

// resolveIntention asks the CA which of two keys counts, or whether the
// account still stands, after a change whose answer was lost.
func (e *Engine) resolveIntention(ctx context.Context, ca *issuer.CA, record store.Account) (store.Account, error) {
	if record.Intention == nil {
		return record, nil
	}
	id := record.Issuer
	if record.Intention.Kind == store.IntendRollKey {
		next, err := record.Intention.Signer()
		if err != nil {
			return record, err
		}
		_, err = ca.FindAccount(ctx, next)
		if err == nil {
			return e.takeKey(context.WithoutCancel(ctx), id, next)
		}
		if !errors.Is(err, issuer.ErrNoAccount) {
			return record, err
		}
	}
	if err := e.intend(ctx, id, nil); err != nil {
		return record, err
	}
	return e.Store.Account(ctx, id)
}

// ResetAccount archives the stored account and registers a new one.
func (e *Engine) ResetAccount(ctx context.Context, id string) (store.Account, error) {
	p, _, unlock, err := e.authority(ctx, id)
	if err != nil {
		return store.Account{}, err
	}
	defer unlock()
	if err := e.Store.ArchiveAccount(ctx, id, "reset by a person"); err != nil {
		return store.Account{}, err
	}
	if _, err := e.accountHeld(ctx, p, id); err != nil {
		return store.Account{}, e.heard(ctx, id, err)
	}
	return e.Store.Account(ctx, id)
}

// DeactivateAccount ends the account at the CA (RFC 8555 section 7.3.6) and
// archives it.
func (e *Engine) DeactivateAccount(ctx context.Context, id string) error {
	_, ca, unlock, err := e.authority(ctx, id)
	if err != nil {
		return err
	}
	defer unlock()
	record, err := e.Store.Account(ctx, id)
	if err != nil {
		return fmt.Errorf("no account at %s is stored: %w", id, err)
	}
	// After a key change whose answer was lost the CA may know the new key
	// alone: with the old one the account could not be ended any more.
	if record, err = e.resolveIntention(ctx, ca, record); err != nil {
		return e.heard(ctx, id, err)
	}
	account, err := accountOf(record)
	if err != nil {
		return err
	}
	if err := e.intend(ctx, id, &store.Intention{Kind: store.IntendDeactivate, Since: time.Now().UTC()}); err != nil {
		return err
	}
	if err := ca.Deactivate(ctx, account); err != nil && !accountIsLost(err) {
		return e.heard(ctx, id, err)
	}
	return e.Store.ArchiveAccount(context.WithoutCancel(ctx), id, "deactivated by a person")
}

// ImportAccount takes over an account of another client by its key. The CA
// has to know it.
func (e *Engine) ImportAccount(ctx context.Context, id string, key crypto.Signer) (store.Account, error) {
	p, ca, unlock, err := e.authority(ctx, id)
	if err != nil {
		return store.Account{}, err
	}
	defer unlock()
	account, err := ca.FindAccount(ctx, key)
	if err != nil {
		return store.Account{}, e.heard(ctx, id, err)
	}
	if err := e.Store.ArchiveAccount(ctx, id, "replaced by an imported one"); err != nil {
		return store.Account{}, err
	}
	if _, err := e.newAccountRecord(ctx, id, p.issuers[id].config.Directory, key); err != nil {
		return store.Account{}, err
	}
	if err := e.saveAccount(ctx, id, account, nil); err != nil {
		return store.Account{}, err
	}
	e.foundContact(ctx, id, p.cfg.EmailAt(id), account.Contact)
	return e.Store.Account(ctx, id)
}

// Forget drops all that is stored of a certificate; installed files stay. It
// waits for work on it that is under way.
func (e *Engine) Forget(ctx context.Context, name string) error {
	unlock, err := e.lockCert(ctx, name)
	if err != nil {
		return err
	}
	defer unlock()
	e.mu.Lock()
	e.forgotten[name] = true
	e.mu.Unlock()
	defer e.Wake()
	return e.Store.Forget(ctx, name)
}

// wasForgotten reports, once, whether a certificate was forgotten.
func (e *Engine) wasForgotten(name string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	was := e.forgotten[name]
	delete(e.forgotten, name)
	return was
}

// authority is the client of a configured issuer, unless that one asked to be
// left alone. The caller is the only one that works on the account there until
// it unlocks; whoever waited heeds what the one before was told.
func (e *Engine) authority(ctx context.Context, id string) (p *parts, ca *issuer.CA, unlock func(), err error) {
	p = e.current()
	auth := p.issuers[id]
	if auth == nil {
		return nil, nil, nil, fmt.Errorf("no issuer %q is configured", id)
	}
	if ca, err = auth.client(); err != nil {
		return nil, nil, nil, err
	}
	if unlock, err = ca.AccountLock(ctx); err != nil {
		return nil, nil, nil, err
	}
	if err = e.leftAlone(ctx, id); err != nil {
		unlock()
		return nil, nil, nil, err
	}
	return p, ca, unlock, nil
}

// accountIsLost reports whether the CA does not know, or no longer accepts,
// the account.
func accountIsLost(err error) bool {
	ca, ok := errors.AsType[*issuer.Error](err)
	return ok && ca.Code == plan.CodeAccountLost
}

// asFault gives an error the form of a fact, for callers that show it.
func asFault(err error) error {
	if err == nil {
		return nil
	}
	if f, ok := errors.AsType[*FaultError](err); ok {
		return f
	}
	fault, _ := faultOf(err)
	return &FaultError{Fault: fault, Err: err}
}
