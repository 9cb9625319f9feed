package engine

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"net/url"
	"os"
	"time"

	"github.com/certkeep/certkeep/internal/issuer"
	"github.com/certkeep/certkeep/internal/keys"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/store"
)

// accountKeyType is what account keys are made of.
const accountKeyType keys.Type = "ecdsa-p256"

// enter waits for a slot at the CA, and returns its release.
func (a *authority) enter(ctx context.Context) (func(), error) {
	select {
	case a.slots <- struct{}{}:
		return func() { <-a.slots }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// client returns the CA's client, made at first use.
func (a *authority) client() (*issuer.CA, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ca != nil {
		return a.ca, nil
	}
	c := issuer.Config{ID: a.config.Name, Directory: a.config.Directory, Unverified: a.config.Unverified, UserAgent: a.userAgent, Network: a.network, Asked: a.asked}
	if a.config.RootsFile != "" {
		roots, err := os.ReadFile(a.config.RootsFile)
		if err != nil {
			return nil, &FaultError{Fault: newFault(plan.CodeNetwork, plan.BlameAdmin, fmt.Sprintf("issuer %s: read roots_file: %v", a.config.Name, err)), Err: err}
		}
		c.Roots = roots
	}
	if a.config.Proxy != "" {
		proxy, err := url.Parse(a.config.Proxy)
		if err != nil {
			return nil, fmt.Errorf("issuer %s: proxy: %w", a.config.Name, err)
		}
		c.Proxy = proxy
	}
	ca, err := issuer.New(c)
	if err != nil {
		return nil, err
	}
	a.ca, a.roots = ca, c.Roots
	return ca, nil
}

// eab reads the external account binding, where one is configured.
func (a *authority) eab() (*issuer.EAB, error) {
	if a.config.EAB == nil {
		return nil, nil
	}
	secret, err := a.config.EAB.HMAC.Read()
	if err != nil {
		return nil, &FaultError{Fault: newFault(plan.CodeEAB, plan.BlameAdmin, fmt.Sprintf("issuer %s: external account key: %v", a.config.Name, err)), Err: err}
	}
	return &issuer.EAB{KeyID: a.config.EAB.KID, HMAC: string(secret)}, nil
}

// account returns the account at a CA, registering one where none is stored.
// The key is saved before the CA is asked: when the answer is lost, the next
// run asks by key, and registers once.
func (e *Engine) account(ctx context.Context, p *parts, id string) (issuer.Account, error) {
	ca, err := p.issuers[id].client()
	if err != nil {
		return issuer.Account{}, err
	}
	unlock, err := ca.AccountLock(ctx)
	if err != nil {
		return issuer.Account{}, err
	}
	defer unlock()
	return e.accountHeld(ctx, p, id)
}

// accountHeld is account, for who holds the account's lock.
func (e *Engine) accountHeld(ctx context.Context, p *parts, id string) (issuer.Account, error) {
	auth := p.issuers[id]
	ca, err := auth.client()
	if err != nil {
		return issuer.Account{}, err
	}
	record, err := e.accountRecord(ctx, p, id)
	if err != nil {
		return issuer.Account{}, err
	}
	if record.URL != "" && record.Status == store.AccountValid && record.Intention == nil {
		if e.standing.of(id).Contact == nil {
			e.foundContact(ctx, id, p.cfg.EmailAt(id), record.Contact)
		}
		return auth.account(record)
	}
	return e.register(ctx, p, ca, record)
}

// accountRecord reads the stored account, or stores a new key for one.
func (e *Engine) accountRecord(ctx context.Context, p *parts, id string) (store.Account, error) {
	directory := p.issuers[id].config.Directory
	record, err := e.Store.Account(ctx, id)
	switch {
	case err == nil && record.Directory == directory:
		return record, nil
	case err == nil:
		// The issuer of that name is another CA now.
		if err := e.Store.ArchiveAccount(ctx, id, "the directory changed to "+directory); err != nil {
			return store.Account{}, err
		}
	case !errors.Is(err, store.ErrNotFound):
		return store.Account{}, err
	}
	key, err := e.foundKey(ctx, p.issuers[id].config)
	if key == nil && err == nil {
		key, err = keys.Generate(accountKeyType)
	}
	if err != nil {
		return store.Account{}, err
	}
	return e.newAccountRecord(ctx, id, directory, key)
}

func (e *Engine) newAccountRecord(ctx context.Context, id, directory string, key crypto.Signer) (store.Account, error) {
	fresh := store.Account{Issuer: id, Directory: directory, Created: time.Now().UTC()}
	if err := fresh.SetKey(key); err != nil {
		return store.Account{}, err
	}
	err := e.Store.UpdateAccount(ctx, id, func(a *store.Account) error {
		*a = fresh
		return nil
	})
	return fresh, err
}

// register asks the CA for the account of the stored key, and registers one
// where it knows none.
func (e *Engine) register(ctx context.Context, p *parts, ca *issuer.CA, record store.Account) (issuer.Account, error) {
	asked := record.Created.Before(time.Now().Add(-time.Second)) // a run before this one may have been answered
	record, err := e.resolveIntention(ctx, ca, record)
	if err != nil {
		return issuer.Account{}, err
	}
	if record.URL != "" && record.Status == store.AccountValid {
		return accountOf(record)
	}
	key, err := record.Signer()
	if err != nil {
		return issuer.Account{}, err
	}
	eab, err := p.issuers[record.Issuer].eab()
	if err != nil {
		return issuer.Account{}, err
	}
	if err := e.spendAccount(ctx, p, record.Issuer); err != nil {
		return issuer.Account{}, err
	}
	account, err := ca.Register(ctx, issuer.Registration{
		Key: key, Contact: contact(p.cfg.EmailAt(record.Issuer)), EAB: eab, Ask: asked,
		AgreeTerms: func(terms string) error { return e.agree(p, record.Issuer, terms) },
	})
	if err != nil {
		e.accountRefused(ctx, record.Issuer, err)
		return issuer.Account{}, err
	}
	if err := e.saveAccount(context.WithoutCancel(ctx), record.Issuer, account, eab); err != nil {
		return account, err
	}
	if asked {
		e.foundContact(ctx, record.Issuer, p.cfg.EmailAt(record.Issuer), account.Contact)
	} else {
		e.toldContact(ctx, record.Issuer, p.cfg.EmailAt(record.Issuer))
	}
	return account, nil
}

// saveAccount stores what the CA said of an account. A crash before it leaves
// a key without an account: the CA is asked by key again.
func (e *Engine) saveAccount(ctx context.Context, id string, account issuer.Account, eab *issuer.EAB) error {
	err := e.Store.UpdateAccount(ctx, id, func(a *store.Account) error {
		a.URL, a.Contact, a.Status, a.Intention = account.URL, account.Contact, store.AccountValid, nil
		if account.Terms != "" {
			a.Terms = account.Terms
		}
		if eab != nil {
			a.EABKid = eab.KeyID
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("save the account at %s: %w", id, err)
	}
	return nil
}

// agree decides on a CA's terms of service: by the config, else by asking.
func (e *Engine) agree(p *parts, id, terms string) error {
	if p.cfg.Terms.Agreed(id) {
		return nil
	}
	if e.AgreeTerms != nil {
		return e.AgreeTerms(id, terms)
	}
	return &FaultError{Fault: newFault(plan.CodeTerms, plan.BlameAdmin, fmt.Sprintf("%s wants its terms of service agreed to: %s", id, terms))}
}

// accountLost archives an account that the CA does not know any more, so that
// the next call registers a new one, and tells a person. An account that has
// another key meanwhile is not lost: the CA refused the key that lost has.
func (e *Engine) accountLost(ctx context.Context, p *parts, id string, lost issuer.Account, cause error) error {
	ca, err := p.issuers[id].client()
	if err != nil {
		return err
	}
	unlock, err := ca.AccountLock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	record, err := e.Store.Account(ctx, id)
	if errors.Is(err, store.ErrNotFound) || err == nil && record.URL != lost.URL {
		return nil // another certificate's worker was here before
	}
	if err != nil {
		return err
	}
	key, err := keys.Fingerprint(lost.Key.Public())
	if err != nil {
		return fmt.Errorf("name the refused key of the account at %s: %w", id, err)
	}
	if record, err = e.resolveIntention(ctx, ca, record); err != nil || record.Key != key {
		return err // the key was changed while an order was under way
	}
	if err := e.Store.ArchiveAccount(ctx, id, cause.Error()); err != nil {
		return err
	}
	fault := newFault(plan.CodeAccountLost, plan.BlameCA, fmt.Sprintf("%s does not know the account %s any more; a new one is registered", id, lost.URL))
	e.Log.Warn(fault.Words, "issuer", id, "remedy", fault.Code.Remedy())
	_, err = e.settleWith(ctx, id, func(k plan.KnownIssuer) plan.KnownIssuer {
		k.Fault = &fault
		return k
	})
	return err
}

func accountOf(record store.Account) (issuer.Account, error) {
	key, err := record.Signer()
	if err != nil {
		return issuer.Account{}, err
	}
	return accountWith(record, key), nil
}

func accountWith(record store.Account, key crypto.Signer) issuer.Account {
	return issuer.Account{URL: record.URL, Key: key, Contact: record.Contact, Terms: record.Terms}
}

// account is accountOf, its key kept for the next order.
func (a *authority) account(record store.Account) (issuer.Account, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.key.signer == nil || a.key.fingerprint != record.Key {
		signer, err := record.Signer()
		if err != nil {
			return issuer.Account{}, err
		}
		a.key = accountKey{fingerprint: record.Key, signer: signer}
	}
	return accountWith(record, a.key.signer), nil
}

func contact(email string) []string {
	if email == "" {
		return nil
	}
	return []string{email}
}

// newFault makes a fact of a failure that happens now.
func newFault(code plan.Code, blame plan.Blame, words string) plan.Fault {
	return plan.Fault{Code: code, Blame: blame, Words: words, At: time.Now()}
}
