package engine

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"log/slog"

	"github.com/certkeep/certkeep/internal/chain"
	"github.com/certkeep/certkeep/internal/challenge"
	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/issuer"
	"github.com/certkeep/certkeep/internal/keys"
	"github.com/certkeep/certkeep/internal/network"
	"github.com/certkeep/certkeep/internal/plan"
)

// Once is one order that leaves nothing behind: no store, no lock, no files
// but those of a webroot while the CA looks.
type Once struct {
	Config      *config.Config
	Certificate string        // one of Config.Certificates
	Staging     bool          // rehearse with the issuer's staging
	Account     crypto.Signer // nil makes a key that is forgotten afterwards
	AgreeTerms  func(issuer, url string) error
	UserAgent   string
	Log         *slog.Logger
	Stage       func(words string) // may be nil

	// Contact replaces the contacts of the account, unless it is nil; Updated is
	// told of those that the CA has then, and may be nil.
	Contact []string
	Updated func(contact []string)
	// Registered is told of the account, and whether it was there before; may
	// be nil.
	Registered func(url string, before bool)
	// Proving may add to the way in which a name is proven; may be nil. Names
	// that the CA takes as proven are not asked for.
	Proving func(challenge.Identifier, challenge.Solver) challenge.Solver
}

// StageAccount says that the CA was reached, and the account is looked up or
// opened.
const StageAccount = "account"

// OncePair is what came of it for one key type.
type OncePair struct {
	KeyType string
	Chain   chain.Chain
	Key     crypto.Signer // nil where the key belongs to the administrator's CSR
}

// IssueOnce carries out the order. Its error is a *FaultError where a person
// can mend it.
func IssueOnce(ctx context.Context, o Once) ([]OncePair, error) {
	p, err := newParts(o.Config, nil, Options{Disk: durable.OS{}, Network: network.OS{}, UserAgent: o.UserAgent})
	if err != nil {
		return nil, err
	}
	e := &Engine{Options: Options{AgreeTerms: o.AgreeTerms, Log: o.Log}}
	cert := o.Config.Certificate(o.Certificate)
	id, err := o.issuer(p, cert)
	if err != nil {
		return nil, err
	}
	account, err := o.account(ctx, e, p, id)
	if err != nil {
		return nil, asFault(err)
	}
	var pairs []OncePair
	for _, keyType := range cert.KeyTypes {
		pair, err := o.pair(ctx, p, cert, id, account, keyType)
		if err != nil {
			return nil, asFault(err)
		}
		pairs = append(pairs, pair)
		if cert.CSR != nil {
			break
		}
	}
	return pairs, nil
}

// issuer is whom to ask: the first one listed, or its staging.
func (o Once) issuer(p *parts, cert *config.Certificate) (string, error) {
	id := cert.Issuers[0]
	if !o.Staging {
		return id, nil
	}
	staging := o.Config.Issuers[id].Staging
	if staging == "" || p.issuers[staging] == nil {
		return "", &FaultError{Fault: newFault(plan.CodeNoStaging, plan.BlameAdmin, fmt.Sprintf("issuer %s has no staging to rehearse with", id))}
	}
	return staging, nil
}

func (o Once) account(ctx context.Context, e *Engine, p *parts, id string) (issuer.Account, error) {
	ca, err := p.issuers[id].client()
	if err != nil {
		return issuer.Account{}, err
	}
	key := o.Account
	if key == nil {
		if key, err = keys.Generate(accountKeyType); err != nil {
			return issuer.Account{}, err
		}
	}
	if _, err := ca.Meta(ctx); err != nil {
		return issuer.Account{}, err
	}
	o.stage(StageAccount)
	account, before, err := o.register(ctx, e, p, id, key)
	if err != nil {
		return issuer.Account{}, err
	}
	if o.Registered != nil {
		o.Registered(account.URL, before)
	}
	if o.Contact == nil {
		return account, nil
	}
	if account, err = ca.Contact(ctx, account, o.Contact); err == nil && o.Updated != nil {
		o.Updated(account.Contact)
	}
	return account, err
}

// register opens the account of a key. One that was there before is looked for
// only where somebody wants to know.
func (o Once) register(ctx context.Context, e *Engine, p *parts, id string, key crypto.Signer) (account issuer.Account, before bool, err error) {
	auth := p.issuers[id]
	ca, err := auth.client()
	if err != nil {
		return issuer.Account{}, false, err
	}
	if o.Registered != nil {
		account, err = ca.FindAccount(ctx, key)
		if !errors.Is(err, issuer.ErrNoAccount) {
			return account, true, err
		}
	}
	eab, err := auth.eab()
	if err != nil {
		return issuer.Account{}, false, err
	}
	account, err = ca.Register(ctx, issuer.Registration{
		Key: key, Contact: contact(p.cfg.EmailAt(id)), EAB: eab,
		AgreeTerms: func(terms string) error { return e.agree(p, id, terms) },
	})
	return account, false, err
}

func (o Once) stage(words string) {
	if o.Stage != nil {
		o.Stage(words)
	}
}

func (o Once) pair(ctx context.Context, p *parts, cert *config.Certificate, id string, account issuer.Account, keyType keys.Type) (OncePair, error) {
	ca, err := p.issuers[id].client()
	if err != nil {
		return OncePair{}, err
	}
	request, key, err := o.request(cert, keyType)
	if err != nil {
		return OncePair{}, err
	}
	job := p.job(cert, id, account, request)
	job.Save = func(issuer.Order) error { return nil }
	job.Stage = func(stage issuer.Stage) { o.stage(string(stage)) }
	job.Solvers = func(name challenge.Identifier) []challenge.Solver {
		solvers := p.solvers(cert.Name, name)
		for i := range solvers {
			if o.Proving != nil {
				solvers[i] = o.Proving(name, solvers[i])
			}
		}
		return solvers
	}
	issued, err := ca.Issue(ctx, job)
	return OncePair{KeyType: string(keyType), Chain: issued.Chain, Key: key}, err
}

func (o Once) request(cert *config.Certificate, keyType keys.Type) (signing, crypto.Signer, error) {
	if cert.CSR != nil {
		request, err := csrRequest(cert.CSR)
		return request, nil, err
	}
	key, err := keys.Generate(keyType)
	if err != nil {
		return signing{}, nil, err
	}
	csr, err := issuer.CSR(key, cert.Names, cert.CommonName, cert.MustStaple)
	return signing{csr: csr, public: key.Public()}, key, err
}
