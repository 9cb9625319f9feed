package engine

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/certkeep/certkeep/internal/ocsp"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/store"
)

// ocsp asks for the OCSP response of a certificate. One that says good is
// stored before the fact that tells of it; one that says revoked makes the
// certificate due. Whatever fails, what is kept stays.
//
// A crash after the attempt was counted leaves one that came to nothing; after
// the response was stored, the responder is asked whether there is a newer one.
func (w *worker) ocsp(ctx context.Context, s plan.Step) *plan.Fault {
	pair, certs, err := w.pairOfStep(ctx, s)
	if err != nil {
		return w.brokenVersion(ctx, s.Version, err)
	}
	kept, err := w.engine.Store.Statements(ctx, w.want.Name, pair)
	if err == nil {
		err = w.beginOCSP(ctx, pair)
	}
	if err != nil {
		return w.fault(plan.CodeDisk, "prepare to ask for an OCSP response: "+err.Error(), nil)
	}
	w.stage("asking for the OCSP response of the " + s.KeyType + " certificate")
	answer, err := w.askResponder(ctx, pair, certs, kept)
	after := context.WithoutCancel(ctx)
	switch {
	case ctx.Err() != nil:
		err = w.takeBackOCSP(after, pair)
	case errors.Is(err, ocsp.ErrNoResponder):
		err = w.putStaple(after, pair, func(now plan.Staple) plan.Staple {
			return plan.Staple{Leaf: now.Leaf, Config: now.Config, Asked: time.Now(), Missing: true}
		})
	case err != nil:
		return w.noResponse(after, pair, err)
	case answer.Status == ocsp.Unknown:
		return w.noResponse(after, pair, fmt.Errorf("ask the OCSP responder %s: it does not know the certificate", answer.Keep.URL))
	case answer.Status == ocsp.Revoked:
		err = w.revokedByCA(after, pair, answer.Keep.URL, answer.RevokedAt, answer.Reason)
	default:
		err = w.keepResponse(after, pair, answer)
	}
	if err != nil {
		return w.fault(plan.CodeDisk, "store what the OCSP responder said: "+err.Error(), nil)
	}
	return nil
}

// askResponder puts the question, to whom the config says.
func (w *worker) askResponder(ctx context.Context, pair plan.Pair, certs []*x509.Certificate, kept store.Statements) (ocsp.Answer, error) {
	settings := w.parts.cfg.Certificate(w.want.Name).OCSP
	q := ocsp.Question{Leaf: certs[0], Issuer: issuerOf(certs), Before: settings.Before}
	if q.URLs = ocsp.Responders(q.Leaf); settings.Force || len(q.URLs) == 0 {
		q.URLs = settings.Responders
	}
	// Each attempt begins with another one: the first may use up all the time.
	if n := len(q.URLs); n > 1 {
		first := w.known.OCSP[pair.KeyType].Tries.Count % n
		q.URLs = slices.Concat(q.URLs[first:], q.URLs[:first])
	}
	if kept.OCSP != nil {
		q.Kept = ocsp.Kept{DER: kept.OCSP.DER, URL: kept.OCSP.URL, ETag: kept.OCSP.ETag}
	}
	ctx, cancel := context.WithTimeout(ctx, statementTime)
	defer cancel()
	return w.parts.asker(w.issuerOfPair(pair)).ocsp.Fetch(ctx, q)
}

// beginOCSP counts the attempt before it is made. What is known of another
// certificate gives way.
func (w *worker) beginOCSP(ctx context.Context, pair plan.Pair) error {
	now := time.Now()
	jitter := w.roll(now, "ocsp "+pair.KeyType)
	return w.engine.Store.UpdateCert(ctx, w.want.Name, func(k *plan.KnownCert) error {
		if k.OCSP == nil {
			k.OCSP = map[string]plan.Staple{}
		}
		staple := k.StapleOf(pair)
		staple.Leaf, staple.Config = pair.SHA256, w.want.OCSP.Config
		staple.Tries = staple.Tries.Begin(now, jitter)
		k.OCSP[pair.KeyType] = staple
		return nil
	})
}

// takeBackOCSP takes back the count of an attempt that was ended in an orderly
// way.
func (w *worker) takeBackOCSP(ctx context.Context, pair plan.Pair) error {
	before := w.known.StapleOf(pair)
	return w.engine.Store.UpdateCert(ctx, w.want.Name, func(k *plan.KnownCert) error {
		switch {
		case before.Leaf != "" && k.OCSP != nil:
			k.OCSP[pair.KeyType] = before
		case k.StapleOf(pair).Leaf != "":
			delete(k.OCSP, pair.KeyType)
		}
		return nil
	})
}

// putStaple changes what is known of a pair's response, unless it is about
// another certificate by now.
func (w *worker) putStaple(ctx context.Context, pair plan.Pair, change func(plan.Staple) plan.Staple) error {
	return w.engine.Store.UpdateCert(ctx, w.want.Name, func(k *plan.KnownCert) error {
		if staple := k.StapleOf(pair); staple.Leaf != "" {
			k.OCSP[pair.KeyType] = change(staple)
		}
		return nil
	})
}

// keepResponse stores a response that says good.
func (w *worker) keepResponse(ctx context.Context, pair plan.Pair, a ocsp.Answer) error {
	err := w.engine.Store.UpdateStatements(ctx, w.want.Name, pair, func(s *store.Statements) {
		s.OCSP = &store.OCSPResponse{DER: a.Keep.DER, URL: a.Keep.URL, ETag: a.Keep.ETag}
	})
	if err != nil {
		return err
	}
	return w.putStaple(ctx, pair, func(now plan.Staple) plan.Staple {
		return plan.Staple{
			Leaf: now.Leaf, Config: now.Config, SHA256: sha256Hex(a.DER), Responder: a.Keep.URL,
			ThisUpdate: a.ThisUpdate, Ends: a.Ends(), Asked: time.Now(), AskAgain: a.AskAgain,
		}
	})
}

// noResponse stores and tells that nothing was obtained. Hooks are told only
// where nothing is left to staple: a responder may well be away for a while.
func (w *worker) noResponse(ctx context.Context, pair plan.Pair, cause error) *plan.Fault {
	now := time.Now()
	fault := newFault(plan.CodeOCSP, plan.BlameCA, cause.Error())
	var wait time.Duration
	if failed, ok := errors.AsType[*ocsp.Error](cause); ok {
		fault.Blame, wait = failed.Blame(), failed.RetryAfter()
	} else if errors.Is(cause, context.DeadlineExceeded) {
		fault.Blame, fault.Words = plan.BlameNetwork, fmt.Sprintf("ask for an OCSP response: no whole answer within %s", statementTime)
	}
	err := w.putStaple(ctx, pair, func(staple plan.Staple) plan.Staple {
		staple.Asked, staple.Tries = now, staple.Tries.Failed(now, fault, now.Add(wait))
		if w.want.OCSP.GivesUp(staple, now) {
			staple.SHA256, staple.GivenUp = "", true
		}
		return staple
	})
	if err != nil {
		return w.fault(plan.CodeDisk, "store that no OCSP response was obtained: "+err.Error(), nil)
	}
	w.emit(ctx, store.Event{Kind: store.EventErrored, KeyType: pair.KeyType, Words: fault.Words, Fault: &fault})
	if staple := w.known.StapleOf(pair); staple.SHA256 == "" || !staple.Ends.After(now) {
		w.queueHooks(ctx, store.EventErrored)
	}
	return &fault
}
