package contrib

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/certkeep/certkeep/internal/servertest"
)

// under starts a supervisor of s6 or runit.
func (h *house) under(t *testing.T, program string, args ...string) {
	t.Helper()
	cmd := exec.Command(servertest.Find(t, program), args...)
	cmd.Env = h.environ()
	h.supervisor = servertest.StartCommand(t, syscall.SIGTERM, cmd)
}

// s6 is how s6 is told things about a service folder.
func (h *house) s6(t *testing.T, service string) manager {
	do := func(args ...string) func() { return func() { t.Helper(); h.run(t, append(args, service)...) } }
	return manager{
		ready:  do("s6-svwait", "-U", "-t", "20000"),
		reload: do("s6-svc", "-h"), look: do("s6-svc", "-a"),
		crash: do("s6-svc", "-wR", "-T", "20000", "-k"),
		down:  do("s6-svc", "-wD", "-T", "20000", "-d"),
		up:    do("s6-svc", "-u"),
		pid:   func() string { return strings.TrimSpace(h.run(t, "s6-svstat", "-o", "pid", service)) },
		isDown: func() error {
			if out := h.run(t, "s6-svstat", "-o", "up,wantedup,exitcode", service); out != "false false 3\n" {
				return errors.New(out)
			}
			return nil
		},
	}
}

// TestS6 has s6-svscan supervise the folder: readiness, signals, a crash, the
// end, and an invalid configuration, which s6 does not try again.
func TestS6(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	scan := filepath.Join(h.dir, "scan")
	h.install(t, "s6/certkeep", scan+"/certkeep")
	h.under(t, "s6-svscan", scan)
	h.awaits(t, scan+"/certkeep/supervise/control")
	h.lives(t, h.s6(t, scan+"/certkeep"))
}

// awaits waits for a file of a supervisor.
func (h *house) awaits(t *testing.T, path string) {
	t.Helper()
	h.supervisor.Ready(t, "", func(context.Context) error { _, err := os.Stat(path); return err })
}

// awaitsRunsv waits until sv finds whom it talks to: runsv makes one file after
// the other for that.
func (h *house) awaitsRunsv(t *testing.T, service string) {
	t.Helper()
	sv := servertest.Find(t, "sv")
	h.supervisor.Ready(t, "", func(ctx context.Context) error { return exec.CommandContext(ctx, sv, "status", service).Run() })
}

// TestS6RC runs the source folders of s6-rc as s6-rc has s6 do it: the service
// with its logger behind it, and the oneshot by execlineb. s6-rc itself, which
// Debian does not have, compiles them where it is installed.
func TestS6RC(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	source := filepath.Join(h.dir, "source")
	h.install(t, "s6-rc", source)
	for file, want := range map[string]string{
		"certkeep/type": "longrun", "certkeep/producer-for": "certkeep-log", "certkeep/notification-fd": "3",
		"certkeep-log/type": "longrun", "certkeep-log/consumer-for": "certkeep", "certkeep-log/pipeline-name": "certkeep-pipeline",
		"certkeep-finished-www/type": "oneshot", "certkeep-finished-www/dependencies.d/certkeep": "",
	} {
		if got := strings.TrimSpace(read(t, filepath.Join(source, file))); got != want {
			t.Errorf("%s: %q, not %q", file, got, want)
		}
	}
	for _, file := range []string{"run", "finish", "notification-fd", "timeout-kill"} {
		if s6, rc := commands(read(t, "s6/certkeep/"+file)), commands(read(t, "s6-rc/certkeep/"+file)); s6 != rc {
			t.Errorf("%s: under s6\n%sand under s6-rc\n%s", file, s6, rc)
		}
	}
	if err := os.RemoveAll(filepath.Join(source, "env")); err != nil {
		t.Fatal(err)
	}
	if compiler, err := exec.LookPath("s6-rc-compile"); err == nil {
		h.run(t, compiler, h.dir+"/compiled", source)
	}
	scan := filepath.Join(h.dir, "scan")
	h.install(t, "s6-rc/certkeep", scan+"/certkeep")
	h.install(t, "s6-rc/certkeep-log", scan+"/certkeep/log")
	h.under(t, "s6-svscan", scan)
	h.awaits(t, scan+"/certkeep/supervise/control")
	m := h.s6(t, scan+"/certkeep")
	m.ready()
	if out := h.run(t, "execlineb", "-P", source+"/certkeep-finished-www/up"); !strings.HasPrefix(out, "www  ") {
		t.Errorf("the oneshot said %q", out)
	}
	m.down()
	h.logs(t, "msg=ended", 1)
}

// commands is a script without its comments.
func commands(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "# ") {
			b.WriteString(line)
		}
	}
	return b.String()
}

// TestRunit has runsv supervise the folder.
func TestRunit(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	service := filepath.Join(h.dir, "service", "certkeep")
	h.install(t, "runit/certkeep", service)
	h.under(t, "runsv", service)
	h.awaitsRunsv(t, service)
	do := func(args ...string) func() {
		return func() { t.Helper(); h.run(t, append(append([]string{"sv"}, args...), service)...) }
	}
	h.lives(t, manager{
		ready: do("-w", "20", "start"), reload: do("hup"), look: do("alarm"), crash: do("kill"), down: do("-w", "20", "down"), up: do("up"),
		pid: func() string {
			_, rest, _ := strings.Cut(h.run(t, "sv", "status", service), "(pid ")
			pid, _, _ := strings.Cut(rest, ")")
			return pid
		},
		isDown: func() error {
			out, err := h.try(t, "sv", "status", service)
			if err != nil || !strings.HasPrefix(out, "down: ") || strings.Contains(out, "want up") {
				return fmt.Errorf("%s (%v)", out, err)
			}
			return nil
		},
	})
}
