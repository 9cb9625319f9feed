package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/certkeep/certkeep/internal/faultfs"
)

// aided is an installation of a user who is not root, with a helper, which is
// killed.
type aided struct {
	*victim
	uid, gid uint32 // of the user
}

// newAided makes one with three certificates: files in a folder of a group, which
// are switched by one rename and verified by a handshake; files of somebody else
// in two folders, and for a group that may write them, with a service; and one file
// with all in it, which the user has, too.
func newAided(t *testing.T, program string, w *scene) *aided {
	t.Helper()
	a := &aided{victim: newVictim(t, program, w)}
	nobody, err := user.Lookup("nobody")
	if err != nil {
		t.Fatal(err)
	}
	uid, _ := strconv.ParseUint(nobody.Uid, 10, 32)
	gid, _ := strconv.ParseUint(nobody.Gid, 10, 32)
	a.uid, a.gid = uint32(uid), uint32(gid)
	config := fmt.Sprintf(`state: %[1]s/state
accept_terms: true
listen: {status: false}
helper: {user: nobody, socket: %[1]s/run/socket, state: %[1]s/helper}
issuers: {test: {directory: %[2]q, roots_file: "%[1]s/roots.pem"}}
defaults: {issuer: [test], path: "%[1]s/ssl", renew: {ari: false}}
challenges: [{http-01: {webroot: "%[1]s/www"}}]
services: {web: {check: /bin/true, reload: "%[1]s/reload", verify: []}}
certificates:
  a: {names: [a.test], group: daemon, verify: [%[3]d]}
  b:
    names: [b.test]
    services: [web]
    files:
      - {path: "%[1]s/private/b.pem", content: key, owner: daemon, mode: "0600"}
      - {path: "%[1]s/public/b.pem", content: fullchain}
      - {path: "%[1]s/shared/b.pem", content: [key, fullchain], group: daemon, mode: "0660"}
  c: {names: [c.test], files: [{path: "%[1]s/c.pem", content: [key, fullchain]}, {path: "%[1]s/own/c.pem", content: [key, fullchain], owner: nobody, mode: "0600"}]}
`, a.dir, w.DirectoryURL(), a.serve())
	if err := errors.Join(
		os.WriteFile(a.at("certkeep.yaml"), []byte(config), 0o644),
		os.Chmod(a.at("certkeep.yaml"), 0o644), os.Chmod(a.at("roots.pem"), 0o644), // whatever the umask is
		os.Chmod(filepath.Dir(a.dir), 0o755), os.Chmod(a.dir, 0o755),
		os.Mkdir(a.at("state"), 0o700), os.Lchown(a.at("state"), int(uid), int(gid)), os.Lchown(a.at("www"), int(uid), int(gid)),
	); err != nil {
		t.Fatal(err)
	}
	return a
}

// serve presents the certificate in the folder, as it is at each handshake.
func (a *aided) serve() (port int) {
	a.Helper()
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		pair, err := tls.LoadX509KeyPair(a.at("ssl/a/fullchain.pem"), a.at("ssl/a/privkey.pem"))
		return &pair, err
	}})
	if err != nil {
		a.Fatal(err)
	}
	a.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_ = conn.(*tls.Conn).Handshake() // the client tells what it saw
			}()
		}
	}()
	return listener.Addr().(*net.TCPAddr).Port
}

// as runs a command of the user.
func (a *aided) as(args ...string) (string, error) {
	a.Helper()
	cmd := exec.Command(a.program, a.args(args...)...)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: a.uid, Gid: a.gid}}
	out, err := cmd.CombinedOutput()
	if _, ended := errors.AsType[*exec.ExitError](err); err != nil && !ended {
		a.Fatal(err)
	}
	return string(out), err
}

