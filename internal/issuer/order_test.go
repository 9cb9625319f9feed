package issuer

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mholt/acmez/v3/acme"

	"github.com/certkeep/certkeep/internal/challenge"
	"github.com/certkeep/certkeep/internal/plan"
)

// badOrder is an order that no good CA would give.
type badOrder struct {
	name  string
	code  plan.Code
	words string
	page  func(f *fakeCA)
}

func badOrders() []badOrder {
	return []badOrder{
		{"without a URL", plan.CodeCAGarbage, "the order's URL", func(f *fakeCA) { f.json("/order", fakeOrder("pending")) }},
		{"not HTTPS", plan.CodeCAGarbage, "not HTTPS", func(f *fakeCA) {
			f.json("/order/1", strings.Replace(fakeOrder("ready"), "https://ca.test/finalize", "http://ca.test/finalize", 1))
		}},
		{"too many authorisations", plan.CodeCAGarbage, "1000 authorisations for 1 names", func(f *fakeCA) {
			many := strings.Repeat(`"https://ca.test/authz",`, 999)
			f.json("/order/1", strings.Replace(fakeOrder("pending"), `"authorizations":[`, `"authorizations":[`+many, 1))
		}},
		{"a status of its own", plan.CodeCAGarbage, `status "thinking"`, func(f *fakeCA) { f.json("/order/1", fakeOrder("thinking")) }},
		{"no order at all", plan.CodeCAGarbage, `status ""`, func(f *fakeCA) { f.json("/order/1", `{}`) }},
		{"round and round", plan.CodeCAGarbage, "round in circles", func(f *fakeCA) {
			n := 0
			f.page("/order/1", func(w http.ResponseWriter, _ *http.Request) {
				n++
				writeJSON(w, http.StatusOK, fakeOrder([]string{"pending", "processing"}[n%2]))
			})
		}},
		{"ready for ever", plan.CodeCAError, "still ready", func(f *fakeCA) {
			f.json("/order/1", fakeOrder("ready"))
			f.json("/finalize", fakeOrder("ready"))
		}},
		{"never signed", plan.CodeCAError, "still processing", func(f *fakeCA) {
			f.json("/order/1", fakeOrder("processing"))
		}},
		{"finalize gives HTML", plan.CodeCAGarbage, "text/html", func(f *fakeCA) {
			f.json("/order/1", fakeOrder("ready"))
			f.page("/finalize", func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "text/html")
				fmt.Fprint(w, "<html>")
			})
		}},
		{"finalize gives another document", plan.CodeCAGarbage, "finalize the order", func(f *fakeCA) {
			f.json("/order/1", fakeOrder("ready"))
			f.json("/finalize", `{"hello":"world"}`)
		}},
		{"never ready, though it says so", plan.CodeCAError, "still ready", func(f *fakeCA) {
			f.json("/order/1", fakeOrder("ready"))
			f.page("/finalize", func(w http.ResponseWriter, _ *http.Request) {
				writeJSON(w, http.StatusForbidden, `{"type":"urn:ietf:params:acme:error:orderNotReady","detail":"not yet"}`)
			})
		}},
		{"refuses the CSR", plan.CodeCSR, "key is weak", func(f *fakeCA) {
			f.json("/order/1", fakeOrder("ready"))
			f.page("/finalize", func(w http.ResponseWriter, _ *http.Request) {
				writeJSON(w, http.StatusBadRequest, `{"type":"urn:ietf:params:acme:error:badCSR","detail":"key is weak"}`)
			})
		}},
		{"no certificate", plan.CodeCAGarbage, "the certificate's URL", func(f *fakeCA) {
			f.json("/order/1", strings.Replace(fakeOrder("valid"), "https://ca.test/cert", "", 1))
		}},
		{"an authorisation that is a file", plan.CodeCAGarbage, "not HTTPS", func(f *fakeCA) {
			f.page("/order", func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", "https://ca.test/order/1")
				writeJSON(w, http.StatusCreated, strings.Replace(fakeOrder("pending"), "https://ca.test/authz", "file:///etc/passwd", 1))
			})
		}},
		{"a certificate of plain HTTP", plan.CodeCAGarbage, "not HTTPS", func(f *fakeCA) {
			f.json("/order/1", strings.Replace(fakeOrder("valid"), "https://ca.test/cert", "http://ca.test/cert", 1))
		}},
		{"certificate never there", plan.CodeCAError, "HTTP status 404", func(f *fakeCA) {
			f.json("/order/1", fakeOrder("valid"))
			f.page("/cert", http.NotFound)
		}},
	}
}

