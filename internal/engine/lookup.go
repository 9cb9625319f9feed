package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/certkeep/certkeep/internal/crl"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/store"
)

// lookUp looks a certificate up in the revocation list that it names. One that is
// listed becomes due. A crash after the attempt was counted leaves one that came
// to nothing.
func (w *worker) lookUp(ctx context.Context, s plan.Step) *plan.Fault {
	pair, certs, err := w.pairOfStep(ctx, s)
	if err != nil {
		return w.brokenVersion(ctx, s.Version, err)
	}
	before, jitter := w.known.ListingOf(pair), w.roll(time.Now(), "crl "+pair.KeyType)
	err = w.putListing(ctx, pair, func(l plan.Listing) plan.Listing {
		l.Tries = l.Tries.Begin(time.Now(), jitter)
		return l
	})
	if err != nil {
		return w.fault(plan.CodeDisk, "prepare to look at a revocation list: "+err.Error(), nil)
	}
	w.stage("looking the " + s.KeyType + " certificate up in the CA's revocation list")
	asking, cancel := context.WithTimeout(ctx, statementTime)
	answer, err := w.parts.asker(w.issuerOfPair(pair)).crl.Ask(asking, certs[0], issuerOf(certs))
	cancel()
	after, now := context.WithoutCancel(ctx), time.Now()
	switch {
	case ctx.Err() != nil:
		err = w.putListing(after, pair, func(plan.Listing) plan.Listing { return before })
	case errors.Is(err, crl.ErrNoList):
		err = w.putListing(after, pair, func(plan.Listing) plan.Listing { return plan.Listing{Asked: now, Missing: true} })
	case err != nil:
		return w.notListed(after, pair, err)
	case answer.Revoked:
		err = w.revokedByCA(after, pair, answer.URL, answer.RevokedAt, string(answer.Reason))
	default:
		err = w.putListing(after, pair, func(plan.Listing) plan.Listing { return plan.Listing{Asked: now, AskAgain: answer.AskAgain} })
	}
	if err != nil {
		return w.fault(plan.CodeDisk, "store what the revocation list says: "+err.Error(), nil)
	}
	return nil
}

// putListing changes what is known of a pair's place in the lists.
func (w *worker) putListing(ctx context.Context, pair plan.Pair, change func(plan.Listing) plan.Listing) error {
	return w.engine.Store.UpdateCert(ctx, w.want.Name, func(k *plan.KnownCert) error {
		k.List(pair, change)
		return nil
	})
}

// notListed stores and tells that no list could be used. What is served is not
// touched by that.
func (w *worker) notListed(ctx context.Context, pair plan.Pair, cause error) *plan.Fault {
	now := time.Now()
	fault := newFault(plan.CodeCRL, plan.BlameCA, cause.Error())
	var wait time.Duration
	if failed, ok := errors.AsType[*crl.Error](cause); ok {
		fault.Blame, wait = failed.Blame, failed.RetryAfter
	} else if errors.Is(cause, context.DeadlineExceeded) {
		fault.Blame, fault.Words = plan.BlameNetwork, fmt.Sprintf("ask for a revocation list: no whole answer within %s", statementTime)
	}
	err := w.putListing(ctx, pair, func(l plan.Listing) plan.Listing {
		l.Asked, l.Tries = now, l.Tries.Failed(now, fault, now.Add(wait))
		return l
	})
	if err != nil {
		return w.fault(plan.CodeDisk, "store that no revocation list could be used: "+err.Error(), nil)
	}
	w.emit(ctx, store.Event{Kind: store.EventErrored, KeyType: pair.KeyType, Words: fault.Words, Fault: &fault})
	return &fault
}

// revokedByCA takes note that the CA has revoked a certificate, as somebody
// says. It is replaced at once, as the plan finds.
func (w *worker) revokedByCA(ctx context.Context, pair plan.Pair, says string, at time.Time, reason string) error {
	if reason == string(plan.RevokeCompromise) {
		// Somebody showed the CA the key: nothing must be issued on it again.
		if err := w.engine.Store.Ban(ctx, pair.Key, plan.Ban{At: time.Now(), Cert: w.want.Name}); err != nil {
			return err
		}
		w.engine.Wake() // whoever else is on the key
	}
	err := w.engine.Store.UpdateCert(ctx, w.want.Name, func(k *plan.KnownCert) error {
		k.WasRevoked(pair.SHA256)
		if staple := k.StapleOf(pair); staple.Leaf != "" {
			staple.Asked, staple.Tries = time.Now(), plan.Tries{}
			k.OCSP[pair.KeyType] = staple
		}
		if k.ListingOf(pair).Leaf != "" {
			k.List(pair, func(plan.Listing) plan.Listing { return plan.Listing{Asked: time.Now()} })
		}
		return nil
	})
	if err == nil {
		w.emit(ctx, store.Event{
			Kind: store.EventRevoked, KeyType: pair.KeyType, Issuer: pair.Issuer, Version: w.known.Published,
			Words: fmt.Sprintf("the CA revoked the certificate on %s (%s), says %s; it is replaced", at.UTC().Format(time.RFC3339), reason, says),
		})
		w.queueHooks(ctx, store.EventRevoked)
	}
	return err
}
