package engine

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/certkeep/certkeep/internal/chain"
	"github.com/certkeep/certkeep/internal/issuer"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/store"
)

// RevokeWish is what a person wants of a revocation.
type RevokeWish struct {
	Reason plan.RevocationReason
	First  bool // before the replacement is in place
	// Withdraw has it revoked first, and then served no more: files and TLSA
	// records go, and so do the keys that outlive certificates. The next run
	// brings others. It reaches all certificates on the same keys.
	Withdraw bool
}

// Revoke stores a person's wish to have what certificates serve revoked, and
// wakes the engine. A compromised key is banned; then every certificate on it
// is meant, of whatever name. It returns once the wish survives a crash.
func (e *Engine) Revoke(ctx context.Context, names []string, wish RevokeWish) error {
	now := time.Now()
	banned, err := e.Store.Banned(ctx)
	if err != nil {
		return asFault(err)
	}
	if wish.Withdraw {
		wish.First, names = true, withKeys(e.current().wanted, names)
		// The keys go first: where only they are stored, they change, and no more.
		if err := e.revokeKeys(ctx, names, now); err != nil {
			return asFault(fmt.Errorf("store which keys are to be withdrawn: %w", err))
		}
	}
	if wish.Reason == plan.RevokeCompromise {
		if err := e.ban(ctx, now, names, wish, banned); err != nil {
			return asFault(fmt.Errorf("ban the key: %w", err))
		}
	} else {
		for _, name := range names {
			err := e.Store.UpdateCert(ctx, name, func(k *plan.KnownCert) error {
				k.Revoke(now, plan.Revocation{Reason: wish.Reason, First: wish.First, Withdraw: wish.Withdraw}, banned)
				return nil
			})
			if err != nil {
				return asFault(fmt.Errorf("store what is to be revoked: %w", err))
			}
		}
	}
	return e.Ask(ctx, plan.AskRevoke, names, "")
}

// ban bans the keys of what is to be revoked of some certificates.
func (e *Engine) ban(ctx context.Context, now time.Time, names []string, wish RevokeWish, banned map[string]plan.Ban) error {
	for _, name := range names {
		known, err := e.Store.KnownCert(ctx, name)
		if err != nil {
			return err
		}
		for _, p := range known.ToRevoke(now, banned) {
			if err := e.Store.Ban(ctx, p.Key, plan.Ban{At: now, First: wish.First, Withdraw: wish.Withdraw, Cert: name}); err != nil {
				return err
			}
		}
	}
	return nil
}

// revoke has the CA revoke a certificate. The attempt is counted before; a
// crash after the CA's answer asks again, and is told that it is done.
func (w *worker) revoke(ctx context.Context, s plan.Step) *plan.Fault {
	if len(s.Drop) > 0 {
		return w.forgetRevocations(ctx, s)
	}
	version, _ := w.known.Version(s.Version)
	pair, ok := version.Pair(s.KeyType)
	if !ok {
		return nil // the plan looks again
	}
	now := time.Now()
	jitter := w.roll(now, "revoke "+s.KeyType)
	err := w.engine.Store.UpdateCert(ctx, w.want.Name, func(k *plan.KnownCert) error {
		k.TryRevoke(now, jitter, plan.Revocation{SHA256: pair.SHA256, Reason: s.Revocation, Withdraw: s.Withdraw, At: now}, s.Issuer)
		return nil
	})
	if err != nil {
		return w.fault(plan.CodeDisk, "count the attempt to revoke: "+err.Error(), nil)
	}
	w.stage("asking " + s.Issuer + " to revoke " + pair.Serial)
	if err := w.askToRevoke(ctx, s, pair); err != nil {
		return w.notRevoked(ctx, s, pair, err)
	}
	ctx = context.WithoutCancel(ctx)
	err = w.engine.Store.UpdateCert(ctx, w.want.Name, func(k *plan.KnownCert) error {
		k.WasRevoked(pair.SHA256)
		if s.Withdraw {
			k.Withdraw(now)
		}
		return nil
	})
	if err != nil {
		return w.fault(plan.CodeDisk, "store that the certificate was revoked: "+err.Error(), nil)
	}
	w.emit(ctx, store.Event{
		Kind: store.EventRevoked, KeyType: s.KeyType, Version: s.Version, Issuer: s.Issuer,
		Words: fmt.Sprintf("%s revoked certificate %s (%s)", s.Issuer, pair.Serial, s.Revocation),
	})
	w.queueHooks(ctx, store.EventRevoked)
	return nil
}

// forgetRevocations drops what needs no revocation any more.
func (w *worker) forgetRevocations(ctx context.Context, s plan.Step) *plan.Fault {
	err := w.engine.Store.UpdateCert(ctx, w.want.Name, func(k *plan.KnownCert) error {
		k.DropRevocations(s.Drop)
		return nil
	})
	if err != nil {
		return w.fault(plan.CodeDisk, "forget what is no longer to be revoked: "+err.Error(), nil)
	}
	return nil
}