// TestBadOrders are orders of a CA that does not keep to RFC 8555.
func TestBadOrders(t *testing.T) {
	for _, test := range badOrders() {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, ca := newFake(t)
				test.page(f)
				job, solver := fakeJob(t)
				_, err := ca.Issue(t.Context(), job)
				e := failure(t, err)
				if e.Code != test.code || !strings.Contains(e.Error(), test.words) || errors.Is(err, ErrOrderGone) {
					t.Errorf("error %v (%s), want %s with %q", e, e.Code, test.code, test.words)
				}
				if solver.left() != 0 {
					t.Error("the answer was left behind")
				}
			})
		})
	}
}

// TestOrderRefusedAtTheEnd has the CA end the order when it should sign.
func TestOrderRefusedAtTheEnd(t *testing.T) {
	invalid := strings.Replace(fakeOrder("invalid"), `"status"`, `"error":{"type":"urn:ietf:params:acme:error:%s","detail":"no way",
		"subproblems":[{"type":"urn:ietf:params:acme:error:%[1]s","detail":"record of a.test","identifier":{"type":"dns","value":"a.test"}}]},"status"`, 1)
	for kind, want := range map[string]plan.Code{
		"caa": plan.CodeCAA, "rateLimited": plan.CodeRateLimited, "unauthorized": plan.CodeOrderInvalid,
	} {
		t.Run(kind, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, ca := newFake(t)
				f.json("/order/1", fakeOrder("ready"))
				f.page("/finalize", func(w http.ResponseWriter, _ *http.Request) {
					writeJSON(w, http.StatusOK, fakeOrder("processing"))
					f.json("/order/1", fmt.Sprintf(invalid, kind))
				})
				job, _ := fakeJob(t)
				_, err := ca.Issue(t.Context(), job)
				e := failure(t, err)
				if e.Code != want || !errors.Is(err, ErrOrderGone) || len(e.Subproblems) != 1 || e.Detail != "no way" {
					t.Errorf("error %+v, want %s, and the order gone", e, want)
				}
				if n := f.count("/authz"); n != 1 {
					t.Errorf("authorisations were asked for %d times, want once: they are not to blame", n)
				}
			})
		})
	}
}

// TestValidationWords keeps all that the CA says of a failed name.
func TestValidationWords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, ca := newFake(t)
		f.json("/order/1", fakeOrder("invalid"))
		f.page("/challenge", func(w http.ResponseWriter, _ *http.Request) {
			writeJSON(w, http.StatusOK, `{}`)
			f.json("/authz", fakeAuthz("invalid", "invalid", `,"error":{"type":"urn:ietf:params:acme:error:caa","detail":"two of three\nsay no",
				"subproblems":[{"type":"urn:ietf:params:acme:error:dns","detail":"from Asia"},{"type":"urn:ietf:params:acme:error:caa","detail":"from Europe"}]}`))
		})
		job, _ := fakeJob(t)
		_, err := ca.Issue(t.Context(), job)
		e := failure(t, err)
		if e.Code != plan.CodeCAA {
			t.Errorf("code %s, want caa-forbids", e.Code)
		}
		want := []string{
			"a.test: http-01: two of three say no (caa)", "a.test: from Asia (dns)", "a.test: from Europe (caa)",
			ErrOrderGone.Error(),
		}
		if got := e.Lines(); strings.Join(got, "|") != strings.Join(want, "|") {
			t.Errorf("lines %q, want %q", got, want)
		}
		if fault := e.Fault(time.Unix(0, 0)); fault.Code != e.Code || len(fault.Detail) != len(want) || fault.Words != "fake: validate names: the CA says no (caa)" {
			t.Errorf("fault %+v", fault)
		}
	})
}

// codedError is a solver's error that knows its kind.
type codedError struct{ error }

func (codedError) Fault(at time.Time) plan.Fault {
	return plan.Fault{Code: plan.CodePortTaken, Blame: plan.BlameAdmin, At: at}
}

// troubled is a solver whose every step can fail.
type troubled struct {
	brokenSolver
	wait, clean error
}

func (s *troubled) Wait(context.Context, challenge.Challenge) error { return s.wait }

func (s *troubled) CleanUp(ctx context.Context, c challenge.Challenge) error {
	return errors.Join(s.clean, s.brokenSolver.CleanUp(ctx, c))
}

