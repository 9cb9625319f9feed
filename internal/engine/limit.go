package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/certkeep/certkeep/internal/issuer"
	"github.com/certkeep/certkeep/internal/plan"
)

// orderOpened counts what no plan could count: further orders within one
// attempt, where a name has to be proven in another way, and an order that the
// CA did not take for the renewal that it was meant to be.
func (w *worker) orderOpened(ctx context.Context, s plan.Step, planned plan.Order, opened issuer.Order) {
	limits, now := w.parts.wanted.Limits[planned.Issuer], time.Now()
	w.asking.opened++
	first := w.asking.opened == 1 && s.Kind == plan.KindIssue
	var more []plan.Spending
	switch {
	case first && planned.Replaces != "" && opened.Replaces == "":
		more = plan.Spendings(limits, w.known, w.want, planned.Issuer, false)
	case !first && !(limits.RenewalsFree && opened.Replaces != ""):
		more = []plan.Spending{{Kind: plan.LimitOrders, Limit: limits.Orders}}
	}
	if len(plan.SpentKeys(more)) > 0 {
		w.engine.learn(context.WithoutCancel(ctx), planned.Issuer, func(k plan.KnownIssuer) plan.KnownIssuer { return k.Count(now, more) })
	}
}

// notProven counts the names that a CA did not take as proven.
func (w *worker) notProven(ctx context.Context, id string, err error) {
	limit, now := w.parts.wanted.Limits[id].Failures, time.Now()
	var failed []plan.Spending
	for _, name := range unproven(err) {
		failed = append(failed, plan.Spending{Kind: plan.LimitFailures, Whom: name, Limit: limit})
	}
	if len(plan.SpentKeys(failed)) > 0 {
		w.engine.learn(context.WithoutCancel(ctx), id, func(k plan.KnownIssuer) plan.KnownIssuer { return k.Count(now, failed) })
	}
}

// unproven are the names of which a CA says that they were not proven. A name
// and the wildcard of it are proven one by one, and count as one name: it is there
// twice where both failed.
func unproven(err error) []string {
	ca, ok := errors.AsType[*issuer.Error](err)
	if !ok || !errors.Is(ca, issuer.ErrOrderGone) || ca.Code != plan.CodeChallenge && ca.Code != plan.CodeCAA {
		return nil
	}
	var failed, names []string
	for _, sub := range ca.Subproblems { // several of a name, at times
		if sub.Name != "" && !slices.Contains(failed, sub.Name) {
			failed = append(failed, sub.Name)
			names = append(names, strings.TrimPrefix(sub.Name, "*."))
		}
	}
	return names
}

// settleLimits brings the ledger up to how an attempt ended: what was taken for
// a certificate that was surely not signed is given back, and what the CA said
// of its limits is heeded by all whom they concern.
func (w *worker) settleLimits(ctx context.Context, s plan.Step, order plan.Order, cause error) {
	w.notProven(ctx, order.Issuer, cause)
	now := time.Now()
	limits := w.parts.wanted.Limits[order.Issuer]
	if len(order.Spent) > 0 && w.givesBack(s, cause) {
		w.engine.learn(ctx, order.Issuer, func(k plan.KnownIssuer) plan.KnownIssuer { return k.Return(now, limits, order.Spent) })
	}
	w.heed(ctx, order.Issuer, order.Request.Names, cause)
}

// givesBack reports whether what was taken for an order is free again after an
// attempt: the CA surely signed nothing, nor will it.
func (w *worker) givesBack(s plan.Step, cause error) bool {
	over := orderEnded(cause) || w.asking.opened == 0 && s.Kind == plan.KindIssue
	return over && !w.asking.signing
}

// heed has what a CA said of its limits, when it refused an order for names,
// known to all whom it concerns.
func (w *worker) heed(ctx context.Context, id string, names []string, cause error) {
	now, limits := time.Now(), w.parts.wanted.Limits[id]
	if key, until, told := refusedBy(cause, names); told {
		w.engine.learn(ctx, id, func(k plan.KnownIssuer) plan.KnownIssuer { return k.Refused(now, until, limits, key) })
	}
}

// signed takes note that a CA has counted a certificate.
func (w *worker) signed(ctx context.Context, order plan.Order) {
	now, limits := time.Now(), w.parts.wanted.Limits[order.Issuer]
	if len(order.Spent) > 0 {
		w.engine.learn(ctx, order.Issuer, func(k plan.KnownIssuer) plan.KnownIssuer {
			return k.Signed(now, limits, order.Spent, order.Taken())
		})
	}
}

// refusedBy is the limit that a CA refused an order by, where its words say
// which one: the others then need not ask. That the CA refused, and until when,
// holds for the certificate whatever the words are.
func refusedBy(err error, names []string) (key string, until time.Time, told bool) {
	ca, ok := errors.AsType[*issuer.Error](err)
	if !ok || ca.Code != plan.CodeRateLimited || ca.RetryAfter <= 0 {
		return "", until, false
	}
	until = time.Now().Add(ca.RetryAfter)
	switch kind, whom := ca.Limit(); kind {
	case plan.LimitOrders:
		return plan.LimitKey(kind, ""), until, true
	case plan.LimitDomain, plan.LimitFailures:
		return plan.LimitKey(kind, whom), until, true
	case plan.LimitNames:
		return plan.LimitKey(kind, plan.NamesKey(names)), until, true
	}
	return "", until, false
}

// spendAccount counts a new account before the CA is asked for it.
func (e *Engine) spendAccount(ctx context.Context, p *parts, id string) error {
	spends := []plan.Spending{{Kind: plan.LimitAccounts, Limit: p.wanted.Limits[id].Accounts}}
	now, allowed := time.Now(), true
	known := e.standing.of(id)
	if _, allowed = known.Spend(now, spends); allowed && len(plan.SpentKeys(spends)) == 0 {
		return nil
	}
	_, err := e.settleWith(ctx, id, func(k plan.KnownIssuer) (after plan.KnownIssuer) {
		after, allowed = k.Spend(now, spends)
		return after
	})
	if err != nil {
		return fmt.Errorf("store that %s is asked for an account: %w", id, err)
	}
	if !allowed {
		return &FaultError{Fault: newFault(plan.CodeLimit, plan.BlameCA, fmt.Sprintf("%s allows %d new accounts within %s, and they are used up", id, spends[0].Limit.Most, spends[0].Limit.Per))}
	}
	return nil
}

// accountRefused takes note that a CA gives no account for now: without one
// nothing else can be asked of it.
func (e *Engine) accountRefused(ctx context.Context, id string, err error) {
	ca, ok := errors.AsType[*issuer.Error](err)
	if !ok || ca.Code != plan.CodeRateLimited || ca.RetryAfter <= 0 {
		return
	}
	now := time.Now()
	fault := ca.Fault(now)
	e.learn(context.WithoutCancel(ctx), id, func(k plan.KnownIssuer) plan.KnownIssuer { return k.Paused(now, now.Add(ca.RetryAfter), fault) })
}
