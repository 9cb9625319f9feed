package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/faultfs"
	"github.com/certkeep/certkeep/internal/servertest"
)

// buildProgram builds the program as users get it.
func buildProgram(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "certkeep")
	build := exec.Command("go", "build", "-o", path, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the program: %v\n%s", err, out)
	}
	return path
}

// victim is an installation that is killed again and again.
type victim struct {
	*testing.T
	program string
	strace  string
	ca      *acmetest.CA
	dir     string
}

// newVictim makes one with two certificates: files in a folder, which are
// switched by one rename, and files in two folders, which are not. The CA sees
// answers to its challenges by a web server, from files.
func newVictim(t *testing.T, program, strace string, ca *acmetest.CA) *victim {
	t.Helper()
	v := &victim{T: t, program: program, strace: strace, ca: ca, dir: t.TempDir()}
	config := fmt.Sprintf(`state: %[1]s/state
accept_terms: true
issuers: {test: {directory: %[2]q, roots_file: %[1]s/roots.pem}}
defaults: {issuer: [test], path: %[1]s/ssl, renew: {ari: false}}
challenges: [{http-01: {webroot: %[1]s/www}}]
certificates:
  a: {names: [a.test]}
  b:
    names: [b.test]
    files:
      - {path: %[1]s/private/b.pem, content: key}
      - {path: %[1]s/public/b.pem, content: fullchain}
`, v.dir, ca.DirectoryURL())
	err := errors.Join(
		os.Chmod(v.dir, 0o700), // whatever the umask is
		os.WriteFile(filepath.Join(v.dir, "certkeep.yaml"), []byte(config), 0o600),
		os.WriteFile(filepath.Join(v.dir, "roots.pem"), ca.RootPEM(), 0o600),
		os.Mkdir(filepath.Join(v.dir, "www"), 0o700),
	)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", ca.HTTPPort()))
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.FileServer(http.Dir(filepath.Join(v.dir, "www")))}
	go server.Serve(listener)
	t.Cleanup(func() { _ = server.Close() })
	return v
}

// command is the program with the victim's config.
func (v *victim) command(args ...string) *exec.Cmd {
	return exec.Command(v.program, append([]string{"--config", filepath.Join(v.dir, "certkeep.yaml")}, args...)...)
}

// run runs the program, which has to end well, and returns its stdout.
func (v *victim) run(args ...string) string {
	v.Helper()
	cmd := v.command(args...)
	var words strings.Builder
	cmd.Stderr = &words
	out, err := cmd.Output()
	if err != nil {
		v.Fatalf("certkeep %s: %v\n%s\n%s", strings.Join(args, " "), err, out, words.String())
	}
	return string(out)
}

// killed runs the program under strace, which kills it when one of its threads
// begins one of the system calls for the n-th time, and reports whether it was.
func (v *victim) killed(calls string, n int, args ...string) bool {
	v.Helper()
	cmd := v.command(args...)
	cmd.Args = append([]string{
		v.strace, "-f", "-qqq", "--seccomp-bpf", "-o", "/dev/null", "-e", "trace=" + calls,
		"-e", fmt.Sprintf("inject=%s:signal=KILL:when=%d", calls, n),
	}, append([]string{v.program}, cmd.Args[1:]...)...)
	cmd.Path = v.strace
	out, err := cmd.CombinedOutput()
	status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if ok && status.Signaled() && status.Signal() == syscall.SIGKILL {
		return true
	}
	if err != nil {
		v.Fatalf("strace certkeep %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return false
}

// goOn runs the program again, and checks what has to be true whenever and
// however often it was killed: at most need orders were finalised since the
// requests were counted, files fit together, nothing is left behind, and a
// further run changes no byte and asks the CA nothing.
func (v *victim) goOn(need int) {
	v.Helper()
	v.run("apply", "a", "b") // named, since a second kill in a row backs off
	orders := map[string]bool{}
	for _, r := range v.ca.Requests() {
		if r.Kind == acmetest.Finalize {
			orders[r.Path] = true
		}
	}
	if len(orders) > need {
		v.Errorf("%d orders were finalised for %d needs", len(orders), need)
	}
	for _, pair := range [][2]string{{"ssl/a/fullchain.pem", "ssl/a/privkey.pem"}, {"public/b.pem", "private/b.pem"}} {
		if _, err := tls.LoadX509KeyPair(filepath.Join(v.dir, pair[0]), filepath.Join(v.dir, pair[1])); err != nil {
			v.Error(err)
		}
	}
	v.run("status")
	before, asked := v.tree(), v.ca.Count()
	v.run("apply")
	if differ := faultfs.Differ(before, v.tree()); len(differ) > 0 {
		v.Errorf("a further run changed %q", differ)
	}
	if n := v.ca.Count() - asked; n > 0 {
		v.Errorf("a further run asked the CA %d times", n)
	}
}

// tree is all that lies in the victim's folder, but for the note in the lock.
// It fails the test where something is left behind.
func (v *victim) tree() map[string]string {
	v.Helper()
	tree, err := faultfs.Tree(v.dir, func(path string) bool { return path == "state/lock" })
	if err != nil {
		v.Fatal(err)
	}
	for path := range tree {
		if durable.IsTemp(filepath.Base(path)) || strings.HasPrefix(path, "state/journal/") || strings.HasPrefix(path, "www/") && strings.HasPrefix(filepath.Base(path), "acme") {
			v.Errorf("%s is left", path)
		}
	}
	return tree
}

// TestKilledAtAnySystemCall kills the real program within its writes, and
// between them, at a first issue and at a renewal. Where CERTKEEP_SWEEP is
// unset a sample of the system calls is tried.
func TestKilledAtAnySystemCall(t *testing.T) {
	strace := servertest.Find(t, "strace")
	if out, err := exec.Command(strace, "-o", "/dev/null", "true").CombinedOutput(); err != nil {
		t.Skipf("strace cannot trace here: %v: %s", err, out)
	}
	program := buildProgram(t)
	for _, calls := range []struct {
		names       string
		first, step int // of the sample
	}{
		{"renameat", 2, 4},
		{"mkdirat,symlinkat,unlinkat", 1, 4},
		{"fsync", 3, 5},
		{"write", 5, 17},
	} {
		t.Run(calls.names, func(t *testing.T) {
			t.Parallel()
			if os.Getenv("CERTKEEP_SWEEP") == "all" {
				calls.first, calls.step = 1, 1
			}
			ca := acmetest.Start(t, acmetest.Options{})
			for _, life := range []string{"issue", "renewal"} {
				cases := 0
				for n, ended := calls.first, false; !ended; n += calls.step {
					cases++
					t.Run(fmt.Sprintf("%s at %d", life, n), func(t *testing.T) {
						v := newVictim(t, program, strace, ca)
						args := []string{"apply"}
						if life == "renewal" {
							v.run("apply")
							args = []string{"renew", "a", "b"}
						}
						ca.ResetRequests()
						ended = !v.killed(calls.names, n, args...)
						v.goOn(2)
					})
				}
				if cases < 3 && !t.Failed() {
					t.Errorf("%s: only %d cases: nothing was tried", life, cases)
				}
			}
		})
	}
}

