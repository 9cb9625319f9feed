package deploy

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/certkeep/certkeep/internal/command"
	"github.com/certkeep/certkeep/internal/servertest"
	"github.com/certkeep/certkeep/internal/service"
)

// hangUp has the process in a pid file told to read its files again.
func hangUp(t *testing.T, pidFile string) (told bool, err error) {
	t.Helper()
	way := service.Action{Signal: "HUP", PIDFile: pidFile}
	return New(Options{State: t.TempDir()}).ReloadService(t.Context(), service.Service{Name: "s", Reload: []service.Action{way}})
}

// writePID writes a pid file with a mode.
func writePID(t *testing.T, pid int, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pid")
	if err := errors.Join(os.WriteFile(path, fmt.Appendln(nil, pid), 0o600), os.Chmod(path, mode)); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestPIDFileOfEverybody: whoever may write the file could have any process
// signalled.
func TestPIDFileOfEverybody(t *testing.T) {
	for _, mode := range []os.FileMode{0o646, 0o664} {
		told, err := hangUp(t, writePID(t, os.Getpid(), mode))
		if untrusted, ok := errors.AsType[*command.UntrustedError](err); told || !ok || untrusted.Hint == "" {
			t.Errorf("%o: told %v, %v", mode, told, err)
		}
	}
}

// TestPIDFileOfAnotherUser: a user's pid file leads to the user's processes.
func TestPIDFileOfAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: gives a file away")
	}
	const nobody = 65534
	other := servertest.Start(t, syscall.SIGKILL, "/bin/sh", "-c", `trap 'echo told' HUP; echo ready; while :; do sleep 0.02; done`)
	other.Ready(t, "", contains(other, "ready"))
	path := writePID(t, other.PID, 0o644)
	if err := os.Chown(path, nobody, -1); err != nil {
		t.Fatal(err)
	}
	if told, err := hangUp(t, path); told || err == nil {
		t.Errorf("a process of root: told %v, %v", told, err)
	}
	own := servertest.Start(t, syscall.SIGKILL, "setpriv", "--reuid=65534", "/bin/sh", "-c", `trap 'echo told' HUP; echo ready; while :; do sleep 0.02; done`)
	own.Ready(t, "", contains(own, "ready"))
	if err := os.WriteFile(path, fmt.Appendln(nil, own.PID), 0o644); err != nil {
		t.Fatal(err)
	}
	if told, err := hangUp(t, path); !told || err != nil {
		t.Errorf("their own: told %v, %v", told, err)
	}
	own.Ready(t, "", contains(own, "told"))
	if contains(other, "told")(t.Context()) == nil {
		t.Error("the process of root was told")
	}
}
