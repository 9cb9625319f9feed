package issuer

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/chain"
	"github.com/certkeep/certkeep/internal/challenge"
	"github.com/certkeep/certkeep/internal/plan"
)

// kinds are those that a certificate costs; nonces and the directory are had
// once for many.
var kinds = []acmetest.Kind{
	acmetest.NewAccount, acmetest.NewOrder, acmetest.Order, acmetest.Authz,
	acmetest.Challenge, acmetest.Finalize, acmetest.Certificate, acmetest.RenewalInfo, acmetest.Other,
}

// TestRequestCount is the promise of 5 + 2 N requests for N names.
func TestRequestCount(t *testing.T) {
	t.Parallel()
	pebble := acmetest.Start(t, acmetest.Options{Settle: true, AlternateRoots: 1})
	ca, solver := connect(t, pebble), serveHTTP01(t, pebble)
	a := register(t, ca)
	for _, n := range []int{1, 2, 20} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			var names []string
			for i := range n {
				names = append(names, fmt.Sprintf("n%d-of-%d.test", i, n))
			}
			pebble.ResetRequests()
			issued, err := ca.Issue(t.Context(), newJob(t, a, names, solver))
			if err != nil {
				t.Fatal(err)
			}
			// Settle holds back answers until Pebble is done. Where the machine
			// is so busy that it was not quite, Pebble says so, and is asked
			// once more: that is no answer that was ready.
			if got, want := pebble.Count(kinds...)-pebble.Unready(), 5+2*n; got != want {
				t.Errorf("%d requests for %d names, want %d: %v", got, n, want, pebble.Requests())
			}
			if got := pebble.Count(acmetest.NewNonce); got > parallel {
				t.Errorf("%d nonces fetched, want at most %d: each answer brings one", got, parallel)
			}
			if got := chain.Names(issued.Chain.Leaf()); len(got) != n {
				t.Errorf("certificate for %v, want %d names", got, n)
			}
			if solver.left() != 0 {
				t.Errorf("%d answers were left behind", solver.left())
			}
		})
	}
}

func TestNoncesAreReused(t *testing.T) {
	t.Parallel()
	pebble := acmetest.Start(t, acmetest.Options{})
	ca, solver := connect(t, pebble), serveHTTP01(t, pebble)
	a := register(t, ca)
	for i := range 5 {
		if _, err := ca.Issue(t.Context(), newJob(t, a, []string{fmt.Sprintf("r%d.test", i)}, solver)); err != nil {
			t.Fatal(err)
		}
	}
	if n := pebble.Count(acmetest.NewNonce); n != 1 {
		t.Errorf("%d nonces fetched for five certificates in a row, want 1", n)
	}
	if n := pebble.Count(acmetest.Directory); n != 1 {
		t.Errorf("the directory was fetched %d times, want once", n)
	}
}

func TestWildcardAndApexByDNS(t *testing.T) {
	t.Parallel()
	pebble := acmetest.Start(t, acmetest.Options{})
	ca := connect(t, pebble)
	waited := 0
	solver := &dnsSolver{dns: pebble.DNS, wait: func(context.Context, challenge.Challenge) error { waited++; return nil }}
	job := newJob(t, register(t, ca), []string{"*.wild.test"}, solver)
	var ids []challenge.Identifier
	solvers := job.Solvers
	job.Solvers = func(id challenge.Identifier) []challenge.Solver {
		ids = append(ids, id)
		return solvers(id)
	}
	if _, err := ca.Issue(t.Context(), job); err != nil {
		t.Fatal(err)
	}
	if want := (challenge.Identifier{Value: "wild.test", Wildcard: true}); !slices.Equal(ids, []challenge.Identifier{want}) {
		t.Errorf("solvers were asked for %+v, want %+v", ids, want)
	}
	if waited != 1 {
		t.Errorf("waited %d times for the answer to be seen, want 1", waited)
	}
	solver.wait = nil
	if _, err := ca.Issue(t.Context(), newJob(t, job.Account, []string{"*.both.test", "both.test"}, solver)); err != nil {
		t.Error(err)
	}
}

