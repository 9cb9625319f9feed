package issuer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mholt/acmez/v3/acme"
	"golang.org/x/sync/errgroup"

	"github.com/certkeep/certkeep/internal/challenge"
	"github.com/certkeep/certkeep/internal/plan"
)

// parallel bounds how many requests or solvers one job has under way.
const parallel = 8

// cleanUpTime bounds the cleaning up after one order.
const cleanUpTime = 20 * time.Second

// question is an authorisation that is not proven yet. One goroutine at a
// time works on it.
type question struct {
	url     string
	id      challenge.Identifier
	offered []acme.Challenge
	solvers []challenge.Solver // in the order in which they are tried

	chosen  acme.Challenge      // the one that is answered
	answer  challenge.Challenge // the same, for the solver
	solver  challenge.Solver    // nil where the CA was told before, and we have no way to help
	told    bool                // the CA knows that it may look
	asked   <-chan struct{}     // closed when the CA has looked; nil where the solver cannot tell
	present []presented         // to be taken away
}

// presented is an answer that a solver was asked to put up.
type presented struct {
	solver challenge.Solver
	answer challenge.Challenge
}

// authorize proves every name of a pending order and returns the order when
// the CA has decided.
func (r *issuance) authorize(ctx context.Context, order acme.Order) (acme.Order, error) {
	r.stage(StageChallenge)
	err := r.fetchQuestions(ctx, order)
	if err != nil {
		return acme.Order{}, err
	}
	if r.job.LeavePending {
		if err := r.leaveAlone(); err != nil {
			return acme.Order{}, err
		}
	}
	questions := r.open
	// The answers have served when the CA has decided; the order need not
	// wait until they are gone, but Issue does.
	defer r.cleanups.Go(func() { r.cleanUp(ctx, questions) })
	for _, q := range questions {
		q.solvers = r.job.Solvers(q.id)
	}
	ctx = challenge.InBatch(ctx, r.counted(questions))
	for _, step := range []func(context.Context, *question) error{r.choose, r.settle, r.tell} {
		if err := r.each(ctx, questions, step); err != nil {
			return acme.Order{}, err
		}
	}
	r.stage(StageValidate)
	if err := r.awaitAsked(ctx); err != nil {
		return acme.Order{}, fmt.Errorf("%s: wait for the CA to look: %w", r.ca.cfg.ID, err)
	}
	return r.await(ctx, order, acme.StatusPending)
}

// each runs step for all questions, some at a time. The first error ends it.
func (r *issuance) each(ctx context.Context, questions []*question, step func(context.Context, *question) error) error {
	g, inner := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for _, q := range questions {
		g.Go(func() error { return step(inner, q) })
	}
	return g.Wait()
}

// counted are the names of which a solver wants to know how many there are.
func (r *issuance) counted(questions []*question) []challenge.Identifier {
	var ids []challenge.Identifier
	for _, q := range questions {
		for _, solver := range q.solvers {
			offers := slices.ContainsFunc(q.offered, func(c acme.Challenge) bool { return c.Type == solver.Type() })
			if !offers || slices.Contains(r.tried[q.id], solver.Type()) {
				continue
			}
			if c, ok := solver.(challenge.Counted); ok && c.Counted() {
				ids = append(ids, q.id)
			}
			break // it is the first that is asked
		}
	}
	return ids
}

// fetchQuestions fetches the order's authorisations and keeps those that are
// to be proven.
func (r *issuance) fetchQuestions(ctx context.Context, order acme.Order) error {
	var all []*question
	for _, url := range slices.Compact(slices.Sorted(slices.Values(order.Authorizations))) {
		all = append(all, &question{url: url})
	}
	var mu sync.Mutex
	r.open = nil
	var decided []*question
	dead := false
	err := r.each(ctx, all, func(ctx context.Context, q *question) error {
		authz, err := r.authorization(ctx, q.url)
		if err != nil {
			return err
		}
		if q.id, err = asked(authz, r.ids); err != nil {
			return r.garbage("fetch an authorisation", err)
		}
		mu.Lock()
		defer mu.Unlock()
		if authz.Status != acme.StatusPending && r.resuming() {
			q.present = r.possible(q, authz.Challenges)
			decided = append(decided, q)
		}
		switch authz.Status {
		case acme.StatusValid: // proven for an earlier order, or before a crash
			return nil
		case acme.StatusPending:
			q.offered = authz.Challenges
		default:
			dead = true
		}
		r.open = append(r.open, q)
		return nil
	})
	if len(decided) > 0 {
		r.cleanups.Go(func() { r.cleanUp(ctx, decided) })
	}
	if err != nil {
		return err
	}
	for _, q := range r.open {
		r.offered[q.id] = q.offered
	}
	if dead {
		return r.refused(ctx)
	}
	return nil
}

// authorization fetches one.
func (r *issuance) authorization(ctx context.Context, url string) (acme.Authorization, error) {
	var authz acme.Authorization
	_, err := r.ca.signed(ctx, r.job.Account, "fetch an authorisation", func(ctx context.Context, c *acme.Client) (err error) {
		authz, err = c.GetAuthorization(ctx, r.acct, url)
		return err
	})
	return authz, err
}

