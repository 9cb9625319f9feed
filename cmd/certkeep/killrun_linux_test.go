package main

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/acmetest"
)

// TestKilledDaemonGoesOn kills the daemon while an answer of the CA is on its
// way: the CA has done what was asked, and nobody here knows. A command takes
// the state over and goes on with the same orders.
func TestKilledDaemonGoesOn(t *testing.T) {
	program := buildProgram(t)
	for _, test := range []struct {
		kind   acmetest.Kind
		held   int // answers: one for each certificate, or for the account of both
		orders int // that are opened for two certificates
	}{
		{acmetest.NewAccount, 1, 2},
		{acmetest.NewOrder, 2, 4}, // an order that was lost before its URL was known stays pending
		{acmetest.Authz, 2, 2},
		{acmetest.Challenge, 2, 2},
		{acmetest.Finalize, 2, 2},
		{acmetest.Certificate, 2, 2},
	} {
		t.Run(string(test.kind), func(t *testing.T) {
			t.Parallel()
			ca := newScene(t)
			v := newVictim(t, program, ca)
			v.daemonKilledAt(ca, test.kind, test.held)
			v.goOn(2)
			if n := ca.Count(acmetest.NewOrder); n != test.orders {
				t.Errorf("%d orders were opened, want %d", n, test.orders)
			}
			if n := len(finalizedAt(ca.CA)); n != 2 {
				t.Errorf("%d orders were finalised, want one for each certificate", n)
			}
		})
	}
}

// daemonKilledAt starts the daemon, has a command ask it for something, and
// kills it when the CA has done what so many requests of a kind asked for, and
// has answered none of them.
func (v *victim) daemonKilledAt(ca *scene, kind acmetest.Kind, held int, command ...string) {
	v.Helper()
	reached := make(chan struct{}, 10)
	ca.Intercept(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if acmetest.KindOf(r) != kind {
			next.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(httptest.NewRecorder(), r)
		reached <- struct{}{}
		<-r.Context().Done() // whoever asked is gone
	})
	daemon := v.startDaemon()
	if len(command) > 0 {
		v.start(command) // it is told that the daemon went away
	}
	for range held {
		select {
		case <-reached:
		case <-time.After(20 * time.Second):
			v.Error("the daemon did not come so far")
		}
	}
	if err := daemon.Process.Kill(); err != nil {
		v.Fatal(err)
	}
	<-daemon.ended
	ca.Intercept(nil)
}
