package issuer

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/challenge"
	"github.com/certkeep/certkeep/internal/plan"
)

// errKilled stands for the end of the process.
var errKilled = errors.New("killed")

// killAt returns a job that is ended when it reaches a stage, and the
// context to run it in. What it saved is in the returned order.
func killAt(t *testing.T, job Job, at Stage) (context.Context, Job, *Order) {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.Context())
	saved := new(Order)
	job.Save = func(o Order) error { *saved = o; return nil }
	job.Stage = func(s Stage) {
		if s == at {
			cancel(errKilled)
		}
	}
	return ctx, job, saved
}

func TestResumeAfterKill(t *testing.T) {
	t.Parallel()
	for _, stage := range []Stage{StageChallenge, StageValidate, StageFinalize, StageDownload} {
		t.Run(string(stage), func(t *testing.T) {
			pebble := acmetest.Start(t, acmetest.Options{Settle: true})
			ca, solver := connect(t, pebble), serveHTTP01(t, pebble)
			job := newJob(t, register(t, ca), []string{"a.test", "b.test"}, solver)
			ctx, killed, saved := killAt(t, job, stage)
			if _, err := ca.Issue(ctx, killed); !errors.Is(err, errKilled) {
				t.Fatalf("error %v, want it killed", err)
			}
			job.Resume = saved
			issued, err := ca.Issue(t.Context(), job)
			if err != nil {
				t.Fatal(err)
			}
			if issued.Order != *saved {
				t.Errorf("order %+v, want the saved %+v", issued.Order, *saved)
			}
			if n := pebble.Count(acmetest.NewOrder); n != 1 {
				t.Errorf("%d orders, want the saved one alone", n)
			}
			if solver.left() != 0 {
				t.Errorf("%d answers left behind", solver.left())
			}
		})
	}
}

// TestResumeTakesAwayWhatWasLeft: the process dies with its answers put up, and
// the CA decides meanwhile.
func TestResumeTakesAwayWhatWasLeft(t *testing.T) {
	t.Parallel()
	for _, stage := range []Stage{StageValidate, StageFinalize, StageDownload} {
		t.Run(string(stage), func(t *testing.T) {
			pebble := acmetest.Start(t, acmetest.Options{Settle: true})
			ca, solver := connect(t, pebble), serveHTTP01(t, pebble)
			job := newJob(t, register(t, ca), []string{"a.test", "b.test"}, solver, &brokenSolver{kind: challenge.TypeDNS01})
			ctx, killed, saved := killAt(t, job, stage)
			killed.Solvers = func(challenge.Identifier) []challenge.Solver { return []challenge.Solver{deadSolver{solver}} }
			if _, err := ca.Issue(ctx, killed); !errors.Is(err, errKilled) {
				t.Fatalf("error %v, want it killed", err)
			}
			if solver.left() != 2 {
				t.Fatalf("%d answers left by the killed run, want 2", solver.left())
			}
			job.Resume = saved
			if _, err := ca.Issue(t.Context(), job); err != nil {
				t.Fatal(err)
			}
			if solver.left() != 0 {
				t.Errorf("%d answers left behind", solver.left())
			}
		})
	}
}

// deadSolver is an httpSolver of a process that dies before it cleans up.
type deadSolver struct{ *httpSolver }

// CleanUp does not happen.
func (deadSolver) CleanUp(context.Context, challenge.Challenge) error { return nil }

// TestChallengeUnderWay resumes an order whose challenge the CA works on.
func TestChallengeUnderWay(t *testing.T) {
	t.Parallel()
	pebble := acmetest.Start(t, acmetest.Options{})
	ca, web := connect(t, pebble), serveHTTP01(t, pebble)
	hold := make(chan struct{})
	held := &heldSolver{httpSolver: web, hold: hold}
	job := newJob(t, register(t, ca), []string{"a.test"}, held)
	ctx, killed, saved := killAt(t, job, StageValidate)
	if _, err := ca.Issue(ctx, killed); !errors.Is(err, errKilled) {
		t.Fatalf("error %v, want it killed", err)
	}
	// The CA's validation hangs at our port until the order is resumed.
	job.Resume = saved
	job.Stage = func(s Stage) {
		if s == StageValidate {
			close(hold)
		}
	}
	other := &brokenSolver{kind: challenge.TypeDNS01} // must not be chosen: the CA looks at http-01
	job.Solvers = func(challenge.Identifier) []challenge.Solver { return []challenge.Solver{other, held} }
	if _, err := ca.Issue(t.Context(), job); err != nil {
		t.Fatal(err)
	}
	if n := pebble.Count(acmetest.Challenge); n != 1 {
		t.Errorf("%d challenges were answered, want the one of before", n)
	}
	if other.presented() != 0 {
		t.Error("another challenge was answered too")
	}
}