// notRevoked stores how an attempt ended. One that was ended in an orderly way
// is made up for at once.
func (w *worker) notRevoked(ctx context.Context, s plan.Step, pair plan.Pair, cause error) *plan.Fault {
	fault, retryAfter := faultOf(cause)
	cancelled := ctx.Err() != nil
	ctx = context.WithoutCancel(ctx)
	err := w.engine.Store.UpdateCert(ctx, w.want.Name, func(k *plan.KnownCert) error {
		k.Revoking(pair.SHA256, func(t plan.Tries) plan.Tries {
			if cancelled {
				t.Count--
				t.Open, t.NotBefore = false, time.Time{}
				return t
			}
			return t.Failed(time.Now(), fault, retryAfter)
		})
		return nil
	})
	if err != nil {
		w.engine.Log.Error("cannot store how the attempt to revoke ended; it counts as one that was killed", "certificate", w.want.Name, "error", err)
	}
	if !cancelled {
		w.engine.pause(ctx, s.Issuer, cause)
		w.emit(ctx, store.Event{Kind: store.EventErrored, KeyType: s.KeyType, Version: s.Version, Issuer: s.Issuer, Words: fault.Words, Detail: fault.Detail, Fault: &fault})
	}
	return &fault
}

// askToRevoke sends the request (RFC 8555 section 7.6). The account signs it,
// and where that is not the one that ordered, the certificate's own key. That
// key goes first where it is compromised: a CA that sees it sign bans it too.
func (w *worker) askToRevoke(ctx context.Context, s plan.Step, pair plan.Pair) error {
	auth := w.parts.issuers[s.Issuer]
	if auth == nil {
		return &FaultError{Fault: newFault(plan.CodeRejected, plan.BlameAdmin, fmt.Sprintf("issuer %q, which could revoke the certificate, is not configured", s.Issuer))}
	}
	leave, err := auth.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	ca, err := auth.client()
	if err != nil {
		return err
	}
	record, err := w.engine.Store.Version(ctx, w.want.Name, s.Version)
	if err != nil {
		return err
	}
	certificate, err := chain.Parse([]byte(record.Chains[s.KeyType]))
	if err != nil {
		return fmt.Errorf("read the certificate to revoke: %w", err)
	}
	signers, err := w.signers(ctx, s, pair)
	if err != nil {
		return err
	}
	for i, signer := range signers {
		signer.Certificate, signer.Reason = certificate.Leaf(), s.Revocation.Number()
		err = ca.Revoke(ctx, signer)
		if err == nil || i == len(signers)-1 || !refusesSigner(err) {
			return err
		}
	}
	return &FaultError{Fault: newFault(plan.CodeAccount, plan.BlameAdmin, fmt.Sprintf("neither an account at %s nor the private key of the certificate is stored, and one of both has to sign", s.Issuer))}
}

// signers are who may sign the request, in the order in which they are tried.
func (w *worker) signers(ctx context.Context, s plan.Step, pair plan.Pair) ([]issuer.Revocation, error) {
	var all []issuer.Revocation
	stored, err := w.engine.Store.Account(ctx, s.Issuer)
	switch {
	case err == nil && stored.URL != "" && stored.Status == store.AccountValid:
		account, err := w.engine.account(ctx, w.parts, s.Issuer)
		if err != nil {
			return nil, err
		}
		all = append(all, issuer.Revocation{Account: account})
	case err != nil && !errors.Is(err, store.ErrNotFound):
		w.engine.Log.Warn("the account cannot be read; the certificate's own key signs", "issuer", s.Issuer, "error", err)
	}
	key, err := w.engine.Store.Key(ctx, pair.Key)
	if err == nil {
		all = append(all, issuer.Revocation{Key: key})
	} else if !errors.Is(err, store.ErrNotFound) && len(all) == 0 {
		return nil, err
	}
	if s.Revocation == plan.RevokeCompromise || pair.Issuer == "" {
		slices.Reverse(all)
	}
	return all, nil
}

// refusesSigner reports whether a CA may revoke all the same when somebody
// else signs.
func refusesSigner(err error) bool {
	ca, ok := errors.AsType[*issuer.Error](err)
	return ok && (ca.Code == plan.CodeAccountLost || ca.Status == http.StatusUnauthorized || ca.Status == http.StatusForbidden)
}

// refuseBanned is the error of using a key that is banned, as far as this
// worker knows; nil for any other.
func (w *worker) refuseBanned(fingerprint string) error {
	if _, banned := w.banned[fingerprint]; !banned {
		return nil
	}
	return &FaultError{Fault: newFault(plan.CodeBanned, plan.BlameAdmin, "the key was said to be compromised, and is not used again")}
}
