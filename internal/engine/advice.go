package engine

import (
	"context"
	"errors"
	"maps"
	"time"

	"github.com/certkeep/certkeep/internal/issuer"
	"github.com/certkeep/certkeep/internal/plan"
)

// How long to wait at most before asking for renewal information again, where
// that failed, and where the CA offers none.
const (
	adviceMost    = 24 * time.Hour
	adviceMissing = 7 * 24 * time.Hour
)

// advice asks the CA when a certificate should be renewed. The instant inside
// its window is drawn once and stored with the certificate's id; only a moved
// window is drawn again.
func (w *worker) advice(ctx context.Context, s plan.Step) *plan.Fault {
	version, _ := w.known.Version(s.Version)
	pair, ok := version.Pair(s.KeyType)
	auth := w.parts.issuers[s.Issuer]
	if !ok || auth == nil {
		return nil // the plan looks again
	}
	leave, err := auth.enter(ctx)
	if err != nil {
		return nil // asked again by the next run
	}
	defer leave()
	if admitted, fault := w.admitLook(ctx, s.Issuer); !admitted {
		return fault
	}
	w.stage("asking " + s.Issuer + " for its renewal window")
	info, err := w.renewalInfo(ctx, auth, pair.CertID)
	w.judgeLook(context.WithoutCancel(ctx), s.Issuer, err)
	if ctx.Err() != nil {
		return nil // asked again by the next run
	}
	now := time.Now()
	dice := w.roll(now, "advice")
	said := func(old plan.Advice) plan.Advice { return advised(old, pair.CertID, info, err, now, dice) }
	storeErr := w.engine.Store.UpdateCert(ctx, w.want.Name, func(k *plan.KnownCert) error {
		if k.Advice == nil {
			k.Advice = map[string]plan.Advice{}
		}
		before := k.Advice[s.KeyType]
		k.Advice[s.KeyType] = said(before)
		k.Recall(before, k.Advice[s.KeyType], now)
		return nil
	})
	if storeErr != nil {
		// The CA said when it may be asked again: what this process cannot
		// store it remembers; see keepTransient.
		told := said(w.known.Advice[s.KeyType])
		told.Unstored = true
		w.known.Advice = withAdvice(w.known.Advice, s.KeyType, told)
		return w.fault(plan.CodeDisk, "store the renewal window: "+storeErr.Error(), nil)
	}
	w.tellMoved(pair, w.known.Advice[s.KeyType], said(w.known.Advice[s.KeyType]))
	if err != nil {
		// Our own window rules meanwhile; that the CA cannot be asked shows
		// in the log, and in a renewal that fails.
		w.engine.Log.Warn("no renewal information", "certificate", w.want.Name, "issuer", s.Issuer, "error", err)
	}
	return nil
}

// tellMoved tells of a window that the CA moved, and where it says why. The
// renewal that follows says so in the history.
func (w *worker) tellMoved(pair plan.Pair, before, after plan.Advice) {
	if before.CertID != after.CertID || before.At.IsZero() || before.Start.Equal(after.Start) && before.End.Equal(after.End) {
		return
	}
	w.engine.Log.Info("the CA moved its renewal window", "certificate", w.want.Name, "key_type", pair.KeyType, "issuer", pair.Issuer,
		"start", after.Start, "end", after.End, "chosen", after.At, "explanation", after.URL)
}

// renewalInfo returns nil where the CA offers no renewal information.
func (w *worker) renewalInfo(ctx context.Context, auth *authority, certID string) (*issuer.RenewalInfo, error) {
	ca, err := auth.client()
	if err != nil {
		return nil, err
	}
	info, err := ca.RenewalInfo(ctx, certID)
	if errors.Is(err, issuer.ErrNoRenewalInfo) {
		return nil, nil
	}
	return &info, err
}

// advised is the advice after an answer, a refusal, or a failure.
func advised(old plan.Advice, certID string, info *issuer.RenewalInfo, err error, now time.Time, dice float64) plan.Advice {
	next := plan.Advice{CertID: certID}
	if old.CertID == certID {
		next = old
	}
	next.Asked = now
	switch {
	case err != nil:
		next.Failures++
		next.AskAgain = now.Add(min(plan.Backoff(next.Failures, dice), adviceMost))
		if _, retryAfter := faultOf(err); retryAfter.After(next.AskAgain) {
			next.AskAgain = retryAfter
		}
	case info == nil:
		next.Missing, next.Failures = true, 0
		next.AskAgain = now.Add(adviceMissing)
	default:
		if !next.Start.Equal(info.Start) || !next.End.Equal(info.End) || next.At.IsZero() {
			next.Start, next.End = info.Start, info.End
			next.At = info.Start.Add(time.Duration(dice * float64(info.End.Sub(info.Start))))
		}
		next.URL, next.Missing, next.Failures = info.URL, false, 0
		next.AskAgain = now.Add(info.RetryAfter)
	}
	return next
}

// forgetWindows drops the windows of what a new version replaces, so that the
// CA is asked of the new one at once. Of what is still served it said when it
// may be asked again.
func forgetWindows(k *plan.KnownCert, now plan.Version) {
	maps.DeleteFunc(k.Advice, func(keyType string, a plan.Advice) bool {
		served, ok := now.Pair(keyType)
		return !ok || served.CertID != a.CertID
	})
}

// withAdvice is a copy of what is known of windows, with another one.
func withAdvice(all map[string]plan.Advice, keyType string, told plan.Advice) map[string]plan.Advice {
	all = maps.Clone(all)
	if all == nil {
		all = map[string]plan.Advice{}
	}
	all[keyType] = told
	return all
}
