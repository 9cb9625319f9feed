package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/certkeep/certkeep/internal/acmetest"
)

// The test binary is also the program: scripts run it as `certkeep`, and root runs
// itself as another user by /proc/self/exe.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"certkeep": main, "exe": main, "acme-tiny": main, "tls-server": serveTLS})
}

// TestScripts runs every script of testdata with the real program. Scripts
// know, beside the commands of testscript:
//
//	pebble [eab] [slow]    start a CA; sets DIRECTORY, HTTP_PORT, TLS_PORT, and makes roots.pem
//	port NAME…             set variables to free ports
//	subst FILE…            replace $NAME in files
//	exits CODE ARGS…       run certkeep; its exit code must be CODE
//	fields SHAPE           stdout is JSON of a shape of docs/json.md
//	value PATH TEXT        the value at a path of the JSON in stdout is TEXT, or begins with TEXT*
//	json PATH NAME         set a variable to the value at a path of the JSON in stdout
//	eventually PROGRAM…    run it until it succeeds
//	signal SIGNAL          signal the holder of the state
//	web FOLDER             show a folder at HTTP_PORT
//	ready FILE             wait until FILE has a whole line
//	acmebot-account FOLDER make an account, and write it as acmebot does; sets URL
func TestScripts(t *testing.T) {
	t.Parallel()
	built := pebbleIsBuilt(t)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("CERTKEEP_CONFIG", filepath.Join(env.WorkDir, "certkeep.yaml"))
			env.Setenv("STATE", filepath.Join(env.WorkDir, "state"))
			env.Values[testKey{}] = t
			return nil
		},
		Condition: func(cond string) (bool, error) {
			switch cond {
			case "pebble":
				return built, nil
			case "root":
				return os.Geteuid() == 0, nil
			}
			return false, fmt.Errorf("unknown condition %q", cond)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"pebble": startPebble, "web": serveWeb, "exits": exits, "fields": fields, "value": value,
			"eventually": eventually, "signal": sendSignal, "ready": ready, "port": freePort, "subst": subst, "json": note, "acmebot-account": acmebotAccount,
		},
	})
}

// testKey finds the test in the values of a script's environment.
type testKey struct{}

// pebbleIsBuilt reports whether the test CA can be started. With CI set it
// has to be.
func pebbleIsBuilt(t *testing.T) bool {
	t.Helper()
	ended, end := context.WithCancel(t.Context())
	end()
	_, err := acmetest.Launch(ended, acmetest.Options{})
	missing, ok := errors.AsType[*acmetest.MissingToolError](err)
	if ok && os.Getenv("CI") != "" {
		t.Fatal(missing)
	}
	if ok {
		t.Logf("scripts that need a CA are skipped: %v", missing)
	}
	return !ok
}

// startPebble starts a CA for the script.
func startPebble(ts *testscript.TestScript, neg bool, args []string) {
	refuse(ts, neg)
	t, ok := ts.Value(testKey{}).(*testing.T)
	if !ok {
		ts.Fatalf("no test")
	}
	o := acmetest.Options{}
	for _, arg := range args {
		switch arg {
		case "eab":
			o.EAB = map[string]string{"kid-1": "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"}
		case "ocsp":
			o.OCSP = true
		case "slow":
			o.RetryAfterOrder, o.RetryAfterAuthz = 2*time.Second, 2*time.Second
		default:
			ts.Fatalf("pebble: unknown option %q", arg)
		}
	}
	ca, err := acmetest.Launch(t.Context(), o)
	ts.Check(err)
	ts.Defer(func() {
		if err := ca.Close(); err != nil {
			t.Errorf("end the CA: %v", err)
		}
	})
	ts.Check(os.WriteFile(ts.MkAbs("roots.pem"), ca.RootPEM(), 0o600))
	ts.Setenv("DIRECTORY", ca.DirectoryURL())
	if ca.OCSP != nil {
		ts.Setenv("OCSP", ca.OCSP.URL())
	}
	ts.Setenv("HTTP_PORT", strconv.Itoa(ca.HTTPPort()))
	ts.Setenv("TLS_PORT", strconv.Itoa(ca.TLSPort()))
}

func refuse(ts *testscript.TestScript, neg bool) {
	if neg {
		ts.Fatalf("this command cannot be negated")
	}
}

