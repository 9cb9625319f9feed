package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// onOwnSystem is onOwnMachine where servers run as Debian installed them: in
// /etc, /usr and /var anything may be changed, which nobody else sees, a /run
// is new, and no systemd is there. All that was started ends with the test.
func onOwnSystem(t *testing.T) bool {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: has a system of its own")
	}
	if os.Getenv(ownMachine) == t.Name() {
		setUpMachine(t)
		setUpSystem(t)
		return true
	}
	// The shell is the first process: it is who buries daemons, and with its end
	// the kernel kills whoever is left.
	again := exec.CommandContext(t.Context(), "/bin/sh", append([]string{"-c", `"$@"; exit $?`, "sh", os.Args[0]}, argumentsAgain(t)...)...)
	again.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID}
	runAgain(t, again)
	return false
}

// setUpSystem shows the processes of this system, and lays something to write
// on over folders of the machine's.
func setUpSystem(t *testing.T) {
	t.Helper()
	err := errors.Join(
		unix.Mount("proc", "/proc", "proc", 0, ""),
		os.RemoveAll("/run/systemd"), // service(8) asks init scripts then
		os.Mkdir("/run/lock", 0o777),
	)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"etc", "usr", "var"} {
		upper, work := filepath.Join("/run/over", name), filepath.Join("/run/work", name)
		if err := errors.Join(os.MkdirAll(upper, 0o755), os.MkdirAll(work, 0o755)); err != nil {
			t.Fatal(err)
		}
		if err := unix.Mount("certkeep-test", "/"+name, "overlay", 0, "lowerdir=/"+name+",upperdir="+upper+",workdir="+work); err != nil {
			t.Skipf("nothing can be laid over /%s here: %v", name, err)
		}
	}
	put(t, "/etc/hosts", "127.0.0.1 localhost a.test\n")
	if err := os.Chmod("/etc/hosts", 0o644); err != nil {
		t.Fatal(err)
	}
}

// shell has an administrator do something on the system.
func shell(t *testing.T, text string) {
	t.Helper()
	// What a daemon prints goes nowhere: nobody has to wait for its end.
	out, err := os.Create(filepath.Join(t.TempDir(), "said"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd := exec.Command("/bin/sh", "-ec", text) // also when the test is over, to stop a server
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s", text, err, read(t, out.Name()))
	}
}