func TestIPAddress(t *testing.T) {
	t.Parallel()
	pebble := acmetest.Start(t, acmetest.Options{})
	ca, solver := connect(t, pebble), serveHTTP01(t, pebble)
	issued, err := ca.Issue(t.Context(), newJob(t, register(t, ca), []string{"127.0.0.1", "ip.test"}, solver))
	if err != nil {
		t.Fatal(err)
	}
	if got := chain.Names(issued.Chain.Leaf()); !slices.Equal(got, []string{"127.0.0.1", "ip.test"}) {
		t.Errorf("certificate for %v", got)
	}
}

func TestAuthorizationReuse(t *testing.T) {
	t.Parallel()
	pebble := acmetest.Start(t, acmetest.Options{AuthzReuse: 100, Settle: true})
	ca, solver := connect(t, pebble), serveHTTP01(t, pebble)
	a := register(t, ca)
	if _, err := ca.Issue(t.Context(), newJob(t, a, []string{"one.test"}, solver)); err != nil {
		t.Fatal(err)
	}
	pebble.ResetRequests()
	before := solver.presented()
	// The order is born ready: nothing is to be proven.
	if _, err := ca.Issue(t.Context(), newJob(t, a, []string{"one.test"}, solver)); err != nil {
		t.Fatal(err)
	}
	if n := pebble.Count(acmetest.Authz, acmetest.Challenge); n != 0 || solver.presented() != before {
		t.Errorf("%d requests for proofs that were there", n)
	}
	// One is there, one is not.
	pebble.ResetRequests()
	if _, err := ca.Issue(t.Context(), newJob(t, a, []string{"one.test", "two.test"}, solver)); err != nil {
		t.Fatal(err)
	}
	if n := pebble.Count(acmetest.Challenge); n != 1 {
		t.Errorf("%d challenges answered, want 1", n)
	}
}

func TestRefusedNonces(t *testing.T) {
	t.Parallel() // it takes seconds of waiting
	pebble := acmetest.Start(t, acmetest.Options{NonceReject: 50})
	ca, solver := connect(t, pebble), serveHTTP01(t, pebble)
	if _, err := ca.Issue(t.Context(), newJob(t, register(t, ca), []string{"nonce.test"}, solver)); err != nil {
		t.Error(err)
	}
}

func TestProcessingOrderWithRetryAfter(t *testing.T) {
	t.Parallel()
	pebble := acmetest.Start(t, acmetest.Options{RetryAfterOrder: 1e9, RetryAfterAuthz: 1e9})
	ca, solver := connect(t, pebble), serveHTTP01(t, pebble)
	if _, err := ca.Issue(t.Context(), newJob(t, register(t, ca), []string{"slow.test"}, solver)); err != nil {
		t.Error(err)
	}
	if n := pebble.Count(acmetest.Order); n > 2+pebble.Unready() {
		t.Errorf("%d polls", n)
	}
}

func TestStages(t *testing.T) {
	t.Parallel()
	pebble := acmetest.Start(t, acmetest.Options{})
	ca, solver := connect(t, pebble), serveHTTP01(t, pebble)
	job := newJob(t, register(t, ca), []string{"stage.test"}, solver)
	var stages []Stage
	job.Stage = func(s Stage) { stages = append(stages, s) }
	var saved []Order
	job.Save = func(o Order) error {
		if n := pebble.Count(acmetest.Authz); n != 0 {
			t.Errorf("%d authorisations were asked for before the order was saved", n)
		}
		saved = append(saved, o)
		return nil
	}
	issued, err := ca.Issue(t.Context(), job)
	if err != nil {
		t.Fatal(err)
	}
	if want := []Stage{StageOrder, StageChallenge, StageValidate, StageFinalize, StageDownload}; !slices.Equal(stages, want) {
		t.Errorf("stages %v, want %v", stages, want)
	}
	if len(saved) != 1 || saved[0] != issued.Order || saved[0].URL == "" || saved[0].Expires.IsZero() {
		t.Errorf("saved %+v, want %+v", saved, issued.Order)
	}
}

