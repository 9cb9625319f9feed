package issuer

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mholt/acmez/v3/acme"

	"github.com/certkeep/certkeep/internal/plan"
)

// The rhythm of polls where the CA does not give one.
const (
	firstPoll = 5 * time.Millisecond
	slowPoll  = 10 * time.Second
)

// pollWait is how long to wait before poll n, counted from 0, or what the CA
// asks for where that is longer. Of a CA that usually takes a while the first
// poll comes after half of it, and each wait is twice the one before; of one
// that is not known yet they are 5 ms, 20 ms, 80 ms and so on. None is longer
// than 10 s.
func pollWait(n int, usual, hint time.Duration) time.Duration {
	wait, growth := firstPoll, 2
	if first := usual / 2; first > firstPoll {
		wait, growth = first, 1
	} else if usual > 0 {
		growth = 1
	}
	for range min(n, 20) {
		wait = min(wait<<growth, slowPoll)
	}
	return max(min(wait, slowPoll), hint)
}

// pace remembers how long a CA usually takes in a state of an order, so that
// few polls find it ready soon.
type pace struct {
	mu   sync.Mutex
	took map[string]time.Duration // by state; guarded by mu
}

func (p *pace) usual(state string) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.took[state]
}

// learn takes note of how long it took this time. A quarter of it counts: one
// slow answer does not slow down all that follow.
func (p *pace) learn(state string, took time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.took == nil {
		p.took = map[string]time.Duration{}
	}
	if before := p.took[state]; before > 0 {
		took = (3*before + took) / 4
	}
	p.took[state] = took
}

// stuckAfter is how long an order stays pending before its authorisations are
// looked at: some CAs leave it so when one of them fails.
const stuckAfter = time.Minute

// await polls the order, not its authorisations, until it is in none of the
// states waiting. It gives up, with an order that can be resumed, when the CA
// takes longer than Config.Patience or asks for a longer wait.
func (r *issuance) await(ctx context.Context, order acme.Order, waiting ...string) (acme.Order, error) {
	const op = "wait for the order"
	begun := time.Now()
	end := begun.Add(r.ca.cfg.Patience)
	looked, usual := begun, r.ca.pace.usual(waiting[0])
	for n := 0; ; n++ {
		wait := pollWait(n, usual, r.hint)
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
			r.ca.pace.learn(waiting[0], time.Since(begun))
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