// heldSolver is an httpSolver that lets the CA wait.
type heldSolver struct {
	*httpSolver
	hold <-chan struct{}
}

// Present puts the answer up in place of one that waits for hold.
func (s *heldSolver) Present(ctx context.Context, c challenge.Challenge) error {
	s.hooks(func(*http.Request) { <-s.hold })
	return s.httpSolver.Present(ctx, c)
}

// CleanUp leaves the answer for the CA's request that is under way.
func (s *heldSolver) CleanUp(context.Context, challenge.Challenge) error { return nil }

func TestResumeWithoutWork(t *testing.T) {
	t.Parallel()
	pebble := acmetest.Start(t, acmetest.Options{})
	ca, solver := connect(t, pebble), serveHTTP01(t, pebble)
	a := register(t, ca)
	var saved Order
	done := newJob(t, a, []string{"done.test"}, solver)
	done.Save = func(o Order) error { saved = o; return nil }
	first, err := ca.Issue(t.Context(), done)
	if err != nil {
		t.Fatal(err)
	}
	t.Run("valid", func(t *testing.T) {
		pebble.ResetRequests()
		done.Resume = &saved
		again, err := ca.Issue(t.Context(), done)
		if err != nil {
			t.Fatal(err)
		}
		// The authorisation is looked at for what a killed run may have put up.
		if !again.Chain.Leaf().Equal(first.Chain.Leaf()) || pebble.Count(kinds...) != 3 || pebble.Count(acmetest.Authz) != 1 {
			t.Errorf("%v, want one look, one authorisation, and one download of the same certificate", pebble.Requests())
		}
	})
	t.Run("for other names", func(t *testing.T) {
		job := newJob(t, a, []string{"other.test"}, solver)
		job.Resume = &saved
		if _, err := ca.Issue(t.Context(), job); !errors.Is(err, ErrOrderGone) {
			t.Errorf("error %v, want ErrOrderGone", err)
		}
	})
	t.Run("invalid", func(t *testing.T) {
		job := newJob(t, a, []string{"bad.test"}, &brokenSolver{kind: challenge.TypeHTTP01})
		var bad Order
		job.Save = func(o Order) error { bad = o; return nil }
		if _, err := ca.Issue(t.Context(), job); !errors.Is(err, ErrOrderGone) {
			t.Fatalf("error %v, want ErrOrderGone", err)
		}
		job.Resume = &bad
		_, err := ca.Issue(t.Context(), job)
		e := failure(t, err)
		if !errors.Is(err, ErrOrderGone) || e.Code != plan.CodeChallenge || len(e.Subproblems) != 1 {
			t.Errorf("error %+v, want ErrOrderGone with the CA's words", e)
		}
	})
	t.Run("unknown", func(t *testing.T) {
		job := newJob(t, a, []string{"a.test"}, solver)
		job.Resume = &Order{URL: saved.URL + "x"}
		_, err := ca.Issue(t.Context(), job)
		if e := failure(t, err); !errors.Is(err, ErrOrderGone) || e.Code != plan.CodeOrderInvalid {
			t.Errorf("error %+v, want ErrOrderGone", e)
		}
	})
	t.Run("of another account", func(t *testing.T) {
		job := newJob(t, register(t, ca), []string{"done.test"}, solver)
		job.Resume = &saved
		if _, err := ca.Issue(t.Context(), job); !errors.Is(err, ErrOrderGone) || failure(t, err).Code != plan.CodeOrderInvalid {
			t.Errorf("error %+v, want ErrOrderGone", err)
		}
	})
}

// TestLostAnswers breaks the connection after the CA has done what was asked.
func TestLostAnswers(t *testing.T) {
	for _, kind := range []acmetest.Kind{acmetest.NewOrder, acmetest.Challenge, acmetest.Finalize, acmetest.Certificate} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel() // each retry waits
			pebble := acmetest.Start(t, acmetest.Options{Settle: true})
			ca, solver := connect(t, pebble), serveHTTP01(t, pebble)
			a := register(t, ca)
			lost := false
			pebble.Intercept(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
				if acmetest.KindOf(r) != kind || lost {
					next.ServeHTTP(w, r)
					return
				}
				lost = true
				next.ServeHTTP(httptest.NewRecorder(), r)
				panic(http.ErrAbortHandler)
			})
			job := newJob(t, a, []string{"a.test"}, solver)
			saved := 0
			job.Save = func(Order) error { saved++; return nil }
			if _, err := ca.Issue(t.Context(), job); err != nil {
				t.Fatal(err)
			}
			if !lost || saved != 1 {
				t.Errorf("answer lost: %t, orders saved: %d", lost, saved)
			}
		})
	}
}

