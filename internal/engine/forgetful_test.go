package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/store"
)

// forgetful lets a CA be killed and started anew, with new keys and without a
// memory, after the first request of a kind was carried out. Requests that
// come meanwhile wait.
type forgetful struct {
	*testing.T
	ca   *acmetest.CA
	kind acmetest.Kind
	lost bool // the answer to that request is lost too

	gate sync.RWMutex // held for writing while the CA is away

	mu         sync.Mutex // guards what follows
	forgot     bool
	registered int // accounts, since it forgot
}

// intercept is an acmetest.Interceptor.
func (f *forgetful) intercept(w http.ResponseWriter, r *http.Request, next http.Handler) {
	opens := opensAccount(f.T, r)
	answer := httptest.NewRecorder()
	f.gate.RLock()
	next.ServeHTTP(answer, r)
	f.gate.RUnlock()
	f.note(opens, answer.Code)
	if f.due(r, answer) {
		f.gate.Lock()
		err := f.ca.Restart(context.WithoutCancel(r.Context()))
		f.gate.Unlock()
		if err != nil {
			f.Errorf("start the CA again: %v", err)
		}
		if f.lost {
			panic(http.ErrAbortHandler)
		}
	}
	for key, values := range answer.Header() {
		w.Header()[key] = values
	}
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes()) // whoever asked may have gone
}

// due reports, once, whether it is time to forget. Of an order only a look
// that does not find it signed counts.
func (f *forgetful) due(r *http.Request, answer *httptest.ResponseRecorder) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.forgot || acmetest.KindOf(r) != f.kind || answer.Code >= http.StatusBadRequest {
		return false
	}
	if f.kind == acmetest.Order && strings.Contains(answer.Body.String(), `"valid"`) {
		return false
	}
	f.forgot = true
	return true
}

// note counts the accounts that are registered. A request whose nonce the CA
// refuses, as one from before its restart, opens none and is sent again.
func (f *forgetful) note(opens bool, code int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.forgot && opens && code < http.StatusBadRequest {
		f.registered++
	}
}

// opensAccount reports whether a request registers an account, where the CA
// knows none of its key.
func opensAccount(t *testing.T, r *http.Request) bool {
	if acmetest.KindOf(r) != acmetest.NewAccount {
		return false
	}
	payload, err := acmetest.Payload(r)
	var want struct{ OnlyReturnExisting bool }
	if err == nil {
		err = json.Unmarshal(payload, &want)
	}
	if err != nil {
		t.Errorf("a request for an account: %v", err)
	}
	return !want.OnlyReturnExisting
}

// warnings keeps what an engine warns of.
type warnings struct {
	mu   sync.Mutex // guards text
	text bytes.Buffer
}

// Write takes log lines.
func (w *warnings) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.Write(b)
}

func (w *warnings) count(words string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Count(w.text.String(), words)
}

// TestCAForgetsInTheMiddle kills and restarts the CA in the middle of the
// orders of a renewal and of two first certificates. One pass ends with all of
// them, whatever the CA has forgotten: with one new account, a warning, and
// the old account put aside.
func TestCAForgetsInTheMiddle(t *testing.T) {
	for _, kind := range []acmetest.Kind{acmetest.NewOrder, acmetest.Authz, acmetest.Challenge, acmetest.Order, acmetest.Finalize, acmetest.Certificate} {
		for _, lost := range []bool{false, true} {
			name := string(kind) + " answered"
			if lost {
				name = string(kind) + " lost"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel() // what is lost is asked for again after a wait
				f := newFixture(t, acmetest.Options{})
				f.configure("certificates: {a.test: {}}\n")
				f.apply()
				former, first := f.account("pebble"), f.known("a.test").Published
				said := &warnings{}
				f.Engine.Log = slog.New(slog.NewTextHandler(said, &slog.HandlerOptions{Level: slog.LevelWarn}))
				amnesia := &forgetful{T: t, ca: f.ca, kind: kind, lost: lost}
				f.ca.Intercept(amnesia.intercept)
				orders := ""
				if kind == acmetest.Certificate {
					orders = "concurrency: 1\n" // else all might be there when the first one is
				}
				f.configure(orders + "certificates: {a.test: {}, b.test: {}, c.test: {}}\n")
				f.ask(plan.AskRenew, "a.test")
				f.apply()
				f.ca.Intercept(nil)
				if !amnesia.forgot {
					t.Fatal("the CA was not restarted")
				}
				f.checkReplaced(former, amnesia, said)
				if k := f.known("a.test"); len(k.Versions) != 2 || k.Versions[0].ID != first {
					t.Errorf("versions = %+v, the first was %s", k.Versions, first)
				}
				for _, name := range []string{"a.test", "b.test", "c.test"} {
					f.checkServed(name)
					if k := f.known(name); len(k.Orders)+len(k.Tries)+len(k.Asks) != 0 {
						t.Errorf("known = %+v", k)
					}
				}
				f.checkTidy()
				f.checkIdle()
			})
		}
	}
}

// checkReplaced fails the test unless the account was replaced once, and a
// person was told.
func (f *fixture) checkReplaced(former store.Account, amnesia *forgetful, said *warnings) {
	f.Helper()
	if now := f.account("pebble"); now.URL == former.URL || now.Key == former.Key || now.Status != store.AccountValid || now.Intention != nil {
		f.Errorf("account = %+v, was %+v", now, former)
	}
	if amnesia.registered != 1 {
		f.Errorf("%d accounts were registered anew", amnesia.registered)
	}
	if n := said.count("does not know the account " + former.URL); n != 1 {
		f.Errorf("warned %d times: %s", n, said.text.String())
	}
	known, err := f.store.Known(f.Context())
	if err != nil {
		f.Fatal(err)
	}
	if fault := known.Issuers["pebble"].Fault; fault == nil || fault.Code != plan.CodeAccountLost {
		f.Errorf("issuer's fault = %+v", fault)
	}
	archived, err := filepath.Glob(filepath.Join(f.dir, "state/records/accounts/archive/pebble/*"))
	if err != nil || len(archived) != 1 {
		f.Errorf("archived accounts: %v, %v", archived, err)
	}
}