func TestSolverTrouble(t *testing.T) {
	trouble := codedError{errors.New("nginx has port 80")}
	for _, test := range []struct {
		name   string
		solver *troubled
		warned int
	}{
		{"present", &troubled{brokenSolver: brokenSolver{kind: challenge.TypeHTTP01, err: fmt.Errorf("listen: %w", trouble)}}, 0},
		{"wait", &troubled{brokenSolver: brokenSolver{kind: challenge.TypeHTTP01}, wait: trouble}, 0},
		{"clean up", &troubled{brokenSolver: brokenSolver{kind: challenge.TypeHTTP01}, wait: trouble, clean: errors.New("no")}, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, ca := newFake(t)
				job, _ := fakeJob(t)
				job.Solvers = func(challenge.Identifier) []challenge.Solver { return []challenge.Solver{test.solver} }
				warned := 0
				job.Warn = func(error) { warned++ }
				_, err := ca.Issue(t.Context(), job)
				if e := failure(t, err); e.Code != plan.CodePortTaken || errors.Is(err, ErrOrderGone) {
					t.Errorf("error %+v, want the solver's code, and an order that can be resumed", e)
				}
				if warned != test.warned || test.solver.left() != 0 {
					t.Errorf("%d warnings, want %d; %d answers left", warned, test.warned, test.solver.left())
				}
				if n := f.count("/challenge"); n != 0 {
					t.Error("the CA was told of an answer that is not there")
				}
			})
		})
	}
}

func TestAskedIdentifiers(t *testing.T) {
	dns := func(values ...string) []acme.Identifier { return identifiers(values) }
	authz := func(kind, value string, wildcard bool) acme.Authorization {
		return acme.Authorization{Identifier: acme.Identifier{Type: kind, Value: value}, Wildcard: wildcard}
	}
	for _, test := range []struct {
		name    string
		ordered []acme.Identifier
		authz   acme.Authorization
		want    challenge.Identifier
		bad     bool
	}{
		{"plain", dns("a.test"), authz("dns", "a.test", false), challenge.Identifier{Value: "a.test"}, false},
		{"in capitals", dns("A.test"), authz("dns", "a.TEST", false), challenge.Identifier{Value: "a.test"}, false},
		{"wildcard", dns("*.a.test"), authz("dns", "a.test", true), challenge.Identifier{Value: "a.test", Wildcard: true}, false},
		{"wildcard, spelt out", dns("*.a.test"), authz("dns", "*.a.test", false), challenge.Identifier{Value: "a.test", Wildcard: true}, false},
		{"wildcard, not said", dns("*.a.test"), authz("dns", "a.test", false), challenge.Identifier{Value: "a.test", Wildcard: true}, false},
		{"wildcard of both", dns("a.test", "*.a.test"), authz("dns", "a.test", true), challenge.Identifier{Value: "a.test", Wildcard: true}, false},
		{"plain of both", dns("*.a.test", "a.test"), authz("dns", "a.test", false), challenge.Identifier{Value: "a.test"}, false},
		{"IPv6", dns("2001:DB8::1"), authz("ip", "2001:db8:0:0:0:0:0:1", false), challenge.Identifier{Value: "2001:db8::1", IP: true}, false},
		{"IP as a name", dns("192.0.2.1"), authz("dns", "192.0.2.1", false), challenge.Identifier{}, true},
		{"another name", dns("a.test"), authz("dns", "b.test", false), challenge.Identifier{}, true},
		{"the parent", dns("www.a.test"), authz("dns", "a.test", false), challenge.Identifier{}, true},
		{"a wildcard not ordered", dns("a.test"), authz("dns", "a.test", true), challenge.Identifier{}, true},
		{"a path", dns("a.test"), authz("dns", "../a.test", false), challenge.Identifier{}, true},
		{"nothing", dns("a.test"), acme.Authorization{}, challenge.Identifier{}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := asked(test.authz, test.ordered)
			if (err != nil) != test.bad || !test.bad && got != test.want {
				t.Errorf("got %+v, %v; want %+v, bad: %t", got, err, test.want, test.bad)
			}
		})
	}
}

func TestIsToken(t *testing.T) {
	for token, want := range map[string]bool{
		"evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr_oA": true,
		"":                       false,
		"../../etc/passwd":       false,
		"a/b":                    false,
		"a.b":                    false,
		"a b":                    false,
		"a\x00b":                 false,
		"ä":                      false,
		"YQ==":                   false,
		strings.Repeat("a", 600): false,
	} {
		if got := isToken(token); got != want {
			t.Errorf("isToken(%q) = %t", token, got)
		}
	}
}

func TestAccountLockIsLeft(t *testing.T) {
	_, ca := newFake(t)
	unlock, err := ca.AccountLock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := ca.AccountLock(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("waiting for a lock: %v, want a cancelled context", err)
	}
	unlock()
	unlock() // a second time does nothing
	if unlock, err = ca.AccountLock(t.Context()); err != nil {
		t.Fatal(err)
	}
	unlock()
}
