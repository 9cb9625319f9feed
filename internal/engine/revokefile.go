package engine

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"time"

	"github.com/certkeep/certkeep/internal/chain"
	"github.com/certkeep/certkeep/internal/issuer"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/store"
)

// FileRevocation is a wish to have a certificate revoked that need not be known
// here: it is replaced by nothing.
type FileRevocation struct {
	Issuer      string // of the config
	Certificate chain.Chain
	Key         crypto.Signer // the certificate's own, which signs; nil has the account sign
	Reason      plan.RevocationReason
}

// RevokeFile has a CA revoke a certificate (RFC 8555 section 7.6). It changes
// nothing in the state, and may be asked for again. No account is registered:
// a new one could revoke nothing.
func (e *Engine) RevokeFile(ctx context.Context, r FileRevocation) error {
	_, ca, unlock, err := e.authority(ctx, r.Issuer)
	if err != nil {
		return asFault(err)
	}
	defer unlock()
	wish := issuer.Revocation{Certificate: r.Certificate.Leaf(), Key: r.Key, Reason: r.Reason.Number()}
	if r.Key == nil {
		record, err := e.Store.Account(ctx, r.Issuer)
		switch {
		case errors.Is(err, store.ErrNotFound) || err == nil && (record.URL == "" || record.Status != store.AccountValid):
			return &FaultError{Fault: newFault(plan.CodeAccount, plan.BlameAdmin, fmt.Sprintf("no valid account at %s is stored that could sign; the certificate's own private key may, too", r.Issuer))}
		case err != nil:
			return asFault(fmt.Errorf("read the account at %s: %w", r.Issuer, err))
		}
		if wish.Account, err = accountOf(record); err != nil {
			return asFault(fmt.Errorf("read the key of the account at %s: %w", r.Issuer, err))
		}
	}
	return asFault(ca.Revoke(ctx, wish))
}

// NoteRevoked stores that a certificate was revoked which a former version has,
// so that it is never restored. A compromised key is banned: then every other
// certificate on it is revoked by the next run.
func (e *Engine) NoteRevoked(ctx context.Context, name string, r FileRevocation) error {
	facts := r.Certificate.Facts()
	err := e.Store.UpdateCert(ctx, name, func(k *plan.KnownCert) error {
		k.WasRevoked(facts.SHA256)
		return nil
	})
	if err == nil && r.Reason == plan.RevokeCompromise {
		err = e.Store.Ban(ctx, facts.SPKI, plan.Ban{At: time.Now(), Cert: name})
	}
	if err != nil {
		return asFault(fmt.Errorf("store that the certificate was revoked: %w", err))
	}
	return nil
}
