package issuer

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mholt/acmez/v3/acme"

	"github.com/certkeep/certkeep/internal/plan"
)

// Proof is a name that the CA takes as proven.
type Proof struct {
	Name    string
	Expires time.Time // zero where the CA does not say
}

// Prove has the names of a job proven by an order that is never finalised, and
// returns those that the CA takes as proven; also beside an error, since other
// names may have failed. What the CA knows already costs no challenge. Of the
// Job, only Account, Names, Solvers, Stage and Warn count.
//
// The order is left to itself: the CA forgets it when its time is over, and may
// hand it out again meanwhile.
func (ca *CA) Prove(ctx context.Context, job Job) ([]Proof, error) {
	job.Save = func(Order) error { return nil } // after a crash it is asked for again
	job.Resume, job.Replaces, job.Profile = nil, "", ""
	if job.Account.URL == "" || job.Account.Key == nil || len(job.Names) == 0 || job.Solvers == nil {
		return nil, ca.fault("prepare the order", plan.CodeUnexpected, plan.BlameUs, errors.New("the job is incomplete"))
	}
	return inEveryWay(ctx, ca.newIssuance(job), (*issuance).prove)
}

// prove sees one order through until the CA has decided on its names.
func (r *issuance) prove(ctx context.Context) ([]Proof, error) {
	r.open, r.failed, r.signed, r.hint = nil, nil, 0, 0
	order, err := r.begin(ctx)
	if err != nil {
		return nil, err
	}
	urls := order.Authorizations
	if order.Status == acme.StatusPending {
		order, err = r.authorize(ctx, order)
	}
	if err == nil && order.Status == acme.StatusInvalid {
		err = r.ended(ctx, order)
	}
	proofs, errRead := r.proofs(ctx, urls)
	if err == nil {
		err = errRead
	}
	return proofs, err
}

// proofs reads which authorisations are valid.
func (r *issuance) proofs(ctx context.Context, urls []string) ([]Proof, error) {
	var all []*question
	for _, url := range slices.Compact(slices.Sorted(slices.Values(urls))) {
		all = append(all, &question{url: url})
	}
	var mu sync.Mutex
	var proofs []Proof
	err := r.each(ctx, all, func(ctx context.Context, q *question) error {
		authz, err := r.authorization(ctx, q.url)
		if known, ok := errors.AsType[*Error](err); ok && known.Status == http.StatusNotFound {
			return nil // forgotten together with its order
		}
		if err != nil {
			return err
		}
		id, err := asked(authz, r.ids)
		if err != nil {
			return r.garbage("fetch an authorisation", err)
		}
		if authz.Status == acme.StatusValid {
			mu.Lock()
			defer mu.Unlock()
			proofs = append(proofs, Proof{Name: display(id), Expires: authz.Expires})
		}
		return nil
	})
	return proofs, err
}

// leaveAlone refuses an order with names that somebody else has to have proven.
// Their challenges are neither answered nor deactivated: they may be under way.
func (r *issuance) leaveAlone() error {
	if len(r.open) == 0 {
		return nil
	}
	return r.ca.fault("get the order signed", plan.CodeNotProven, plan.BlameAdmin, fmt.Errorf(
		"the CA does not take as proven: %s", strings.Join(r.waitingFor(), ", ")))
}