// does runs a command of the user, which has to end well.
func (a *aided) does(args ...string) string {
	a.Helper()
	out, err := a.as(args...)
	if err != nil {
		a.Fatalf("certkeep %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// helped does something while a helper runs that nobody kills.
func (a *aided) helped(do func()) {
	a.Helper()
	from, to, err := os.Pipe()
	if err != nil {
		a.Fatal(err)
	}
	defer from.Close()
	helper := a.start([]string{"helper", "--ready-fd", "3"}, to)
	if err := to.Close(); err != nil {
		a.Fatal(err)
	}
	if line, err := io.ReadAll(from); string(line) != "\n" || err != nil {
		a.Fatalf("the helper is not ready: %q, %v\n%s", line, err, helper.words.String())
	}
	do()
	if err := helper.Process.Signal(syscall.SIGTERM); err != nil {
		a.Fatal(err)
	}
	helper.ends(a.T, 0)
}

// killed runs a command of the user beside a helper that is killed at its n-th
// change of files, or answer. It reports whether that came to pass.
func (a *aided) killed(n int, args ...string) bool {
	a.Helper()
	from, to, err := os.Pipe()
	if err != nil {
		a.Fatal(err)
	}
	defer from.Close()
	disk := badDisk(a.dir)
	what := tampering{at: n, kill: true, files: []*os.File{to}, refusal: func(c systemCall) syscall.Errno {
		if strings.HasPrefix(c.path(), "socket:") {
			return syscall.EIO
		}
		return disk(c)
	}}
	pid := make(chan int, 1)
	what.started = func(p int) { pid <- p }
	var helper traced
	var words string
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer to.Close() // so that nobody waits for who is dead
		helper, words = a.traced(what, "helper", "--ready-fd", "3")
	}()
	if n, err := from.Read(make([]byte, 1)); n == 0 && !errors.Is(err, io.EOF) {
		a.Fatal(err)
	}
	out, err := a.as(args...) // also where nobody answers
	select {
	case <-ended: // its number may be somebody else's now
	default:
		_ = syscall.Kill(<-pid, syscall.SIGTERM)
	}
	<-ended
	if !helper.killed && helper.status.ExitStatus() != 0 {
		a.Fatalf("the helper: exit status %d\n%s", helper.status.ExitStatus(), words)
	}
	if err != nil && !helper.killed {
		a.Fatalf("certkeep %s: %v\n%s\nthe helper: %s", strings.Join(args, " "), err, out, words)
	}
	a.Logf("of %d changes it was killed at: %s", helper.calls, strings.TrimPrefix(helper.tampered, a.dir))
	return helper.killed
}

// pairs are all installed certificates, each with its key.
func pairs() [][2]string {
	return [][2]string{{"ssl/a/fullchain.pem", "ssl/a/privkey.pem"}, {"c.pem", "c.pem"}, {"own/c.pem", "own/c.pem"}, {"shared/b.pem", "shared/b.pem"}, {"public/b.pem", "private/b.pem"}}
}

// served checks that no reader finds a key which does not fit its certificate: of
// those whole files that are switched by one rename whenever the helper is killed,
// of all where it has begun again. One of both is no pair: so it is before they are
// installed, and while they are taken away.
func (a *aided) served(whenever bool) {
	a.Helper()
	for _, pair := range pairs() {
		if whenever && pair[0] != pair[1] && filepath.Dir(pair[0]) != filepath.Dir(pair[1]) {
			continue
		}
		if !there(a.at(pair[0])) || !there(a.at(pair[1])) {
			continue
		}
		if _, err := tls.LoadX509KeyPair(a.at(pair[0]), a.at(pair[1])); err != nil {
			a.Errorf("%q: %v", pair, err)
		}
	}
}

// goesOn starts the helper again, and checks what has to be true whenever it was
// killed.
func (a *aided) goesOn() {
	a.Helper()
	a.served(true)
	a.helped(func() {
		a.served(false)
		a.does("apply", "a", "b", "c")
		if n := len(finalizedAt(a.ca)); n > 3 {
			a.Errorf("%d orders were finalised for 3 needs", n)
		}
		for _, pair := range pairs() {
			if _, err := tls.LoadX509KeyPair(a.at(pair[0]), a.at(pair[1])); err != nil {
				a.Error(err)
			}
		}
		if read, public := a.read("read"), a.read("public/b.pem"); !strings.HasSuffix(read, public) {
			a.Error("the service has read another certificate than the one that is installed")
		}
		a.owned(map[string]string{
			"ssl/a/privkey.pem": "root:daemon 640", "ssl/a/fullchain.pem": "root:daemon 644", "private/b.pem": "daemon:root 600",
			"public/b.pem": "root:root 644", "shared/b.pem": "root:daemon 660", "c.pem": "root:root 600", "own/c.pem": "nobody:root 600",
			"private": "daemon:root 700", "shared": "root:daemon 750", "own": "root:root 755", "helper": "root:root 700",
		})
		if verified := a.does("status", "a"); !strings.Contains(verified, "verified") {
			a.Errorf("it is not verified:\n%s", verified)
		}
		a.rests()
	})
}

// owned compares owners and modes.
func (a *aided) owned(want map[string]string) {
	a.Helper()
	for name, want := range want {
		if out, err := exec.Command("stat", "-L", "-c", "%U:%G %a", a.at(name)).CombinedOutput(); strings.TrimSpace(string(out)) != want || err != nil {
			a.Errorf("%s: %s%v, want %s", name, out, err, want)
		}
	}
}

// rests checks that nothing is left behind, and that a further run changes nothing.
func (a *aided) rests() {
	a.Helper()
	before, asked := a.tree(), a.ca.Count()
	a.does("apply")
	if differ := faultfs.Differ(before, a.tree()); len(differ) > 0 {
		a.Errorf("a further run changed %q", differ)
	}
	if n := a.ca.Count() - asked; n > 0 {
		a.Errorf("a further run asked the CA %d times", n)
	}
}

// TestHelperIsKilled kills the helper at one change of files, or answer, after the
// other, at a first issue, at a renewal and while files are taken away,
// which others follow. Where
// CERTKEEP_SWEEP is unset a sample is tried.
func TestHelperIsKilled(t *testing.T) {
	needTracing(t)
	if os.Geteuid() != 0 {
		t.Skip("needs root to act as another user")
	}
	program := buildProgram(t)
	if err := os.Chmod(program, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Dir(program), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Dir(filepath.Dir(program)), 0o755); err != nil {
		t.Fatal(err)
	}
	const lanes = 2
	every := 20 * lanes
	if os.Getenv("CERTKEEP_SWEEP") == "all" {
		every = lanes
	}
	for lane := range lanes {
		t.Run(fmt.Sprintf("lane %d", lane+1), func(t *testing.T) {
			t.Parallel()
			w := newScene(t)
			first := 1 + lane*every/lanes
			for _, life := range []string{"issue", "renewal", "withdrawal"} {
				eachChange(t, life, first, every, func(t *testing.T, n int) bool {
					return newAided(t, program, w).livesKilled(life, n)
				})
			}
		})
	}
}

// livesKilled has the helper killed in a life, and reports whether that came to pass.
func (a *aided) livesKilled(life string, n int) bool {
	a.Helper()
	args := []string{"apply"}
	if life != "issue" {
		a.helped(func() { a.does("apply") })
		args = []string{"renew", "a", "b", "c"}
	}
	if life == "withdrawal" {
		args = []string{"revoke", "--withdraw", "--yes", "a", "b", "c"}
	}
	var before []string
	for _, pair := range pairs() {
		if life != "issue" {
			before = append(before, a.read(pair[0]))
		}
	}
	a.ca.ResetRequests()
	killed := a.killed(n, args...)
	a.goesOn()
	for i, text := range before {
		if name := pairs()[i][0]; a.read(name) == text {
			a.Errorf("%s is still the old one", name)
		}
	}
	return killed
}
