package engine

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/servertest"
	"github.com/certkeep/certkeep/internal/store"
)

// script writes an executable shell script.
func (f *fixture) script(name, text string) string {
	f.Helper()
	path := filepath.Join(f.dir, name)
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o700); err != nil {
		f.Fatal(err)
	}
	return path
}

// lines returns the lines of a file that a script writes; none where it has
// not run.
func (f *fixture) lines(name string) []string {
	text, err := os.ReadFile(filepath.Join(f.dir, name))
	if err != nil {
		return nil
	}
	return strings.Split(strings.TrimSpace(string(text)), "\n")
}

// TestServesThroughNginx takes a certificate from nothing to a handshake with
// a real nginx, which needs a placeholder to start, and through a renewal.
func TestServesThroughNginx(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	port, err := acmetest.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	pidFile := filepath.Join(f.dir, "nginx.pid")
	config := fmt.Sprintf(`
services:
  web: {reload: {signal: HUP, pid_file: %s}}
certificates:
  a.test: {services: [web], verify: [{port: %d, address: 127.0.0.1}]}
`, pidFile, port)

	// The CA cannot reach us yet, as on a machine that is just set up.
	if err := f.ca.DNS.AddA("a.test", "127.0.0.9"); err != nil {
		t.Fatal(err)
	}
	f.configure(config)
	f.failing()
	if spare := f.known("a.test").Targets["default"].Spare; spare == nil {
		t.Fatal("no placeholder was installed")
	}
	nginx := servertest.Nginx(t, fmt.Sprintf("127.0.0.1:%d", port), fmt.Sprintf(`
	server { listen 127.0.0.1:%d ssl; server_name a.test;
		ssl_certificate %[2]s/out/a.test/fullchain.pem; ssl_certificate_key %[2]s/out/a.test/privkey.pem; }`, port, f.dir))
	if err := os.WriteFile(pidFile, fmt.Appendln(nil, nginx.PID), 0o600); err != nil {
		t.Fatal(err)
	}

	if err := f.ca.DNS.ClearA("a.test"); err != nil {
		t.Fatal(err)
	}
	for _, ask := range []plan.AskKind{plan.AskApply, plan.AskRenew} {
		if err := f.Ask(t.Context(), ask, []string{"a.test"}, ""); err != nil {
			t.Fatal(err)
		}
		f.apply()
		target := f.known("a.test").Targets["default"]
		if target.State != plan.TargetVerified || target.Verify.Version != f.known("a.test").Published {
			t.Fatalf("after %s: target %+v", ask, target)
		}
		// Of a service that is verified no worker presents another one.
		leaf := f.leaf(filepath.Join(f.dir, "out/a.test/cert.pem"))
		for range 20 {
			if f.presented(port) != leaf {
				t.Fatalf("after %s: nginx presents another certificate", ask)
			}
		}
	}
	if n := len(f.known("a.test").Versions); n != 2 {
		t.Errorf("%d versions after one renewal", n)
	}
	if asks := f.known("a.test").Asks; len(asks) != 0 {
		t.Errorf("asks are left: %v", asks)
	}
}

// TestWrongCertificateServed has the server present something else: that is a
// fact, the service is told again, and status can say so.
func TestWrongCertificateServed(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	port, err := acmetest.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	f.configure("certificates: {other.test: {}}\n")
	f.apply()
	servertest.Nginx(t, fmt.Sprintf("127.0.0.1:%d", port), fmt.Sprintf(`
	server { listen 127.0.0.1:%d ssl; server_name a.test;
		ssl_certificate %[2]s/out/other.test/fullchain.pem; ssl_certificate_key %[2]s/out/other.test/privkey.pem; }`, port, f.dir))
	f.configure(fmt.Sprintf("certificates: {a.test: {verify: [{port: %d, address: 127.0.0.1}]}}\n", port))
	fault := f.failing()
	if fault.Code != plan.CodeVerifyWrong || !strings.Contains(strings.Join(fault.Detail, " "), "other.test") {
		t.Errorf("fault = %+v", fault)
	}
	if state := f.known("a.test").Targets["default"].State; state != plan.TargetReloaded {
		t.Errorf("target is %s", state)
	}
}