// choose picks a challenge, and puts up its answer. A solver that cannot do
// so makes room for the next.
func (r *issuance) choose(ctx context.Context, q *question) error {
	under := slices.IndexFunc(q.offered, func(c acme.Challenge) bool {
		return c.Status == acme.StatusProcessing || c.Status == acme.StatusValid
	})
	offered := q.offered
	if under >= 0 { // the CA was told before a crash: it looks at that one alone
		offered = q.offered[under : under+1]
		q.chosen, q.told = offered[0], true
	}
	var failures []error
	for _, solver := range q.solvers {
		i := slices.IndexFunc(offered, func(c acme.Challenge) bool { return c.Type == solver.Type() })
		if i < 0 || (under < 0 && slices.Contains(r.tried[q.id], solver.Type())) {
			continue
		}
		answer, err := r.answerTo(q.id, offered[i])
		if err == nil {
			q.present = append(q.present, presented{solver, answer})
			err = solver.Present(ctx, answer)
		}
		if err == nil {
			q.chosen, q.answer, q.solver = offered[i], answer, solver
			r.warnAll(failures)
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%s: answer the challenge for %s: %w", r.ca.cfg.ID, display(q.id), context.Cause(ctx))
		}
		failures = append(failures, err)
	}
	if q.told { // it may have looked already
		r.warnAll(failures)
		return nil
	}
	return r.noWay(q, failures)
}

// answerTo makes the answer to a challenge, RFC 8555 section 8.1.
func (r *issuance) answerTo(id challenge.Identifier, c acme.Challenge) (challenge.Challenge, error) {
	if !isToken(c.Token) {
		return challenge.Challenge{}, r.garbage("answer the challenge for "+display(id), errors.New("the CA's token is none"))
	}
	thumbprint, err := r.acct.Thumbprint()
	if err != nil {
		return challenge.Challenge{}, fmt.Errorf("name the account key: %w", err)
	}
	// Not the library's field of that name: a CA could fill it with anything.
	return challenge.Challenge{Type: c.Type, Identifier: id, Token: c.Token, KeyAuthorization: c.Token + "." + thumbprint}, nil
}

// faulty is a solver's error that knows what kind of problem it is.
type faulty interface {
	error
	Fault(at time.Time) plan.Fault
}

// noWay says why no challenge of an identifier can be answered.
func (r *issuance) noWay(q *question, failures []error) error {
	op := "answer a challenge for " + display(q.id)
	if len(failures) == 0 {
		return r.ca.fault(op, plan.CodeNoChallenge, plan.BlameAdmin, fmt.Errorf(
			"the CA offers %s; of these none is configured for the name, or left to try", offers(q.offered)))
	}
	e := r.ca.fault(op, plan.CodeChallenge, plan.BlameAdmin, errors.Join(failures...))
	if first, ok := errors.AsType[*Error](failures[0]); ok {
		e.Code, e.Blame = first.Code, first.Blame
	} else if first, ok := errors.AsType[faulty](failures[0]); ok {
		f := first.Fault(time.Time{})
		e.Code, e.Blame = f.Code, f.Blame
	}
	return e
}

// offers lists types of challenge.
func offers(offered []acme.Challenge) string {
	var types []string
	for _, c := range offered {
		types = append(types, clean(c.Type, 50))
	}
	if len(types) == 0 {
		return "no challenge"
	}
	return strings.Join(types, ", ")
}

// settle waits until the answer can be seen.
func (r *issuance) settle(ctx context.Context, q *question) error {
	waiter, ok := q.solver.(challenge.Waiter)
	if !ok || q.told {
		return nil
	}
	err := waiter.Wait(ctx, q.answer)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("%s: wait for the answer for %s: %w", r.ca.cfg.ID, display(q.id), context.Cause(ctx))
	default:
		return r.noWay(q, []error{err})
	}
}

// tell lets the CA look at the answer.
func (r *issuance) tell(ctx context.Context, q *question) error {
	if asker, ok := q.solver.(challenge.Asker); ok {
		q.asked = asker.Asked(q.answer)
	}
	if q.told {
		return nil
	}
	op := fmt.Sprintf("answer the %s challenge for %s", q.chosen.Type, display(q.id))
	_, err := r.ca.signed(ctx, r.job.Account, op, func(ctx context.Context, c *acme.Client) error {
		_, err := c.InitiateChallenge(ctx, r.acct, acme.Challenge{URL: q.chosen.URL})
		return err
	})
	if e, ok := errors.AsType[*Error](err); ok && e.Type == acme.ProblemTypeMalformed {
		err = r.unlessKnown(ctx, q, e)
	}
	q.told = err == nil
	return err
}

// unlessKnown returns nil where the CA was told of the answer before: a
// request whose answer was lost is sent again, and some CAs refuse the second
// one. Where the CA does not say, that is the failure: it may have refused
// nothing.
func (r *issuance) unlessKnown(ctx context.Context, q *question, refusal *Error) error {
	authz, err := r.authorization(ctx, q.url)
	if err != nil {
		return err
	}
	known := authz.Status != acme.StatusPending || slices.ContainsFunc(authz.Challenges, func(c acme.Challenge) bool {
		return c.URL == q.chosen.URL && c.Status != acme.StatusPending
	})
	if known {
		return nil
	}
	return refusal
}

// cleanUp takes away all answers. It has time of its own, since the job's
// may be over.
func (r *issuance) cleanUp(ctx context.Context, questions []*question) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUpTime)
	defer cancel()
	// No error ends it: each answer is to be taken away.
	_ = r.each(ctx, questions, func(ctx context.Context, q *question) error {
		for _, p := range q.present {
			if err := p.solver.CleanUp(ctx, p.answer); err != nil {
				r.warn(fmt.Errorf("take away the %s answer for %s: %w", p.answer.Type, display(q.id), err))
			}
		}
		return nil
	})
}
