package issuer

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/mholt/acmez/v3/acme"
)

// A run that was killed may have put up answers to challenges that nobody
// would take away: the CA has decided meanwhile, so nothing is presented again.
// A run that resumes its order does it. Which way was taken is not known, so
// all that are configured are told to take their answer away.

// takeAwayLeft does it for a resumed order that is past its challenges. It
// costs a request for each authorisation.
func (r *issuance) takeAwayLeft(ctx context.Context, order acme.Order) {
	var all []*question
	for _, url := range slices.Compact(slices.Sorted(slices.Values(order.Authorizations))) {
		all = append(all, &question{url: url})
	}
	var mu sync.Mutex
	var left []*question
	// No error ends it: each of them is to be looked at.
	_ = r.each(ctx, all, func(ctx context.Context, q *question) error {
		authz, err := r.authorization(ctx, q.url)
		if err == nil {
			q.id, err = asked(authz, r.ids)
		}
		if err != nil {
			r.warn(fmt.Errorf("look for what a former run put up: %w", err))
			return nil
		}
		q.present = r.possible(q, authz.Challenges)
		mu.Lock()
		defer mu.Unlock()
		left = append(left, q)
		return nil
	})
	r.cleanUp(ctx, left)
}

// possible are the answers that may have been put up for an authorisation.
func (r *issuance) possible(q *question, offered []acme.Challenge) []presented {
	var all []presented
	for _, solver := range r.job.Solvers(q.id) {
		i := slices.IndexFunc(offered, func(c acme.Challenge) bool { return c.Type == solver.Type() })
		if i < 0 {
			continue
		}
		if answer, err := r.answerTo(q.id, offered[i]); err == nil { // else it was never presented
			all = append(all, presented{solver, answer})
		}
	}
	return all
}

// resuming reports whether the order at hand is the one that was saved.
func (r *issuance) resuming() bool {
	return r.job.Resume != nil && r.order.URL == r.job.Resume.URL
}
