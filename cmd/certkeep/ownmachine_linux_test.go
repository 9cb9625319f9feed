package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// ownMachine is set for a test that runs on a machine of its own.
const ownMachine = "CERTKEEP_TEST_OWN_MACHINE"

// onOwnMachine has the test run in a network of its own, where loopback is all
// there is: the ports that everybody knows are free, and names are asked of
// whoever listens on 127.0.0.1:53. It is false on the machine that is
// everybody's, where nothing is left to do.
func onOwnMachine(t *testing.T) bool {
	t.Helper()
	if os.Getenv(ownMachine) == t.Name() {
		setUpMachine(t)
		return true
	}
	again := exec.CommandContext(t.Context(), os.Args[0], argumentsAgain(t)...)
	again.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS}
	if os.Geteuid() != 0 {
		again.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		again.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		again.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	runAgain(t, again)
	return false
}

// argumentsAgain are those with which the test's program runs this test alone.
func argumentsAgain(t *testing.T) []string {
	return []string{"-test.run=^" + t.Name() + "$", "-test.v", "-test.timeout=" + timeLeft(t).String()}
}

// runAgain runs the test on a machine of its own, and passes on how it ended.
func runAgain(t *testing.T, again *exec.Cmd) {
	t.Helper()
	again.Env = append(os.Environ(), ownMachine+"="+t.Name())
	again.SysProcAttr.Pdeathsig = syscall.SIGKILL
	out, err := again.CombinedOutput()
	_, ran := errors.AsType[*exec.ExitError](err)
	switch {
	case err == nil && strings.Contains(string(out), "--- SKIP"):
		t.Skipf("%s", out)
	case err != nil && !ran:
		t.Skipf("no network of its own can be made here: %v", err)
	case err != nil:
		t.Fatalf("on a machine of its own: %v\n%s", err, out)
	}
	t.Logf("%s", out)
}

// timeLeft is how long the test may go on; 0 is without end.
func timeLeft(t *testing.T) time.Duration {
	end, ok := t.Deadline()
	if !ok {
		return 0
	}
	return time.Until(end)
}

// setUpMachine brings up loopback, and puts files in the place of the
// machine's, which nobody else sees: systemd seems to run, and names are asked
// of this machine.
func setUpMachine(t *testing.T) {
	t.Helper()
	if err := loopbackUp(); err != nil {
		t.Fatalf("bring up loopback: %v", err)
	}
	conf := filepath.Join(t.TempDir(), "resolv.conf")
	err := errors.Join(
		unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""),
		unix.Mount("certkeep-test", "/run", "tmpfs", 0, "mode=0755"),
		os.MkdirAll("/run/systemd/system", 0o755), // sd_booted(3)
		os.WriteFile(conf, []byte("nameserver 127.0.0.1\n"), 0o644),
	)
	if err != nil {
		t.Fatal(err)
	}
	// Without the file, a server on this machine is asked (resolv.conf(5)).
	if err := unix.Mount(conf, "/etc/resolv.conf", "", unix.MS_BIND, ""); err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
}

func loopbackUp() error {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(socket)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	lo.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(socket, unix.SIOCSIFFLAGS, lo)
}