func TestSaveFails(t *testing.T) {
	t.Parallel()
	pebble := acmetest.Start(t, acmetest.Options{})
	ca, solver := connect(t, pebble), serveHTTP01(t, pebble)
	job := newJob(t, register(t, ca), []string{"save.test"}, solver)
	full := errors.New("disk is full")
	job.Save = func(Order) error { return full }
	if _, err := ca.Issue(t.Context(), job); !errors.Is(err, full) {
		t.Errorf("error %v, want %v", err, full)
	}
	if n := pebble.Count(acmetest.Authz, acmetest.Challenge, acmetest.Finalize); n != 0 {
		t.Errorf("%d requests after the order could not be saved", n)
	}
}

func TestTwoWaysToProve(t *testing.T) {
	t.Parallel()
	t.Run("the first cannot answer", func(t *testing.T) {
		pebble := acmetest.Start(t, acmetest.Options{})
		ca, good := connect(t, pebble), serveHTTP01(t, pebble)
		bad := &brokenSolver{kind: challenge.TypeTLSALPN01, err: errors.New("the port is taken")}
		job := newJob(t, register(t, ca), []string{"a.test"}, bad, good)
		var warned error
		job.Warn = func(err error) { warned = err }
		if _, err := ca.Issue(t.Context(), job); err != nil {
			t.Fatal(err)
		}
		if !errors.Is(warned, bad.err) {
			t.Errorf("warning %v, want %v", warned, bad.err)
		}
		if n := pebble.Count(acmetest.NewOrder); n != 1 {
			t.Errorf("%d orders, want 1", n)
		}
		if bad.left()+good.left() != 0 {
			t.Error("answers were left behind")
		}
	})
	t.Run("the CA does not see the first", func(t *testing.T) {
		pebble := acmetest.Start(t, acmetest.Options{})
		ca, good := connect(t, pebble), serveHTTP01(t, pebble)
		bad := &brokenSolver{kind: challenge.TypeDNS01}
		job := newJob(t, register(t, ca), []string{"a.test", "b.test"}, bad, good)
		saved := 0
		job.Save = func(Order) error { saved++; return nil }
		if _, err := ca.Issue(t.Context(), job); err != nil {
			t.Fatal(err)
		}
		// Pebble may end the order at the first name, before it has looked at
		// the other one: that costs the other one an order of its own.
		if n := pebble.Count(acmetest.NewOrder); n < 2 || n > 3 || n != saved {
			t.Errorf("%d orders, %d saved; want 2 or 3, each saved", n, saved)
		}
		if bad.left()+good.left() != 0 {
			t.Error("answers were left behind")
		}
	})
}

func TestNoWayWorks(t *testing.T) {
	t.Parallel()
	pebble := acmetest.Start(t, acmetest.Options{})
	ca := connect(t, pebble)
	dns, web := &brokenSolver{kind: challenge.TypeDNS01}, &brokenSolver{kind: challenge.TypeHTTP01}
	_, err := ca.Issue(t.Context(), newJob(t, register(t, ca), []string{"a.test"}, dns, web))
	e := failure(t, err)
	if e.Code != plan.CodeChallenge || e.Blame != plan.BlameAdmin || !errors.Is(err, ErrOrderGone) {
		t.Errorf("error %+v, want challenge-failed, and the order gone", e)
	}
	if len(e.Subproblems) != 1 || e.Subproblems[0].Name != "a.test" {
		t.Errorf("subproblems %+v, want one for a.test", e.Subproblems)
	}
	if n := pebble.Count(acmetest.NewOrder); n != 2 {
		t.Errorf("%d orders, want 2", n)
	}
	if dns.left()+web.left() != 0 {
		t.Error("answers were left behind")
	}
}

