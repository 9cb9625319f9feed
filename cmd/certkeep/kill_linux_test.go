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
	"sync/atomic"
	"testing"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/faultfs"
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

// scene is what is around installations that are killed, one after the other:
// a CA, and the web server at which it looks for answers to its challenges.
type scene struct {
	*acmetest.CA
	root atomic.Pointer[string] // the folder that the web server shows
}

// newScene starts one. The port is held from the beginning, so that nobody
// takes it between two installations.
func newScene(t *testing.T) *scene {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &scene{}
	server := &http.Server{Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		http.FileServer(http.Dir(*w.root.Load())).ServeHTTP(rw, r)
	})}
	go server.Serve(listener)
	t.Cleanup(func() { _ = server.Close() })
	w.CA = acmetest.Start(t, acmetest.Options{HTTPPort: listener.Addr().(*net.TCPAddr).Port})
	return w
}

// victim is an installation whose program is killed.
type victim struct {
	*testing.T
	program string
	ca      *acmetest.CA
	dir     string
}

// newVictim makes one in a folder of its own.
func newVictim(t *testing.T, program string, w *scene) *victim {
	t.Helper()
	return newVictimIn(t, program, w, t.TempDir())
}

// newVictimIn makes one with two certificates: files in a folder, which are
// switched by one rename, and files in two folders, which are not, with a
// service and a hook. The answers to challenges are files of the web server.
func newVictimIn(t *testing.T, program string, w *scene, dir string) *victim {
	t.Helper()
	v := &victim{T: t, program: program, ca: w.CA, dir: dir}
	config := fmt.Sprintf(`state: %[1]s/state
accept_terms: true
listen: {status: false}
issuers: {test: {directory: %[2]q, roots_file: "%[1]s/roots.pem"}}
defaults: {issuer: [test], path: "%[1]s/ssl", renew: {ari: false}}
challenges: [{http-01: {webroot: "%[1]s/www"}}]
services: {web: {reload: "%[1]s/reload"}}
hooks: {installed: {command: "%[1]s/hook"}}
certificates:
  a: {names: [a.test]}
  b:
    names: [b.test]
    services: [web]
    files:
      - {path: "%[1]s/private/b.pem", content: key}
      - {path: "%[1]s/public/b.pem", content: fullchain}
`, v.dir, w.DirectoryURL())
	err := errors.Join(
		os.Chmod(v.dir, 0o700), // whatever the umask is
		os.Mkdir(filepath.Join(v.dir, "www"), 0o700),
		os.WriteFile(filepath.Join(v.dir, "certkeep.yaml"), []byte(config), 0o600),
		os.WriteFile(filepath.Join(v.dir, "roots.pem"), w.RootPEM(), 0o600),
		os.WriteFile(filepath.Join(v.dir, "reload"), fmt.Appendf(nil, "#!/bin/sh\ncat %[1]s/private/b.pem %[1]s/public/b.pem > %[1]s/read.new && mv %[1]s/read.new %[1]s/read\n", v.dir), 0o700),
		os.WriteFile(filepath.Join(v.dir, "hook"), fmt.Appendf(nil, "#!/bin/sh\necho $CERTKEEP_VERSION > %s/told.$CERTKEEP_CERTIFICATE\n", v.dir), 0o700),
	)
	if err != nil {
		t.Fatal(err)
	}
	root := v.at("www")
	w.root.Store(&root)
	return v
}

// at is a path in the victim's folder.
func (v *victim) at(name string) string { return filepath.Join(v.dir, name) }

// args are the program's arguments, with the victim's config.
func (v *victim) args(args ...string) []string {
	return append([]string{"--config", v.at("certkeep.yaml")}, args...)
}

