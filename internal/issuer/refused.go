package issuer

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/mholt/acmez/v3/acme"

	"github.com/certkeep/certkeep/internal/challenge"
	"github.com/certkeep/certkeep/internal/plan"
)

// ended says why the CA ended the order: because of names that it could not
// validate, or because of the order as a whole.
func (r *issuance) ended(ctx context.Context, order acme.Order) error {
	if r.open == nil && r.signed == 0 {
		// It was over when it was resumed: nothing of it was fetched yet.
		for _, url := range order.Authorizations {
			r.open = append(r.open, &question{url: url})
		}
	}
	if r.signed == 0 {
		if err := r.refused(ctx); err != nil {
			return err
		}
	}
	e := r.ca.fault("get the order signed", plan.CodeOrderInvalid, plan.BlameCA, ErrOrderGone)
	if order.Error != nil {
		fromACME(*order.Error).describe(e)
		if code, blame := meaning(e.Type, order.Error.Status); code != plan.CodeRejected {
			e.Code, e.Blame = code, blame
		}
	}
	return e
}

// refused fetches the authorisations that were not proven, and returns what
// the CA says of those that failed; nil where none has.
func (r *issuance) refused(ctx context.Context) error {
	e := r.ca.fault("validate names", plan.CodeChallenge, plan.BlameAdmin, ErrOrderGone)
	var mu sync.Mutex
	err := r.each(ctx, r.open, func(ctx context.Context, q *question) error {
		authz, err := r.authorization(ctx, q.url)
		if known, ok := errors.AsType[*Error](err); ok && known.Status == http.StatusNotFound {
			return nil // forgotten together with its order
		}
		if err != nil || authz.Status == acme.StatusPending || authz.Status == acme.StatusValid {
			return err
		}
		id, err := asked(authz, r.ids)
		if err != nil {
			return r.garbage("fetch an authorisation", err)
		}
		mu.Lock()
		defer mu.Unlock()
		r.failed = append(r.failed, id)
		r.blame(e, id, authz)
		return nil
	})
	switch {
	case err != nil:
		return err
	case len(r.failed) == 0:
		return nil
	}
	for _, q := range r.open {
		if q.solver != nil && slices.Contains(r.failed, q.id) {
			r.tried[q.id] = append(r.tried[q.id], q.chosen.Type)
		}
	}
	slices.SortStableFunc(e.Subproblems, func(a, b Subproblem) int { return strings.Compare(a.Name, b.Name) })
	return e
}

// blame adds to e what the CA says of a failed authorisation.
func (r *issuance) blame(e *Error, id challenge.Identifier, authz acme.Authorization) {
	found := false
	for _, c := range authz.Challenges {
		if c.Error == nil {
			continue
		}
		found = true
		p := fromACME(*c.Error)
		said := Subproblem{Name: display(id), Type: clean(p.Type, 200), Detail: clean(c.Type, 50) + ": " + wordsOf(p.Detail, p.Title)}
		e.Subproblems = append(e.Subproblems, said)
		for _, sub := range p.Subproblems {
			e.Subproblems = append(e.Subproblems, Subproblem{
				Name: display(id), Type: clean(sub.Type, 200), Detail: wordsOf(sub.Detail, sub.Title),
			})
		}
		if e.Type == "" {
			e.Type = said.Type
			e.Code, e.Blame = validationMeaning(said.Type)
		}
	}
	if !found {
		e.Subproblems = append(e.Subproblems, Subproblem{
			Name: display(id), Detail: fmt.Sprintf("the authorisation is %s", clean(authz.Status, 50)),
		})
	}
	e.Subproblems = e.Subproblems[:min(len(e.Subproblems), maxSubproblems)]
}

// validationMeaning is meaning for problems that a CA met while it validated:
// "unauthorized" is then a wrong answer, not a bad account.
func validationMeaning(urn string) (plan.Code, plan.Blame) {
	switch code, blame := meaning(urn, 0); code {
	case plan.CodeCAA, plan.CodeRateLimited, plan.CodeCAError:
		return code, blame
	case plan.CodeRejected:
		if urn == acme.ProblemTypeRejectedIdentifier {
			return code, blame
		}
	}
	return plan.CodeChallenge, plan.BlameAdmin
}

// anotherWay reports whether every name that failed can be proven by a method
// that was not tried, so that a new order is worth its price.
func (r *issuance) anotherWay(err error) bool {
	e, ok := errors.AsType[*Error](err)
	if !ok || len(r.failed) == 0 || e.Code != plan.CodeChallenge && e.Code != plan.CodeCAA {
		return false
	}
	return !slices.ContainsFunc(r.failed, func(id challenge.Identifier) bool { return !r.untried(id) })
}

// untried reports whether a method is left for a name. An order that was
// resumed when it was over says nothing of what the CA offers.
func (r *issuance) untried(id challenge.Identifier) bool {
	for _, solver := range r.job.Solvers(id) {
		kind := solver.Type()
		offered := slices.ContainsFunc(r.offered[id], func(c acme.Challenge) bool { return c.Type == kind })
		if offered && !slices.Contains(r.tried[id], kind) {
			return true
		}
	}
	return false
}

// waitingFor lists the names that the CA has not validated yet.
func (r *issuance) waitingFor() []string {
	var names []string
	for _, q := range r.open {
		names = append(names, display(q.id))
	}
	slices.Sort(names)
	return names
}