func TestNothingToAnswerWith(t *testing.T) {
	t.Parallel()
	pebble := acmetest.Start(t, acmetest.Options{})
	ca := connect(t, pebble)
	_, err := ca.Issue(t.Context(), newJob(t, register(t, ca), []string{"a.test"}, &brokenSolver{kind: "carrier-pigeon-01"}))
	if e := failure(t, err); e.Code != plan.CodeNoChallenge || e.Blame != plan.BlameAdmin {
		t.Errorf("error %+v, want no-challenge", e)
	}
}

func TestRejectedName(t *testing.T) {
	t.Parallel()
	pebble := acmetest.Start(t, acmetest.Options{Blocked: []string{"blocked.test"}})
	ca, solver := connect(t, pebble), serveHTTP01(t, pebble)
	_, err := ca.Issue(t.Context(), newJob(t, register(t, ca), []string{"www.blocked.test"}, solver))
	e := failure(t, err)
	if e.Code != plan.CodeRejected || e.Status != http.StatusBadRequest || len(e.Subproblems) != 1 || e.Detail == "" {
		t.Errorf("error %+v, want rejected with the CA's words", e)
	}
	if got := len(e.Lines()); got != 2 {
		t.Errorf("%d lines %q, want one for the problem and one for the name", got, e.Lines())
	}
}

func TestCancelCleansUp(t *testing.T) {
	t.Parallel()
	pebble := acmetest.Start(t, acmetest.Options{})
	ca := connect(t, pebble)
	ctx, cancel := context.WithCancel(t.Context())
	solver := &dnsSolver{dns: pebble.DNS, wait: func(ctx context.Context, _ challenge.Challenge) error {
		cancel()
		<-ctx.Done()
		return ctx.Err()
	}}
	_, err := ca.Issue(ctx, newJob(t, register(t, ca), []string{"a.test", "b.test"}, solver))
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want a cancelled context", err)
	}
	if solver.presented() == 0 || solver.left() != 0 {
		t.Errorf("%d answers put up, %d left behind", solver.presented(), solver.left())
	}
}

func TestProfile(t *testing.T) {
	t.Parallel()
	pebble := acmetest.Start(t, acmetest.Options{Profiles: map[string]acmetest.Profile{
		"short": {Description: "six days", Validity: 6 * 24 * 3600e9},
		"long":  {Description: "ninety days", Validity: 90 * 24 * 3600e9},
	}})
	ca, solver := connect(t, pebble), serveHTTP01(t, pebble)
	job := newJob(t, register(t, ca), []string{"a.test"}, solver)
	job.Profile = "short"
	issued, err := ca.Issue(t.Context(), job)
	if err != nil {
		t.Fatal(err)
	}
	if leaf := issued.Chain.Leaf(); leaf.NotAfter.Sub(leaf.NotBefore).Hours() > 7*24 {
		t.Errorf("certificate from %s to %s, want six days", leaf.NotBefore, leaf.NotAfter)
	}
	pebble.ResetRequests()
	job.Profile = "medium"
	_, err = ca.Issue(t.Context(), job)
	if e := failure(t, err); e.Code != plan.CodeProfile || pebble.Count(acmetest.NewOrder) != 0 {
		t.Errorf("error %+v after %d orders, want profile-not-offered before any", e, pebble.Count(acmetest.NewOrder))
	} else if words := e.Error(); words != `pebble: open an order: the CA does not offer the profile "medium"; it offers long, short` {
		t.Errorf("error %q", words)
	}
	job.ProfileWished = true // then it is ordered without, in one order
	if issued, err = ca.Issue(t.Context(), job); err != nil || !issued.ProfileDropped || pebble.Count(acmetest.NewOrder) != 1 {
		t.Errorf("wished: %v, dropped %t, %d orders", err, issued.ProfileDropped, pebble.Count(acmetest.NewOrder))
	}
	job.Profile = "short"
	if issued, err = ca.Issue(t.Context(), job); err != nil || issued.ProfileDropped {
		t.Errorf("wished and offered: %v, dropped %t", err, issued.ProfileDropped)
	}
}
