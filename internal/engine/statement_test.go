package engine

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/store"
)

// TestSilentResponderHoldsUpNobody: certificates that wait for a responder's
// answer, more than may ask at once, keep no other from being issued.
func TestSilentResponderHoldsUpNobody(t *testing.T) {
	f := newFixture(t, acmetest.Options{OCSP: true})
	names, config := []string{"a.test", "b.test", "c.test"}, "concurrency: 1\ncertificates:\n"
	for _, name := range names {
		config += fmt.Sprintf("  %s: {ocsp: {file: %s/ocsp/%s}}\n", name, f.dir, name)
	}
	f.configure(config)
	f.apply()
	for _, name := range names {
		f.due(name)
	}
	f.ca.OCSP.Hang(true)
	f.configure(config + "  d.test: {}\n")
	begin := time.Now()
	if _, err := f.Apply(t.Context(), nil, Only{}); err != nil {
		t.Fatal(err)
	}
	for event, err := range f.store.History(t.Context(), "d.test") {
		if err != nil {
			t.Fatal(err)
		}
		if took := event.Time.Sub(begin); event.Kind == store.EventInstalled && took > statementTime {
			t.Errorf("d.test was installed after %s", took)
		}
	}
	f.checkServed("d.test")
}

// TestInterruptedQuestionIsNoFailure: an end that came in order takes back the
// count of the attempt, also of the first one.
func TestInterruptedQuestionIsNoFailure(t *testing.T) {
	f := newFixture(t, acmetest.Options{OCSP: true})
	f.ca.OCSP.Hang(true)
	log := newTestLog(t)
	f.configure(fmt.Sprintf("ct_logs: {own: [%s]}\n", log.config("one")) + f.ocspConfig(fmt.Sprintf(", sct: {directory: %s/scts, logs: [one]}", f.dir)))
	for _, stage := range []string{"asking for the OCSP response", "handing the"} {
		ctx, cancel := context.WithCancel(t.Context())
		f.Watch = func(p Progress) {
			if strings.HasPrefix(p.Stage, stage) {
				cancel()
			}
		}
		if _, err := f.Apply(ctx, nil, Only{}); err == nil {
			t.Fatalf("nobody was interrupted while %s", stage)
		}
		if k := f.known("a.test"); k.OCSP[ecKey].Tries.Count != 0 || len(k.SCT[ecKey].Logs) != 0 {
			t.Errorf("while %s: known %+v, %+v", stage, k.OCSP, k.SCT)
		}
		f.ca.OCSP.Hang(false)
	}
	f.Watch = func(Progress) {}
	f.apply()
	f.response("a.test")
	if n := len(log.received()); n != 1 {
		t.Errorf("the log received %d certificates", n)
	}
}

// TestEachAttemptBeginsWithAnother: of several responders the first may use up
// all the time; then the next attempt begins with another one.
func TestEachAttemptBeginsWithAnother(t *testing.T) {
	silent, answers := newFixture(t, acmetest.Options{OCSP: true}), newFixture(t, acmetest.Options{OCSP: true})
	silent.ca.OCSP.Hang(true)
	f := answers
	f.configure(fmt.Sprintf("certificates: {a.test: {ocsp: {file: %q, force: true, responders: [%q, %q]}}}\n", f.dir+"/ocsp/{name}.{key_type}.ocsp", silent.ca.OCSP.URL(), f.ca.OCSP.URL()))
	if fault := f.failing(); fault.Blame != plan.BlameNetwork {
		t.Errorf("fault %+v", fault)
	}
	f.askApply("a.test")
	f.apply()
	f.response("a.test")
}

// TestResponderAsksToWait: what a responder asks for binds also a person.
func TestResponderAsksToWait(t *testing.T) {
	f := newFixture(t, acmetest.Options{OCSP: true})
	f.ca.OCSP.Fail(http.StatusTooManyRequests)
	f.configure(f.ocspConfig(""))
	f.failing()
	if tries := f.known("a.test").OCSP[ecKey].Tries; time.Until(tries.Imposed) < 50*time.Minute {
		t.Errorf("tries %+v", tries)
	}
	f.askApply("a.test")
	f.apply()
	if tries := f.known("a.test").OCSP[ecKey].Tries; tries.Count != 1 {
		t.Errorf("asked %d times", tries.Count)
	}
}
