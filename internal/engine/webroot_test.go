package engine

import (
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/plan"
)

// webroot is a folder that a web server shows to the CA.
func (f *fixture) webroot() string {
	f.Helper()
	root := filepath.Join(f.dir, "www")
	if err := os.Mkdir(root, 0o700); err != nil {
		f.Fatal(err)
	}
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", f.ca.HTTPPort()))
	if err != nil {
		f.Fatal(err)
	}
	server := &http.Server{Handler: http.FileServer(http.Dir(root))}
	go server.Serve(listener)
	f.Cleanup(func() { server.Close() })
	return root
}

// stickyDisk removes nothing below a folder while it sticks.
type stickyDisk struct {
	durable.Disk
	below  string
	sticks *atomic.Bool
}

func (d stickyDisk) Remove(path string) error {
	if d.sticks.Load() && strings.HasPrefix(path, d.below+"/") {
		return &fs.PathError{Op: "remove", Path: path, Err: syscall.EBUSY}
	}
	return d.Disk.Remove(path)
}

// TestAnswerLeftBehind: an answer that could not be taken away is remembered,
// told of, and taken away later.
func TestAnswerLeftBehind(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	root := f.webroot()
	var sticks atomic.Bool
	sticks.Store(true)
	f.disk = stickyDisk{Disk: durable.OS{}, below: root, sticks: &sticks}
	f.reopen()
	f.configure(fmt.Sprintf("challenges: [{http-01: {webroot: %s}}]\ncertificates: {a.test: {}}\n", root))
	if _, err := f.Apply(t.Context(), nil, Only{}); err != nil {
		t.Fatal(err)
	}
	f.checkServed("a.test")
	k := f.known("a.test")
	if len(k.Presented) != 1 || k.Presented[0].Name != "a.test" || k.CleanUp.Count != 1 {
		t.Errorf("presented %+v, clean-up %+v", k.Presented, k.CleanUp)
	}
	world, err := f.World(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	problems := plan.CertProblems(time.Now(), world, world.Wanted.Certs[0])
	if len(problems) != 1 || problems[0].Code != plan.CodeLeftBehind {
		t.Errorf("problems: %+v", problems)
	}
	sticks.Store(false)
	if err := f.Ask(t.Context(), plan.AskApply, []string{"a.test"}, ""); err != nil {
		t.Fatal(err)
	}
	f.apply()
	if left, err := os.ReadDir(root); err != nil || len(left) != 0 {
		t.Errorf("left: %v, %v", left, err)
	}
	if k := f.known("a.test"); k.Presented != nil || k.CleanUp.Count != 0 {
		t.Errorf("presented %+v, clean-up %+v", k.Presented, k.CleanUp)
	}
}

// TestCleanUpHookFails: an answer that is gone is not looked for again because
// a hook was not pleased.
func TestCleanUpHookFails(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	root := f.webroot()
	var sticks atomic.Bool
	sticks.Store(true)
	f.disk = stickyDisk{Disk: durable.OS{}, below: root, sticks: &sticks}
	f.reopen()
	f.configure(fmt.Sprintf("hooks: {challenge-cleanup: {command: %s}}\nchallenges: [{http-01: {webroot: %s}}]\ncertificates: {a.test: {}}\n", f.script("hook", "exit 1\n"), root))
	if _, err := f.Apply(t.Context(), nil, Only{}); err != nil {
		t.Fatal(err)
	}
	if len(f.known("a.test").Presented) != 1 {
		t.Fatal("nothing was left behind")
	}
	sticks.Store(false)
	f.askApply("a.test")
	f.apply()
	if k := f.known("a.test"); k.Presented != nil {
		t.Errorf("remembered: %+v", k.Presented)
	}
}

// TestPresentedAgain: an answer that was taken away and made again is there.
func TestPresentedAgain(t *testing.T) {
	t.Parallel()
	var gone taken
	p := plan.Presented{Type: "dns-01", Name: "a.test", Token: "t"}
	gone.add(p)
	p.At = time.Now()
	if !gone.has(p) {
		t.Error("taken away, and not gone")
	}
	p.At = time.Time{}
	gone.back(p)
	if gone.has(p) || len(gone.list()) != 0 {
		t.Error("made again, and gone")
	}
}

// TestWebrootOfMany has many certificates prove their names at once by files
// of one web server. All get there, and nothing is left in its folder.
func TestWebrootOfMany(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	root := f.webroot()
	var b strings.Builder
	fmt.Fprintf(&b, "challenges: [{http-01: {webroot: %s}}]\ncertificates:\n", root)
	for _, c := range "abcdefghijklmnop" {
		fmt.Fprintf(&b, "  %c.test: {names: [%[1]c.test, www.%[1]c.test]}\n", c)
	}
	f.configure(b.String())
	f.apply()
	for _, c := range "abcdefghijklmnop" {
		f.checkServed(string(c) + ".test")
		if k := f.known(string(c) + ".test"); k.Presented != nil {
			t.Errorf("remembered: %+v", k.Presented)
		}
	}
	if left, err := os.ReadDir(root); err != nil || len(left) != 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}
