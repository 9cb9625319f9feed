package issuer

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mholt/acmez/v3/acme"

	"github.com/certkeep/certkeep/internal/plan"
)

// The rhythm of polls where the CA does not give one.
const (
	firstPoll = 5 * time.Millisecond
	slowPoll  = 10 * time.Second
)

// pollWait is how long to wait before poll n, counted from 0: 5 ms, 20 ms,
// 80 ms and so on up to 10 s, or what the CA asks for where that is longer.
func pollWait(n int, hint time.Duration) time.Duration {
	wait := slowPoll
	if n < 6 {
		wait = firstPoll << (2 * n)
	}
	return max(wait, hint)
}

// stuckAfter is how long an order stays pending before its authorisations are
// looked at: some CAs leave it so when one of them fails.
const stuckAfter = time.Minute

// await polls the order, not its authorisations, until it is in none of the
// states waiting. It gives up, with an order that can be resumed, when the CA
// takes longer than Config.Patience or asks for a longer wait.
func (r *issuance) await(ctx context.Context, order acme.Order, waiting ...string) (acme.Order, error) {
	const op = "wait for the order"
	end := time.Now().Add(r.ca.cfg.Patience)
	looked := time.Now()
	for n := 0; ; n++ {
		wait := pollWait(n, r.hint)
		if time.Now().Add(wait).After(end) {
			return acme.Order{}, r.tooSlow(op, order)
		}
		if err := sleep(ctx, wait); err != nil {
			return acme.Order{}, fmt.Errorf("%s: %s: %w", r.ca.cfg.ID, op, err)
		}
		next, err := r.look(ctx, op, order)
		if err != nil {
			return acme.Order{}, err
		}
		if !slices.Contains(waiting, next.Status) {
			return next, nil
		}
		order = next
		if order.Status == acme.StatusPending && time.Since(looked) > stuckAfter {
			looked = time.Now()
			if err := r.refused(ctx); err != nil {
				return acme.Order{}, err
			}
		}
	}
}

// tooSlow says that the CA needs more time than it gets now.
func (r *issuance) tooSlow(op string, order acme.Order) error {
	e := r.ca.fault(op, plan.CodeCAError, plan.BlameCA, fmt.Errorf(
		"the CA has not decided within %s: the order is still %s", r.ca.cfg.Patience, clean(order.Status, 50)))
	e.RetryAfter = r.hint
	if waiting := r.waitingFor(); order.Status == acme.StatusPending && len(waiting) > 0 {
		e.Detail = "unproven: " + strings.Join(waiting, ", ")
	}
	return e
}

// sleep waits, or returns why the context ended.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// askedLimit bounds the wait for the CA to ask our own listeners: it may ask
// somebody who answers in our place.
const askedLimit = time.Second

// awaitAsked waits until the CA has fetched every answer whose solver can
// tell. RFC 8555 section 7.5.1 wants no poll before that.
func (r *issuance) awaitAsked(ctx context.Context) error {
	timer := time.NewTimer(askedLimit)
	defer timer.Stop()
	for _, q := range r.open {
		if q.asked == nil {
			continue
		}
		select {
		case <-q.asked:
		case <-timer.C:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}