// TestRefusingServiceIsRolledBack gives a service a version that it does not
// take: what worked before stands again, and it is not tried at once.
func TestRefusingServiceIsRolledBack(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	reload := f.script("reload", fmt.Sprintf("echo reload >> %[1]s/log\n! test -e %[1]s/refuse\n", f.dir))
	config := fmt.Sprintf("services: {web: {reload: %s}}\ncertificates: {a.test: {services: [web]}, b.test: {services: [web]}}\n", reload)
	f.configure(config)
	f.apply()
	good := f.known("a.test").Published
	leaf, err := os.ReadFile(filepath.Join(f.dir, "out/a.test/cert.pem"))
	if err != nil {
		t.Fatal(err)
	}
	f.script("refuse", "")
	if err := f.Ask(t.Context(), plan.AskRenew, []string{"a.test"}, ""); err != nil {
		t.Fatal(err)
	}
	f.failing()
	k := f.known("a.test")
	target := k.Targets["default"]
	if k.Published == good || target.Version != good || target.Refused == nil || target.Refused.Version != k.Published {
		t.Errorf("published %s (was %s), target %+v", k.Published, good, target)
	}
	if now, err := os.ReadFile(filepath.Join(f.dir, "out/a.test/cert.pem")); err != nil || string(now) != string(leaf) {
		t.Errorf("the former files are not back: %v", err)
	}
	before := len(f.lines("log"))
	f.apply()
	if after := len(f.lines("log")); after != before {
		t.Errorf("the service was told %d times more at once", after-before)
	}
	if err := os.Remove(filepath.Join(f.dir, "refuse")); err != nil {
		t.Fatal(err)
	}
	if err := f.Ask(t.Context(), plan.AskApply, []string{"a.test"}, ""); err != nil {
		t.Fatal(err)
	}
	f.apply()
	f.checkServed("a.test")
}

// TestPlaceholdersOfSeveral: a server that needs the files of several sites to
// start refuses its configuration until all have a placeholder. That is no failure;
// whatever else it refuses is.
func TestPlaceholdersOfSeveral(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	check := f.script("check", fmt.Sprintf("for n in a b c; do test -e %[1]s/out/$n.test/fullchain.pem || exit 1; done; ! test -e %[1]s/refuse\n", f.dir))
	text := fmt.Sprintf("services: {web: {check: %s, reload: 'true'}}\ncertificates: {a.test: {services: [web]}, b.test: {services: [web]}, c.test: {services: [web]}}\n", check)
	f.configure(text)
	f.apply()
	for _, name := range []string{"a.test", "b.test", "c.test"} {
		f.checkServed(name)
		if n := f.happened(name, store.EventInstalled); n != 2 {
			t.Errorf("%s: installed %d times, want a placeholder and a certificate", name, n)
		}
	}

	other := newFixture(t, acmetest.Options{})
	other.script("refuse", "")
	check = other.script("check", fmt.Sprintf("! test -e %s/refuse\n", other.dir))
	other.configure(fmt.Sprintf("services: {web: {check: %s, reload: 'true'}}\ncertificates: {a.test: {services: [web]}}\n", check))
	report, err := other.Apply(t.Context(), nil, Only{})
	if err != nil {
		t.Fatal(err)
	}
	if first := report.Done[slices.IndexFunc(report.Done, func(o Outcome) bool { return o.Step.Kind == plan.KindSpare })]; first.Fault == nil || first.Fault.Code != plan.CodeServiceCheck {
		t.Errorf("%+v", first)
	}
}

// TestReloadsAreShared installs many certificates for one service with one
// reload.
func TestReloadsAreShared(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	reload := f.script("reload", fmt.Sprintf("echo reload >> %s/log; sleep 0.1\n", f.dir))
	text := fmt.Sprintf("services: {web: {reload: %s}}\ncertificates:\n", reload)
	for i := range 30 {
		text += fmt.Sprintf("  c%d.test: {services: [web]}\n", i)
	}
	f.configure(text)
	f.apply()
	if n := len(f.lines("log")); n != 1 {
		t.Errorf("%d reloads for 30 certificates, want one", n)
	}
}

// The least time between two reloads begins with a reload: who was not told of a
// placeholder is told of the certificate at once, and of the next one later, which
// people can see.
func TestLeastTimeBetweenReloads(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	reload := f.script("reload", fmt.Sprintf("echo reload >> %s/log\n", f.dir))
	f.configure(fmt.Sprintf("services: {web: {reload: %s, min_interval: 1h}}\ncertificates: {a.test: {services: [web]}}\n", reload))
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if _, err := f.Apply(ctx, nil, Only{}); err != nil || len(f.lines("log")) != 1 || f.happened("a.test", store.EventInstalled) != 2 {
		t.Fatalf("%v, %d reloads", err, len(f.lines("log")))
	}
	if err := f.Ask(t.Context(), plan.AskRenew, []string{"a.test"}, ""); err != nil {
		t.Fatal(err)
	}
	seen := ""
	f.Watch = func(p Progress) {
		if strings.HasPrefix(p.Stage, "waiting until ") && p.Cert == "a.test" {
			seen = p.Stage
			cancel()
		}
	}
	_, _ = f.Apply(ctx, nil, Only{})
	if !strings.HasSuffix(seen, " to tell web (its min_interval)") || len(f.lines("log")) != 1 {
		t.Errorf("%q, %d reloads", seen, len(f.lines("log")))
	}
}

