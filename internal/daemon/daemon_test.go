package daemon_test

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/certkeep/certkeep/internal/daemon"
	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/engine"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/store"
)

// The start asks no CA and needs no port: the CA is unreachable and the
// listener's address is taken.
func TestStartNeedsNeitherNetworkNorPort(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = taken.Close() })
	s := newSite(t)
	s.writeText("state: " + s.state + "\nlisten: {http: \"" + taken.Addr().String() + "\", status: \"" + taken.Addr().String() + "\"}\n" +
		"issuers: {dead: {directory: \"https://127.0.0.1:1/dir\"}}\ndefaults: {issuer: [dead]}\ncertificates: {www: {names: [www.example.test], files: []}}\n")
	p := running(t, s.config)
	p.waitLog("event=errored", 1)
	p.signal(syscall.SIGTERM)
	if code := p.waitEnd(); code != 0 {
		t.Errorf("exit code %d after SIGTERM", code)
	}
	if _, err := os.Lstat(filepath.Join(s.state, "control.sock")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket after a clean end: %v", err)
	}
}

func TestSupervisorIsTold(t *testing.T) {
	t.Parallel()
	s, supervisor := newSite(t), newNotifySocket(t)
	p := running(t, s.config, supervisor.env)
	if said := supervisor.next(); said["READY"] != "1" || said["STATUS"] != "Keeping 1 certificate" {
		t.Fatalf("at the start: %v", said)
	}
	var before unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &before); err != nil {
		t.Fatal(err)
	}
	s.write("www", "mail")
	p.signal(syscall.SIGHUP)
	said := supervisor.next()
	at, err := strconv.ParseInt(said["MONOTONIC_USEC"], 10, 64)
	if said["RELOADING"] != "1" || err != nil || at < before.Nano()/1000 {
		t.Fatalf("at the reload: %v", said)
	}
	if said := supervisor.next(); said["READY"] != "1" || said["STATUS"] != "Keeping 2 certificates" {
		t.Fatalf("after the reload: %v", said)
	}
	p.signal(syscall.SIGTERM)
	if said := supervisor.next(); said["STOPPING"] != "1" {
		t.Fatalf("at the end: %v", said)
	}
	if code := p.waitEnd(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestWatchdogHears(t *testing.T) {
	t.Parallel()
	s, supervisor := newSite(t), newNotifySocket(t)
	running(t, s.config, supervisor.env, "WATCHDOG_USEC=20000")
	for supervisor.next()["WATCHDOG"] != "1" {
	}
}

// A config that is refused leaves the old one in force, is logged, and stays
// a problem until a good one comes.
func TestReload(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := running(t, s.config)
	client := s.client()
	good, err := os.ReadFile(s.config)
	if err != nil {
		t.Fatal(err)
	}
	for i, bad := range []string{
		"certificats: {}\n",
		strings.Replace(string(good), s.state, s.state+"2", 1),
		"node: another\n" + string(good),
	} {
		s.writeText(bad)
		p.signal(syscall.SIGHUP)
		p.waitLog("the old one stays in force", i+1)
		eventually(t, "a problem", func() bool {
			problems, err := client.Problems(t.Context())
			return err == nil && len(problems) == 1 && problems[0].Code == "config-refused" && problems[0].Remedy != ""
		})
	}
	if err := client.Reload(t.Context()); err == nil {
		t.Error("a reload over the socket does not say that the config was refused")
	}
	s.write("www", "mail")
	if err := client.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if problems, err := client.Problems(t.Context()); err != nil || len(problems) != 0 {
		t.Errorf("problems after a good reload: %v, %v", problems, err)
	}
	if _, err := client.Ask(t.Context(), daemon.Ask{Kind: plan.AskApply, Names: []string{"mail"}}, func(engine.Progress) {}); err != nil {
		t.Errorf("the new certificate is not known: %v", err)
	}
}

func TestLookNow(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := running(t, s.config)
	p.signal(syscall.SIGALRM)
	p.waitLog("looking now", 1)
	p.signal(syscall.SIGINT)
	if code := p.waitEnd(); code != 0 {
		t.Errorf("exit code %d after SIGINT", code)
	}
}

// A killed daemon leaves the lock free; its socket is no hindrance.
func TestKilled(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := running(t, s.config)
	p.signal(syscall.SIGKILL)
	p.waitEnd()
	if _, err := daemon.Dial(t.Context(), s.state); !errors.Is(err, daemon.ErrNone) {
		t.Errorf("the socket of a killed daemon: %v, want ErrNone", err)
	}
	running(t, s.config)
}

func TestSecondDaemonLeaves(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	first := running(t, s.config)
	second := start(t, s.config)
	if code := second.waitEnd(); code != exitHeld {
		t.Errorf("exit code %d, want %d", code, exitHeld)
	}
	if want := "process " + strconv.Itoa(first.cmd.Process.Pid); !strings.Contains(second.logged(), want) {
		t.Errorf("the holder is not named: %s", second.logged())
	}
}

// A command that holds the state is waited for, also by a daemon's start.
func TestWaitsForACommand(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	held := s.hold()
	p := start(t, s.config)
	p.waitLog("waiting for the state", 1)
	if err := held.Close(); err != nil {
		t.Fatal(err)
	}
	p.waitReady()
}

// A daemon that waits may be told to end: that is no failure.
func TestEndsWhileItWaits(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	held := s.hold()
	defer held.Close()
	p := start(t, s.config)
	p.waitLog("waiting for the state", 1)
	p.signal(syscall.SIGTERM)
	if code := p.waitEnd(); code != 0 {
		t.Errorf("exit code %d after SIGTERM: %s", code, p.logged())
	}
}

// A file that is no socket is somebody's, and is not deleted.
func TestForeignSocketFileStays(t *testing.T) {
	t.Parallel()
	for name, put := range map[string]func(file, path string) error{"a file": os.Rename, "a symlink": os.Symlink} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			if err := s.hold().Close(); err != nil {
				t.Fatal(err)
			}
			file, path := filepath.Join(s.dir, "mine"), filepath.Join(s.state, "control.sock")
			if err := errors.Join(os.WriteFile(file, []byte("mine"), 0o600), put(file, path)); err != nil {
				t.Fatal(err)
			}
			p := start(t, s.config)
			if code := p.waitEnd(); code != 1 || !strings.Contains(p.logged(), "not a socket; move it away") {
				t.Errorf("exit code %d: %s", code, p.logged())
			}
			if text, err := os.ReadFile(path); err != nil || string(text) != "mine" {
				t.Errorf("the file is %q, %v", text, err)
			}
		})
	}
}

// A state folder whose path is longer than a socket's address.
func TestLongPath(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.state = filepath.Join(s.dir, strings.Repeat("long/", 20), "state")
	s.write("www")
	p := running(t, s.config)
	if _, err := s.client().Problems(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.signal(syscall.SIGTERM)
	if code := p.waitEnd(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if _, err := os.Lstat(filepath.Join(s.state, "control.sock")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket stays: %v", err)
	}
}

// A holder without a socket is waited for a minute, and named then.
func TestPatienceEnds(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	held := s.hold()
	defer held.Close()
	cfg := s.load()
	synctest.Test(t, func(t *testing.T) {
		began, told := time.Now(), 0
		_, _, err := daemon.Hold(t.Context(), cfg, durable.OS{}, func(*store.HeldError) { told++ })
		e, ok := errors.AsType[*store.HeldError](err)
		if !ok || e.PID != os.Getpid() || e.Command == "" {
			t.Errorf("error %v, want one that names this process", err)
		}
		if took := time.Since(began); took != time.Minute || told != 1 {
			t.Errorf("took %s, told %d times", took, told)
		}
	})
}