// run runs the program, which has to end well.
func (v *victim) run(args ...string) {
	v.Helper()
	if out, err := exec.Command(v.program, v.args(args...)...).CombinedOutput(); err != nil {
		v.Fatalf("certkeep %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// traced runs the program and tampers with it. It returns what it printed too.
func (v *victim) traced(what tampering, args ...string) (traced, string) {
	v.Helper()
	out, err := os.Create(filepath.Join(v.TempDir(), "output"))
	if err != nil {
		v.Fatal(err)
	}
	defer out.Close()
	r, err := trace(v.program, v.args(args...), out, what)
	if err != nil {
		v.Fatal(err)
	}
	words, err := os.ReadFile(out.Name())
	if err != nil {
		v.Fatal(err)
	}
	return r, string(words)
}

// killed runs the program, which is killed at its n-th change, or ends well.
func (v *victim) killed(n int, args ...string) bool {
	v.Helper()
	r, words := v.traced(tampering{at: n}, args...)
	if !r.killed && r.status.ExitStatus() != 0 {
		v.Fatalf("certkeep %s: exit status %d\n%s", strings.Join(args, " "), r.status.ExitStatus(), words)
	}
	return r.killed
}

// goOn runs the program again, for the certificates that a person names where
// a failure is to be forgiven, and checks what has to be true whenever it was
// killed: at most need orders were finalised since the requests were counted,
// files fit together, service and hook have heard of them, nothing is left
// behind, and a further run changes no byte and asks the CA nothing.
func (v *victim) goOn(need int, names ...string) {
	v.Helper()
	v.run(append([]string{"apply"}, names...)...)
	if n := len(finalizedAt(v.ca)); n > need {
		v.Errorf("%d orders were finalised for %d needs", n, need)
	}
	v.fits([2]string{"read", "read"})
	if read, public := v.read("read"), v.read("public/b.pem"); !strings.HasSuffix(read, public) {
		v.Error("the service has read another certificate than the one that is installed")
	}
	for _, name := range []string{"a", "b"} {
		if told := strings.TrimSpace(v.read("told." + name)); !strings.Contains(v.read("state/records/groups/"+name+".json"), `"published":"`+told+`"`) {
			v.Errorf("the hook was told of version %q of %s last, which is not published", told, name)
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

// fits checks that the installed files fit together, and those of further pairs.
func (v *victim) fits(further ...[2]string) {
	v.Helper()
	for _, pair := range append(further, [2]string{"ssl/a/fullchain.pem", "ssl/a/privkey.pem"}, [2]string{"public/b.pem", "private/b.pem"}) {
		if _, err := tls.LoadX509KeyPair(v.at(pair[0]), v.at(pair[1])); err != nil {
			v.Error(err)
		}
	}
}

// fitsInFolder checks what no reader may ever see in a folder that is
// switched by one rename.
func (v *victim) fitsInFolder() {
	v.Helper()
	if _, err := tls.LoadX509KeyPair(v.at("ssl/a/fullchain.pem"), v.at("ssl/a/privkey.pem")); err != nil {
		v.Error(err)
	}
}

// read is the text of a file in the victim's folder.
func (v *victim) read(name string) string {
	v.Helper()
	text, err := os.ReadFile(v.at(name))
	if err != nil {
		v.Error(err)
	}
	return string(text)
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
		if durable.IsTemp(filepath.Base(path)) || strings.HasPrefix(path, "state/journal/") || strings.HasPrefix(path, "www/.well-known/acme-challenge/") {
			v.Errorf("%s is left", path)
		}
	}
	return tree
}

// finalizedAt are the orders that the CA was asked to finalise.
func finalizedAt(ca *acmetest.CA) map[string]bool {
	orders := map[string]bool{}
	for _, r := range ca.Requests() {
		if r.Kind == acmetest.Finalize {
			orders[r.Path] = true
		}
	}
	return orders
}

// TestKilledAtAnySystemCall kills the real program at one change of files, or
// one message to others, after the other, at a first issue and at a renewal.
// Where CERTKEEP_SWEEP is unset a sample is tried.
func TestKilledAtAnySystemCall(t *testing.T) {
	needTracing(t)
	program := buildProgram(t)
	const lanes = 4
	every := 20 * lanes
	if os.Getenv("CERTKEEP_SWEEP") == "all" {
		every = lanes
	}
	for lane := range lanes {
		t.Run(fmt.Sprintf("lane %d", lane+1), func(t *testing.T) {
			t.Parallel()
			w := newScene(t)
			first := 1 + lane*every/lanes
			for _, life := range []string{"issue", "renewal"} {
				eachChange(t, life, first, every, func(t *testing.T, n int) bool {
					v := newVictim(t, program, w)
					args := []string{"apply"}
					if life == "renewal" {
						v.run("apply")
						args = []string{"renew", "a", "b"}
					}
					w.ResetRequests()
					killed := v.killed(n, args...)
					v.goOn(2)
					return killed
				})
			}
		})
	}
}

// eachChange lives again and again, hit at one change of files after the other,
// until a life has no such change any more.
func eachChange(t *testing.T, life string, first, every int, live func(t *testing.T, n int) (hit bool)) {
	t.Helper()
	for n := first; ; n += every {
		var hit, skipped bool
		t.Run(fmt.Sprintf("%s at %d", life, n), func(t *testing.T) {
			defer func() { skipped = t.Skipped() }()
			hit = live(t, n)
		})
		if hit && !t.Failed() {
			continue
		}
		if !hit && n == first && !skipped && !t.Failed() {
			t.Errorf("%s: nothing was hit even at change %d", life, n)
		}
		return
	}
}
