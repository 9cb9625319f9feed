// Package servertest starts the real servers that tests talk to, on loopback,
// in temporary folders, and ends them with the test.
//
// Find looks for a program, Start runs one, Process.Ready waits until it
// answers; Nginx, Postfix, Dovecot and the others do all of it. Where a server
// does not run as root, Ordinary is whom it runs as.
package servertest

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/acmetest"
)

// patience is how long a server may take to answer or to end.
const patience = 20 * time.Second

// Find returns the path of a program in PATH or where Debian keeps servers.
// Where it is not installed the test is skipped, or fails with CI set.
func Find(t testing.TB, name string) string {
	t.Helper()
	for _, folder := range []string{"", "/usr/sbin", "/usr/local/sbin"} {
		if path, err := exec.LookPath(filepath.Join(folder, name)); err == nil {
			return path
		}
	}
	if os.Getenv("CI") != "" {
		t.Fatalf("%s is not installed", name)
	}
	t.Skipf("%s is not installed", name)
	return ""
}

// FreeAddress returns a "host:port" of loopback that is free for TCP and UDP.
func FreeAddress(t testing.TB) string {
	t.Helper()
	port, err := acmetest.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	return (&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port}).String()
}

// Process is a running server.
type Process struct {
	PID   int
	cmd   *exec.Cmd
	ended chan struct{} // closed when it is gone
	err   error         // how it ended; read after ended

	mu     sync.Mutex
	output []byte
}

// Write gathers what the server prints.
func (p *Process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.output = append(p.output, b...)
	return len(b), nil
}

// Output returns what the server has printed.
func (p *Process) Output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return string(p.output)
}

// Start runs a server in the foreground. At the end of the test it gets stop,
// and SIGKILL if it does not obey; it dies with the test's process too.
func Start(t testing.TB, stop syscall.Signal, program string, args ...string) *Process {
	t.Helper()
	return StartCommand(t, stop, exec.Command(program, args...))
}

// StartCommand is Start for a command with an environment or user of its own.
func StartCommand(t testing.TB, stop syscall.Signal, cmd *exec.Cmd) *Process {
	t.Helper()
	p := &Process{cmd: cmd, ended: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = p, p
	cmd.WaitDelay = time.Second
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	dieWithParent(cmd.SysProcAttr)
	started := make(chan error)
	go func() {
		// The kernel counts the end of the thread that started the child as
		// the end of its parent (prctl(2), PR_SET_PDEATHSIG): keep it.
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			p.err = cmd.Wait()
			close(p.ended)
		}
	}()
	if err := <-started; err != nil {
		t.Fatalf("start %s: %v", cmd.Path, err)
	}
	p.PID = cmd.Process.Pid
	t.Cleanup(func() { p.end(stop) })
	return p
}

// end ends the server. Signals fail only when it is gone already.
func (p *Process) end(stop syscall.Signal) {
	_ = p.cmd.Process.Signal(stop)
	select {
	case <-p.ended:
	case <-time.After(patience):
		_ = p.cmd.Process.Kill()
		<-p.ended
	}
}

// Stop ends the server before the test ends.
func (p *Process) Stop(stop syscall.Signal) { p.end(stop) }

// Refuses waits until the server has ended by itself, as one that does not take
// its configuration does.
func (p *Process) Refuses(t testing.TB) {
	t.Helper()
	select {
	case <-p.ended:
	case <-time.After(patience):
		t.Fatalf("%s goes on\n%s", p.cmd.Path, p.Output())
	}
}

// Signal sends a signal, SIGHUP for a reload mostly.
func (p *Process) Signal(t testing.TB, signal syscall.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
}

// Ready tries until try succeeds. That the server ended, or takes too long, is
// fatal; log may name a file with its reasons.
func (p *Process) Ready(t testing.TB, log string, try func(ctx context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		err := try(ctx)
		if err == nil {
			return
		}
		select {
		case <-p.ended:
			t.Fatalf("%s ended: %v\n%s%s", p.cmd.Path, errors.Join(p.err, err), p.Output(), read(log))
		case <-ctx.Done():
			t.Fatalf("%s does not answer: %v\n%s%s", p.cmd.Path, err, p.Output(), read(log))
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// Accepts is for Ready: somebody listens at the address.
func Accepts(address string) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		var dialer net.Dialer
		conn, err := dialer.DialContext(ctx, "tcp", address)
		if err != nil {
			return err
		}
		return conn.Close()
	}
}

func read(path string) string {
	if path == "" {
		return ""
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	return string(text)
}