// TestFinalizeAnswersAllLost resumes an order that was signed without our
// knowing.
func TestFinalizeAnswersAllLost(t *testing.T) {
	t.Parallel()
	pebble := acmetest.Start(t, acmetest.Options{Settle: true})
	ca, solver := connect(t, pebble), serveHTTP01(t, pebble)
	job := newJob(t, register(t, ca), []string{"a.test"}, solver)
	var saved Order
	job.Save = func(o Order) error { saved = o; return nil }
	pebble.Intercept(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if acmetest.KindOf(r) != acmetest.Finalize {
			next.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler)
	})
	_, err := ca.Issue(t.Context(), job)
	if e := failure(t, err); e.Code != plan.CodeNetwork || errors.Is(err, ErrOrderGone) {
		t.Fatalf("error %+v, want ca-unreachable, and an order that can be resumed", e)
	}
	pebble.Intercept(nil)
	pebble.ResetRequests()
	job.Resume = &saved
	if _, err := ca.Issue(t.Context(), job); err != nil {
		t.Fatal(err)
	}
	if n := pebble.Count(acmetest.Finalize, acmetest.NewOrder); n != 0 {
		t.Errorf("%v: the order was finalized twice", pebble.Requests())
	}
}

// TestCAForgets restarts Pebble in the middle of an order: account and order
// are lost.
func TestCAForgets(t *testing.T) {
	t.Parallel()
	pebble := acmetest.Start(t, acmetest.Options{})
	ca, solver := connect(t, pebble), serveHTTP01(t, pebble)
	a := register(t, ca)
	job := newJob(t, a, []string{"a.test"}, solver)
	var saved Order
	job.Save = func(o Order) error { saved = o; return nil }
	job.Stage = func(s Stage) {
		if s == StageChallenge {
			if err := pebble.Restart(t.Context()); err != nil {
				t.Error(err)
			}
		}
	}
	_, err := ca.Issue(t.Context(), job)
	if e := failure(t, err); e.Code != plan.CodeAccountLost {
		t.Fatalf("error %+v, want account-lost", e)
	}
	if solver.left() != 0 {
		t.Error("answers were left behind")
	}
	if _, err := ca.FindAccount(t.Context(), a.Key); !errors.Is(err, ErrNoAccount) {
		t.Errorf("error %v, want ErrNoAccount", err)
	}
	job.Account, err = ca.Register(t.Context(), Registration{Key: a.Key, AgreeTerms: yes, Ask: true})
	if err != nil {
		t.Fatal(err)
	}
	job.Stage, job.Resume = nil, &saved
	if _, err := ca.Issue(t.Context(), job); !errors.Is(err, ErrOrderGone) {
		t.Fatalf("error %v, want ErrOrderGone", err)
	}
	job.Resume = nil
	if _, err := ca.Issue(t.Context(), job); err != nil {
		t.Error(err)
	}
}

func TestDeactivatedAccount(t *testing.T) {
	t.Parallel()
	pebble := acmetest.Start(t, acmetest.Options{})
	ca, solver := connect(t, pebble), serveHTTP01(t, pebble)
	a := register(t, ca)
	if err := ca.Deactivate(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	_, err := ca.Issue(t.Context(), newJob(t, a, []string{"a.test"}, solver))
	if e := failure(t, err); e.Code != plan.CodeAccountLost {
		t.Errorf("error %+v, want account-lost", e)
	}
	_, err = ca.FindAccount(t.Context(), a.Key)
	if e := failure(t, err); e.Code != plan.CodeAccountLost || errors.Is(err, ErrNoAccount) {
		t.Errorf("error %+v, want account-lost", e)
	}
}

func TestIncompleteJobs(t *testing.T) {
	t.Parallel()
	pebble := acmetest.Start(t, acmetest.Options{})
	ca, solver := connect(t, pebble), serveHTTP01(t, pebble)
	good := newJob(t, register(t, ca), []string{"a.test"}, solver)
	other, err := CSR(newKey(t), []string{"a.test"}, "", false)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Job){
		"no account":      func(j *Job) { j.Account = Account{} },
		"no names":        func(j *Job) { j.Names = nil },
		"no CSR":          func(j *Job) { j.CSR = nil },
		"no PKCS#10":      func(j *Job) { j.CSR = []byte("hello") },
		"another's CSR":   func(j *Job) { j.CSR = other },
		"nothing to save": func(j *Job) { j.Save = nil },
	} {
		t.Run(name, func(t *testing.T) {
			job := good
			change(&job)
			pebble.ResetRequests()
			_, err := ca.Issue(t.Context(), job)
			if e := failure(t, err); e.Code != plan.CodeCSR && e.Code != plan.CodeUnexpected {
				t.Errorf("error %+v", e)
			}
			if n := pebble.Count(); n != 0 {
				t.Errorf("the CA was asked %d times", n)
			}
		})
	}
}
