package clocktest_test

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/clocktest"
)

const (
	day  = 24 * time.Hour
	year = 365 * day
)

// The bounds of what a daemon with a wrong clock may do meanwhile.
const (
	fewLines    = 40
	littleTime  = 10 * time.Second // of the processor
	fewRequests = 40
)

// TestWallClockJumps sets the wall clock of a running daemon, and not that of
// its CA. With a clock that is wrong nothing is ordered and no file is
// touched, a person is told where something would have to be done, and nothing
// is done over and over. When the clock is right again all is as before, and a
// renewal works at once.
func TestWallClockJumps(t *testing.T) {
	program := buildProgram(t, t.TempDir())
	for _, test := range []struct {
		name   string
		offset time.Duration
		code   int    // of `certkeep apply` meanwhile
		says   string // in the status meanwhile
	}{
		{"ahead by ten years", 10 * year, 5, "clock-wrong"},
		{"behind by ten years", -10 * year, 0, "clock-wrong"},
		{"ahead by ninety days", 90 * day, 5, "clock-wrong"},
		{"behind by an hour", -time.Hour, 0, `"state":"ok"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			port, root := webServer(t)
			ca := acmetest.Start(t, acmetest.Options{HTTPPort: port})
			k := keep(t, program, clocktest.New(t), ca, root, ca.DirectoryURL(), ca.RootPEM())
			ca.ResetRequests()
			installed, lines, used := k.installed(), strings.Count(k.logged(), "\n"), k.processor()

			k.jump(test.offset)
			k.settle(test.code)
			k.says(test.says, "status", "--json")
			k.jump(0)
			k.settle(0)
			k.says("OK", "status", "--check")

			if n := ca.Count(acmetest.NewOrder, acmetest.NewAccount, acmetest.Finalize); n != 0 {
				t.Errorf("orders and accounts were asked for %d times", n)
			}
			if n := ca.Count(); n > fewRequests {
				t.Errorf("the CA was asked %d times", n)
			}
			if n := strings.Count(k.logged(), "\n") - lines; n > fewLines {
				t.Errorf("%d lines were logged", n)
			}
			if took := k.processor() - used; took > littleTime {
				t.Errorf("%s of the processor were used", took)
			}
			if !maps.Equal(installed, k.installed()) {
				t.Error("installed files were changed")
			}
			if out, err := k.command("renew", "a", "b").CombinedOutput(); err != nil {
				t.Errorf("certkeep renew: %v\n%s", err, out)
			}
			if n := k.finalized(); n != 2 {
				t.Errorf("%d orders were finalised for two renewals", n)
			}
		})
	}
}

// TestWallClockJumpsInTheMiddleOfOrders sets the clock while the CA's answers to
// two renewals are on their way. What it signed is taken and kept; nothing is
// signed twice, neither under the wrong clock, by which all of it has ended or
// is not valid yet, nor when the clock is right again.
func TestWallClockJumpsInTheMiddleOfOrders(t *testing.T) {
	program := buildProgram(t, t.TempDir())
	for _, test := range []struct {
		kind   acmetest.Kind
		offset time.Duration
	}{
		{acmetest.NewOrder, 10 * year},
		{acmetest.Finalize, 10 * year},
		{acmetest.Finalize, -10 * year},
		{acmetest.Certificate, -10 * year},
	} {
		t.Run(fmt.Sprintf("%s, %s", test.kind, test.offset), func(t *testing.T) {
			t.Parallel()
			port, root := webServer(t)
			ca := acmetest.Start(t, acmetest.Options{HTTPPort: port})
			k := keep(t, program, clocktest.New(t), ca, root, ca.DirectoryURL(), ca.RootPEM())
			ca.ResetRequests()
			reached, jumped := make(chan struct{}, 10), make(chan struct{})
			ca.Intercept(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
				if acmetest.KindOf(r) == test.kind {
					reached <- struct{}{}
					<-jumped
				}
				next.ServeHTTP(w, r)
			})
			renew := k.command("renew", "a", "b")
			if err := renew.Start(); err != nil {
				t.Fatal(err)
			}
			<-reached
			<-reached
			k.jump(test.offset)
			close(jumped)
			_ = renew.Wait() // by that clock what it got is of no use
			k.jump(0)
			ca.Intercept(nil)
			k.settle(0)
			k.says("OK", "status", "--check")
			if n := k.finalized(); n != 2 {
				t.Errorf("%d orders were finalised for two renewals", n)
			}
			if n := strings.Count(k.logged(), "event=issued"); n != 4 {
				t.Errorf("%d certificates were issued, want two and their renewals", n)
			}
			k.installed()
		})
	}
}

// buildProgram builds the program that users run, but for its clock.
func buildProgram(t *testing.T, dir string) string {
	t.Helper()
	program := filepath.Join(dir, "certkeep")
	clocktest.Build(t, module, "./cmd/certkeep", program)
	return program
}

// TestTimePassesAtOnce sets the clocks of daemon and CA together, as when a
// machine has slept for weeks. Each certificate that came into its window is
// renewed, once, without anybody asking; so it is again; and when the clocks
// are set back, nothing more is ordered.
func TestTimePassesAtOnce(t *testing.T) {
	dir, clock := t.TempDir(), clocktest.New(t)
	program := buildProgram(t, dir)
	port, root := webServer(t)
	ca := startMoving(t, dir, clock, port)
	directory, roots := front(t, ca)
	k := keep(t, program, clock, ca, root, directory, roots)
	used := k.processor()
	for i := 1; i <= 2; i++ {
		passed := time.Duration(i) * 70 * day
		ca.ResetRequests()
		clock.Set(passed)
		k.eventually("both are renewed", func() bool { return strings.Count(k.logged(), "event=installed") == 2*(i+1) })
		k.settle(0)
		for _, cert := range []string{"a", "b"} {
			if left := k.ends(cert).Sub(time.Now().Add(passed)); left < 89*day || left > 91*day {
				t.Errorf("%s has %s left", cert, left)
			}
		}
		if n := k.finalized(); n != 2 {
			t.Errorf("%d orders were finalised for two renewals", n)
		}
	}
	k.says("OK", "status", "--check")

	installed := k.installed()
	ca.ResetRequests()
	k.jump(0) // and all that is installed is not valid yet
	k.settle(0)
	if n := ca.Count(); n != 0 {
		t.Errorf("the CA was asked %d times", n)
	}
	if !maps.Equal(installed, k.installed()) {
		t.Error("installed files were changed")
	}
	k.says("clock-wrong", "status", "--json")
	if took := k.processor() - used; took > littleTime {
		t.Errorf("%s of the processor were used", took)
	}
}

// startMoving starts a CA that goes by a clock.
func startMoving(t *testing.T, dir string, clock *clocktest.Clock, port int) *acmetest.CA {
	t.Helper()
	tools := os.Getenv("CERTKEEP_TOOLS")
	if tools == "" {
		tools = filepath.Join(module, "build", "tools")
	}
	tools, err := filepath.Abs(tools)
	if err != nil {
		t.Fatal(err)
	}
	moving := filepath.Join(dir, "moving")
	clocktest.Build(t, filepath.Join(module, "tools"), "github.com/letsencrypt/pebble/v2/cmd/pebble", moving)
	// acmetest gives its children no environment of ours.
	script := fmt.Sprintf("#!/bin/sh\n%s exec %s \"$@\"\n", clock.Env(), moving)
	err = errors.Join(
		os.WriteFile(filepath.Join(dir, "pebble"), []byte(script), 0o700),
		os.Symlink(filepath.Join(tools, "pebble-challtestsrv"), filepath.Join(dir, "pebble-challtestsrv")),
	)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("CERTKEEP_TOOLS", dir)
	return acmetest.Start(t, acmetest.Options{HTTPPort: port})
}