// exits runs the program and compares its exit code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	refuse(ts, neg)
	if len(args) < 1 {
		ts.Fatalf("usage: exits CODE ARGS…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec("certkeep", args[1:]...)
	got := 0
	if err != nil {
		exit, ok := err.(*exec.ExitError)
		if !ok {
			ts.Fatalf("run certkeep: %v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("certkeep %s: exit code %d, want %d", strings.Join(args[1:], " "), got, want)
	}
}

// eventually repeats a command until it succeeds.
func eventually(ts *testscript.TestScript, neg bool, args []string) {
	deadline := time.Now().Add(20 * time.Second)
	for {
		err := ts.Exec(args[0], args[1:]...)
		if (err == nil) != neg {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%s: not within 20 s: %v", strings.Join(args, " "), err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// ready waits until a file is there and has a line.
func ready(ts *testscript.TestScript, neg bool, args []string) {
	refuse(ts, neg)
	deadline := time.Now().Add(20 * time.Second)
	for {
		text, err := os.ReadFile(ts.MkAbs(args[0]))
		if err == nil && strings.HasSuffix(string(text), "\n") {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%s: no line within 20 s: %v", args[0], err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// sendSignal signals the holder of the state.
func sendSignal(ts *testscript.TestScript, neg bool, args []string) {
	refuse(ts, neg)
	signals := map[string]syscall.Signal{"HUP": syscall.SIGHUP, "ALRM": syscall.SIGALRM, "TERM": syscall.SIGTERM, "KILL": syscall.SIGKILL}
	text, err := os.ReadFile(filepath.Join(ts.Getenv("STATE"), "lock"))
	ts.Check(err)
	var note struct{ PID int }
	ts.Check(json.Unmarshal(text, &note))
	ts.Check(syscall.Kill(note.PID, signals[args[0]]))
}

// freePort sets variables to free ports.
func freePort(ts *testscript.TestScript, neg bool, args []string) {
	refuse(ts, neg)
	for _, name := range args {
		port, err := acmetest.FreePort()
		ts.Check(err)
		ts.Setenv(name, strconv.Itoa(port))
	}
}

// subst replaces $NAME in files by the variables of the script.
func subst(ts *testscript.TestScript, neg bool, args []string) {
	refuse(ts, neg)
	for _, name := range args {
		path := ts.MkAbs(name)
		text, err := os.ReadFile(path)
		ts.Check(err)
		ts.Check(os.WriteFile(path, []byte(os.Expand(string(text), ts.Getenv)), 0o600))
	}
}

// fields compares the JSON in stdout with a shape of docs/json.md.
func fields(ts *testscript.TestScript, neg bool, args []string) {
	refuse(ts, neg)
	var v any
	if err := json.Unmarshal([]byte(ts.ReadFile("stdout")), &v); err != nil {
		ts.Fatalf("stdout is no JSON: %v", err)
	}
	doc, err := readShapes()
	ts.Check(err)
	if wrong := doc.compare(args[0], v); len(wrong) > 0 {
		ts.Fatalf("not as in docs/json.md:\n%s", strings.Join(wrong, "\n"))
	}
}

// value compares one value of the JSON in stdout with a text, or with a
// prefix where that ends with an asterisk.
func value(ts *testscript.TestScript, neg bool, args []string) {
	got := lookUp(ts, args[0])
	prefix, isPrefix := strings.CutSuffix(args[1], "*")
	if same := got == args[1] || isPrefix && strings.HasPrefix(got, prefix); same == neg {
		ts.Fatalf("%s is %q, want %q", args[0], got, args[1])
	}
}

// note sets a variable to a value of the JSON in stdout.
func note(ts *testscript.TestScript, neg bool, args []string) {
	refuse(ts, neg)
	ts.Setenv(args[1], lookUp(ts, args[0]))
}

// lookUp finds a value in the JSON in stdout; slashes part its path.
func lookUp(ts *testscript.TestScript, path string) string {
	var v any
	if err := json.Unmarshal([]byte(ts.ReadFile("stdout")), &v); err != nil {
		ts.Fatalf("stdout is no JSON: %v", err)
	}
	for part := range strings.SplitSeq(path, "/") {
		switch x := v.(type) {
		case map[string]any:
			v = x[part]
		case []any:
			i, err := strconv.Atoi(part)
			if err != nil || i >= len(x) {
				ts.Fatalf("%s: no element %q", path, part)
			}
			v = x[i]
		default:
			v = nil
		}
	}
	return fmt.Sprint(v)
}

// serveTLS is a small HTTPS server: tls-server ADDRESS CERTIFICATE KEY PIDFILE.
// SIGHUP has it read its files again, as real servers do.
func serveTLS() {
	if err := runTLSServer(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
