package contrib

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/servertest"
)

// house is a place where a supervisor keeps Certkeep: a folder with the
// program, a config for a CA, and the log that the supervisor's logger writes.
type house struct {
	dir        string
	config     string
	http       string // the address where the CA looks
	supervisor *servertest.Process
}

func newHouse(t *testing.T) *house {
	t.Helper()
	ca := acmetest.Start(t, acmetest.Options{})
	h := &house{dir: t.TempDir(), http: fmt.Sprintf("127.0.0.1:%d", ca.HTTPPort())}
	h.config = filepath.Join(h.dir, "certkeep.yaml")
	program(t, filepath.Join(h.dir, "bin"))
	write(t, h.dir+"/roots.pem", string(ca.RootPEM()))
	write(t, h.config, fmt.Sprintf(`
state: %[1]s/state
accept_terms: true
listen: {http: "%s", status: false}
issuers: {test: {directory: "%s", roots_file: %[1]s/roots.pem}}
defaults: {issuer: [test], path: %[1]s/ssl}
certificates: {www: {names: [www.example.test]}}
`, h.dir, h.http, ca.DirectoryURL()))
	return h
}

// environ is what a supervisor is started with.
func (h *house) environ() []string {
	return []string{"PATH=" + h.dir + "/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"}
}

// logFile is what Certkeep wrote, by way of the supervisor's logger.
func (h *house) logFile() string { return filepath.Join(h.dir, "log", "current") }

// install copies a service folder to where its supervisor has it, with a log
// of its own, and the config in its environment.
func (h *house) install(t *testing.T, from, to string) {
	t.Helper()
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		target := filepath.Join(to, strings.TrimPrefix(path, from))
		write(t, target, strings.ReplaceAll(read(t, path), "/var/log/certkeep", h.dir+"/log"))
		if ran := strings.HasPrefix(read(t, path), "#!"); ran != (info.Mode()&0o111 == 0o111) {
			t.Errorf("%s can be run: %v", path, info.Mode())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(to, "env", "CERTKEEP_CONFIG"), h.config+"\n")
}

// run carries out a command of a supervisor, or Certkeep's own.
func (h *house) run(t *testing.T, args ...string) string {
	t.Helper()
	out, err := h.try(t, args...)
	if err != nil {
		t.Fatalf("%q: %v\n%s%s", args, err, out, h.log())
	}
	return out
}

func (h *house) try(t *testing.T, args ...string) (string, error) {
	t.Helper()
	name := args[0]
	if name == "certkeep" {
		name = filepath.Join(h.dir, "bin", name)
	}
	cmd := exec.CommandContext(t.Context(), servertest.Find(t, name), args[1:]...)
	cmd.Env = append(h.environ(), "CERTKEEP_CONFIG="+h.config)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// log is what Certkeep logged so far; there is none at first.
func (h *house) log() string {
	text, err := os.ReadFile(h.logFile())
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// logs waits until Certkeep has logged some words so many times.
func (h *house) logs(t *testing.T, words string, times int) {
	t.Helper()
	h.supervisor.Ready(t, h.logFile(), func(context.Context) error {
		if n := strings.Count(h.log(), words); n != times {
			return fmt.Errorf("%q was logged %d times, not %d", words, n, times)
		}
		return nil
	})
}

// pid is the process that holds the state, or 0.
func (h *house) pid(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile(h.dir + "/state/lock")
	if errors.Is(err, fs.ErrNotExist) {
		return 0
	}
	var note struct{ PID int }
	if err := errors.Join(err, json.Unmarshal(text, &note)); err != nil {
		t.Fatal(err)
	}
	return note.PID
}

// manager is how one supervisor is told things. Each returns when it is done.
type manager struct {
	ready, reload, look, crash, down, up func()
	pid                                  func() string // of the process that it started
	isDown                               func() error  // nil once it is down and stays there
}

// lives has Certkeep live through all that a supervisor does to it. It is
// starting.
func (h *house) lives(t *testing.T, m manager) {
	t.Helper()
	m.ready()
	if out := h.run(t, "certkeep", "apply"); !strings.Contains(out, "a daemon holds the state") {
		t.Errorf("apply was not handed over: %s", out)
	}
	h.run(t, "certkeep", "status", "--wait", "20s", "www")
	if got := m.pid(); got != fmt.Sprint(h.pid(t)) {
		t.Errorf("process %q is supervised, %d holds the state", got, h.pid(t))
	}
	m.reload()
	h.logs(t, "the config was taken over", 2) // the first time as `apply` asked
	m.look()
	h.logs(t, "looking now", 1)

	before := h.pid(t)
	m.crash()
	m.ready()
	h.logs(t, "msg=running", 2)
	if h.pid(t) == before {
		t.Error("the same process runs after a crash")
	}
	began := time.Now()
	m.down()
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("the end took %v", took)
	}
	h.logs(t, "msg=ended", 1)

	good := read(t, h.config)
	write(t, h.config, "certificats: {}\n")
	m.up()
	h.logs(t, "unknown key", 1)
	h.supervisor.Ready(t, h.logFile(), func(context.Context) error { return m.isDown() })
	h.logs(t, "unknown key", 1) // it was not started again
	write(t, h.config, good)
	m.up()
	m.ready()
	h.logs(t, "msg=running", 3)
}
