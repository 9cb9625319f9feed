package engine

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/plan"
)

// inChaos are the certificates that are kept through a bad network.
const inChaos = 10

// chaosRounds bounds how often a person asks until all of them are there.
const chaosRounds = 60

// TestBadNetwork obtains and renews ten certificates, and changes the
// account's key, through a network that delays, shreds, truncates, doubles and
// resets, and that repeats or loses whole requests. One order is finalised for
// each need, the account stays the same one, and no goroutine is left.
func TestBadNetwork(t *testing.T) {
	seeds := uint64(2)
	if os.Getenv("CERTKEEP_SWEEP") == "all" {
		seeds = 40
	}
	for seed := range seeds {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			port, root := webServer(t)
			before := runtime.NumGoroutine()
			f := newFixture(t, acmetest.Options{HTTPPort: port})
			chaos, err := f.ca.Disturb(seed)
			if err != nil {
				t.Fatal(err)
			}
			defer chaos.Close()
			names := f.throughChaos(chaos, root)
			f.untilKept(names, 1)
			account := f.account("far")
			f.ask(plan.AskRenew, names...)
			f.untilKept(names, 2)
			if now := f.account("far"); now.URL != account.URL || now.Key != account.Key {
				t.Errorf("account = %+v, was %+v", now, account)
			}
			if n := len(finalized(f.ca)); n != 2*len(names) {
				t.Errorf("%d orders were finalised for %d needs", n, 2*len(names))
			}
			for range 5 {
				f.untilRolled("far")
			}
			chaos.Calm()
			t.Logf("mishaps: %v, requests: %d", chaos.Mishaps(), f.ca.Count())
			f.ca.ResetRequests()
			f.ask(plan.AskRenew, names[0])
			f.apply()
			f.checkServed(names[0])
			if n := f.ca.Count(acmetest.NewAccount); n != 0 || f.account("far").URL != account.URL {
				t.Errorf("accounts were asked for %d times", n)
			}
			f.checkMishaps(chaos)
			f.checkTidy()
			f.checkIdle()
			f.checkGoroutines(before, chaos)
		})
	}
}

// webServer shows a folder at a port for as long as the test runs. It takes so
// long that somebody else might take a port that is held now and then.
func webServer(t *testing.T) (port int, root string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	root = t.TempDir()
	server := &http.Server{Handler: http.FileServer(http.Dir(root))}
	go server.Serve(listener)
	t.Cleanup(func() { _ = server.Close() })
	return listener.Addr().(*net.TCPAddr).Port, root
}

// throughChaos configures certificates that are reached through a bad network,
// and proven by a web server's folder.
func (f *fixture) throughChaos(chaos *acmetest.Chaos, root string) []string {
	f.issuers = fmt.Sprintf("far: {directory: %q, roots_file: %s}", chaos.DirectoryURL(), f.roots)
	var names []string
	config := fmt.Sprintf("challenges: [{http-01: {webroot: %q}}]\ncertificates:\n", root)
	for i := range inChaos {
		name := fmt.Sprintf("n%d.test", i)
		names = append(names, name)
		config += "  " + name + ": {issuer: [far]}\n"
	}
	f.configure(config)
	return names
}

// untilKept makes passes until each certificate has so many versions, with
// nothing left to do. Before each pass a person asks for those that wait after
// a failure.
func (f *fixture) untilKept(names []string, versions int) {
	f.Helper()
	for range chaosRounds {
		if _, err := f.Apply(f.Context(), nil, Only{}); err != nil {
			f.Fatal(err)
		}
		waiting := f.waiting(names, versions)
		if len(waiting) == 0 {
			for _, name := range names {
				f.checkServed(name)
			}
			return
		}
		f.ask(plan.AskApply, waiting...)
	}
	f.Fatalf("not kept after %d passes: %q", chaosRounds, f.waiting(names, versions))
}

// waiting are the certificates that have fewer versions, or something open.
func (f *fixture) waiting(names []string, versions int) []string {
	f.Helper()
	var waiting []string
	for _, name := range names {
		if k := f.known(name); len(k.Versions) != versions || len(k.Orders)+len(k.Tries)+len(k.Asks) != 0 {
			waiting = append(waiting, name)
		}
	}
	return waiting
}

// untilRolled changes the account's key until that is answered.
func (f *fixture) untilRolled(issuer string) {
	f.Helper()
	before := f.account(issuer)
	for range chaosRounds {
		after, err := f.RollAccountKey(f.Context(), issuer)
		if err != nil {
			f.Logf("change of the account's key: %v", err)
			continue
		}
		if after.Key == before.Key || after.URL != before.URL {
			f.Errorf("account = %+v, was %+v", after, before)
		}
		return
	}
	f.Fatal("the account's key was not changed")
}

// checkMishaps fails the test where the network was not as bad as is meant.
func (f *fixture) checkMishaps(chaos *acmetest.Chaos) {
	f.Helper()
	seen := chaos.Mishaps()
	for _, m := range []acmetest.Mishap{acmetest.Refused, acmetest.Delayed, acmetest.Shredded, acmetest.Truncated, acmetest.Duplicated, acmetest.Reset, acmetest.Repeated, acmetest.Unanswered} {
		if seen[m] == 0 {
			f.Errorf("nothing was %s", m)
		}
	}
}

// checkGoroutines ends all that the test has begun, and fails it where more
// goroutines are left than there were before.
func (f *fixture) checkGoroutines(before int, chaos *acmetest.Chaos) {
	f.Helper()
	f.closeIssuers()
	if err := chaos.Close(); err != nil {
		f.Error(err)
	}
	if err := f.ca.Close(); err != nil {
		f.Error(err)
	}
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	for deadline := time.Now().Add(20 * time.Second); runtime.NumGoroutine() > before; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<20)
			stacks = stacks[:runtime.Stack(stacks, true)]
			path := filepath.Join(f.dir, "goroutines")
			if err := os.WriteFile(path, stacks, 0o600); err != nil {
				f.Error(err)
			}
			f.Fatalf("%d goroutines are left, there were %d:\n%s", runtime.NumGoroutine(), before, strings.TrimSpace(string(stacks)))
		}
	}
}
