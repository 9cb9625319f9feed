package daemon_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/daemon"
	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/store"
)

// soon is how long anything here may take before a test gives up.
const soon = 20 * time.Second

// exitHeld is the code of a child that found the state held.
const exitHeld = 6

// TestMain lets the test binary be the daemon as well: signals, readiness and
// a kill need a process of their own.
func TestMain(m *testing.M) {
	if path := os.Getenv("DAEMON_TEST_CONFIG"); path != "" {
		os.Exit(child(path))
	}
	if path := os.Getenv("DAEMON_TEST_STRANGER"); path != "" {
		os.Exit(stranger(path))
	}
	os.Exit(m.Run())
}

// stranger asks for the status and prints the answer. Its code is 0 when
// there is one.
func stranger(path string) int {
	conn, err := net.Dial("unix", path)
	if err != nil {
		return 2
	}
	// That it cannot be written is what is expected; the answer counts.
	_, _ = conn.Write([]byte("GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n"))
	answer := make([]byte, 100)
	n, _ := conn.Read(answer)
	if n == 0 {
		return 1
	}
	fmt.Printf("%s", answer[:n])
	return 0
}

// child runs a daemon. Descriptor 3 is where it tells that it is ready.
func child(path string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGHUP, syscall.SIGALRM)
	err := daemon.Run(ctx, daemon.Options{
		Load: func() (*config.Config, []config.Warning, error) { return config.Load(path) },
		Disk: durable.OS{}, Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Relog: func(config.Log) {}, UserAgent: "certkeep-test", Signals: signals, ReadyFD: 3,
	})
	if err == nil {
		return 0
	}
	fmt.Fprintln(os.Stderr, err)
	if _, held := errors.AsType[*store.HeldError](err); held {
		return exitHeld
	}
	return 1
}

// process is a daemon in a process of its own.
type process struct {
	t     *testing.T
	cmd   *exec.Cmd
	ready *os.File
	ended chan struct{}

	mu  sync.Mutex // guards log
	log bytes.Buffer
}

// Write gathers what the process logs.
func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.Write(b)
}

func (p *process) logged() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.String()
}

// start runs a daemon and does not wait for anything.
func start(t *testing.T, path string, env ...string) *process {
	t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, ready: read, ended: make(chan struct{})}
	p.cmd = exec.Command(os.Args[0], "-test.run=^$")
	p.cmd.Env = append(os.Environ(), append(env, "DAEMON_TEST_CONFIG="+path)...)
	p.cmd.ExtraFiles = []*os.File{write}
	p.cmd.Stderr = p
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := write.Close(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait() // its code is asked of ProcessState
		close(p.ended)
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill() // it may have ended
		<-p.ended
		_ = read.Close()
		if t.Failed() {
			t.Logf("the daemon's log:\n%s", p.logged())
		}
	})
	return p
}

// running starts a daemon and waits until it says that it is ready.
func running(t *testing.T, path string, env ...string) *process {
	t.Helper()
	p := start(t, path, env...)
	p.waitReady()
	return p
}

// waitReady reads the line of readiness, and that nothing follows it.
func (p *process) waitReady() {
	p.t.Helper()
	if err := p.ready.SetReadDeadline(time.Now().Add(soon)); err != nil {
		p.t.Fatal(err)
	}
	r := bufio.NewReader(p.ready)
	line, err := r.ReadString('\n')
	if err != nil || line != "\n" {
		p.t.Fatalf("readiness: %q, %v", line, err)
	}
	if _, err := r.ReadByte(); err == nil {
		p.t.Fatal("more than a newline was written, or the descriptor stays open")
	}
}

func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// waitEnd returns the exit code; -1 after a signal.
func (p *process) waitEnd() int {
	p.t.Helper()
	select {
	case <-p.ended:
	case <-time.After(soon):
		p.t.Fatal("the daemon does not end")
	}
	return p.cmd.ProcessState.ExitCode()
}

// waitLog waits until the log holds a text n times.
func (p *process) waitLog(text string, n int) {
	p.t.Helper()
	eventually(p.t, fmt.Sprintf("%q %d times in the log", text, n), func() bool { return strings.Count(p.logged(), text) >= n })
}

// eventually polls for a condition.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(soon); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s", what)
		}
	}
}

// site is a folder with a config and its state. Its CA cannot be reached.
type site struct {
	t          *testing.T
	dir, state string
	config     string // path
}

func newSite(t *testing.T) *site {
	t.Helper()
	dir := t.TempDir()
	s := &site{t: t, dir: dir, state: filepath.Join(dir, "state"), config: filepath.Join(dir, "certkeep.yaml")}
	s.write("www")
	return s
}

// write writes a config that wants some certificates.
func (s *site) write(names ...string) {
	text := fmt.Sprintf("state: %s\naccept_terms: true\nlisten: {status: false}\n"+
		"issuers: {dead: {directory: \"https://127.0.0.1:1/dir\"}}\ndefaults: {issuer: [dead], path: %s}\ncertificates:\n", s.state, s.dir)
	for _, name := range names {
		text += fmt.Sprintf("  %s: {names: [%s.example.test], files: []}\n", name, name)
	}
	s.writeText(text)
}

func (s *site) writeText(text string) {
	s.t.Helper()
	if err := os.WriteFile(s.config, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// load reads the config.
func (s *site) load() *config.Config {
	s.t.Helper()
	cfg, _, err := config.Load(s.config)
	if err != nil {
		s.t.Fatal(err)
	}
	return cfg
}

// client connects to the daemon.
func (s *site) client() *daemon.Client {
	s.t.Helper()
	c, err := daemon.Dial(s.t.Context(), s.state)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = c.Close() })
	return c
}

// hold takes the lock without a socket, as a command would.
func (s *site) hold() *store.Store {
	s.t.Helper()
	held, err := store.Open(s.t.Context(), s.state, durable.OS{}, "", store.Holder)
	if err != nil {
		s.t.Fatal(err)
	}
	return held
}

// notifySocket is a supervisor's end of sd_notify.
type notifySocket struct {
	t    *testing.T
	conn *net.UnixConn
	env  string
}

func newNotifySocket(t *testing.T) *notifySocket {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &notifySocket{t: t, conn: conn, env: "NOTIFY_SOCKET=" + path}
}

// next returns the assignments of the next message.
func (n *notifySocket) next() map[string]string {
	n.t.Helper()
	buf := make([]byte, 4096)
	if err := n.conn.SetReadDeadline(time.Now().Add(soon)); err != nil {
		n.t.Fatal(err)
	}
	size, err := n.conn.Read(buf)
	if err != nil {
		n.t.Fatalf("sd_notify: %v", err)
	}
	said := map[string]string{}
	for line := range strings.SplitSeq(string(buf[:size]), "\n") {
		key, value, _ := strings.Cut(line, "=")
		said[key] = value
	}
	return said
}