func TestFailingHookStaysPending(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	hook := f.script("hook", fmt.Sprintf("echo $CERTKEEP_EVENT $RENEWED_DOMAINS >> %[1]s/log\ntest -e %[1]s/ok\n", f.dir))
	config := fmt.Sprintf("hooks: {installed: {command: %s}}\ncertificates: {a.test: {}}\n", hook)
	f.configure(config)
	if fault := f.failing(); fault.Code != plan.CodeHook {
		t.Errorf("fault = %+v", fault)
	}
	f.apply()
	if got := f.lines("log"); len(got) != 1 || got[0] != "installed a.test" {
		t.Errorf("hook ran: %q", got)
	}
	f.script("ok", "")
	if err := f.Ask(t.Context(), plan.AskApply, []string{"a.test"}, ""); err != nil {
		t.Fatal(err)
	}
	f.apply()
	if hooks := f.known("a.test").Targets["default"].Hooks; len(hooks) != 0 || len(f.lines("log")) != 2 {
		t.Errorf("pending %v, ran %q", hooks, f.lines("log"))
	}
}

func TestAlteredFilesComeBack(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	f.configure("certificates: {a.test: {}}\n")
	f.apply()
	orders := f.ca.Count(acmetest.NewOrder)
	path := filepath.Join(f.dir, "out/a.test/privkey.pem")
	if err := os.WriteFile(path, []byte("overwritten"), 0o600); err != nil {
		t.Fatal(err)
	}
	f.apply()
	f.checkServed("a.test")
	if n := f.ca.Count(acmetest.NewOrder) - orders; n != 0 {
		t.Errorf("%d orders for an altered file", n)
	}
}

func TestAdoptsWhatIsThere(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	f.configure("certificates: {a.test: {names: [a.test, b.test]}}\n")
	f.apply()
	orders := f.ca.Count(acmetest.NewOrder)
	if err := f.store.Forget(t.Context(), "a.test"); err != nil {
		t.Fatal(err)
	}
	f.configure("certificates: {a.test: {}}\n")
	f.apply()
	f.checkServed("a.test")
	if v := f.known("a.test").Versions; len(v) != 1 || !v[0].Adopted || f.ca.Count(acmetest.NewOrder) != orders {
		t.Errorf("versions = %+v", v)
	}
}

func TestEarlierConfigGetsItsCertificateBack(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	f.configure("certificates: {a.test: {names: [a.test, b.test]}}\n")
	f.apply()
	first := f.known("a.test").Published
	f.configure("certificates: {a.test: {names: [a.test, c.test]}}\n")
	f.apply()
	orders := f.ca.Count(acmetest.NewOrder)
	f.configure("certificates: {a.test: {names: [b.test, a.test]}}\n")
	f.apply()
	f.checkServed("a.test")
	if got := f.known("a.test").Published; got != first || f.ca.Count(acmetest.NewOrder) != orders {
		t.Errorf("published %s, want %s without an order", got, first)
	}
}

// TestHangingServiceDoesNotKeepUsFromEnding ends a pass while a service is
// being told and hangs: the pass ends, and the next one tells the service.
func TestHangingServiceDoesNotKeepUsFromEnding(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	reload := f.script("reload", fmt.Sprintf("echo reload >> %[1]s/log\ntest -e %[1]s/quick || exec sleep 50\n", f.dir))
	f.configure(fmt.Sprintf("services: {web: {reload: %s}}\ncertificates: {a.test: {services: [web], verify: false}}\n", reload))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		_, err := f.Apply(ctx, nil, Only{})
		ended <- err
	}()
	deadline := time.Now().Add(20 * time.Second)
	for len(f.lines("log")) == 0 && time.Now().Before(deadline) {
		time.Sleep(10 * time.Millisecond) // until the script has begun
	}
	cancel()
	select {
	case <-ended:
	case <-time.After(40 * time.Second): // the script would sleep for longer
		t.Fatal("the pass did not end")
	}
	f.script("quick", "")
	f.apply()
	f.checkServed("a.test")
}

// TestForgetsWhatIsBeingWorkedOn forgets a certificate in a running engine: it
// waits for the work under way, and the certificate is obtained afresh.
func TestForgetsWhatIsBeingWorkedOn(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	issued := make(chan struct{}, 10)
	f.Watch = func(p Progress) {
		if p.Event != nil && p.Event.Kind == store.EventIssued {
			issued <- struct{}{}
		}
	}
	f.configure("certificates: {a.test: {files: [{path: " + f.dir + "/a.pem, content: [key, certificate, chain]}]}}\n")
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- f.Engine.Run(ctx) }()
	<-issued // and its files are being written
	if err := f.Forget(t.Context(), "a.test"); err != nil {
		t.Fatal(err)
	}
	if err := f.Settled(t.Context(), []string{"a.test"}); err != nil {
		t.Fatal(err)
	}
	cancel()
	<-ended
	k := f.known("a.test")
	if len(k.Versions) != 1 || !k.Versions[0].Adopted {
		t.Errorf("not begun afresh from what is installed: %+v", k)
	}
}
