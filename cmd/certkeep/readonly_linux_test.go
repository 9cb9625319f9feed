package main

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/certkeep/certkeep/internal/faultfs"
)

// writers are commands that need to write, at an installation that is well.
func writers() [][]string {
	return [][]string{{"apply"}, {"apply", "a"}, {"renew", "a"}, {"run"}}
}

// refusesToWrite checks that commands which write say why they cannot, what
// to do, and leave all as it is.
func (v *victim) refusesToWrite(words, remedy string) {
	v.Helper()
	before, asked := v.tree(), v.ca.Count()
	for _, args := range writers() {
		status, said := v.ends(args...)
		if status.ExitStatus() != exitUnexpected || !strings.Contains(said, words) || !strings.Contains(said, remedy) {
			v.Errorf("%s: exit code %d, want %d, %q and %q:\n%s", strings.Join(args, " "), status.ExitStatus(), exitUnexpected, words, remedy, said)
		}
	}
	if differ := faultfs.Differ(before, v.tree()); len(differ) > 0 {
		v.Errorf("they changed %q", differ)
	}
	if n := v.ca.Count() - asked; n > 0 {
		v.Errorf("they asked the CA %d times", n)
	}
}

// reads checks that commands which only look do their work.
func (v *victim) reads() {
	v.Helper()
	for _, c := range []struct{ command, words string }{
		{"status", "a  ok"},
		{"plan", "nothing is due now"},
		{"history", "issued"},
		{"restore", "published"},
	} {
		args := []string{c.command}
		if c.command == "history" || c.command == "restore" {
			args = append(args, "a")
		}
		if status, said := v.ends(args...); status.ExitStatus() != 0 || !strings.Contains(said, c.words) {
			v.Errorf("%s: exit code %d, want %q:\n%s", c.command, status.ExitStatus(), c.words, said)
		}
	}
}

// TestReadOnlyState: a state that cannot be written can be looked at.
func TestReadOnlyState(t *testing.T) {
	v := onTmpfs(t, buildProgram(t), newScene(t), "state")
	v.run("apply")
	readOnly(t, v.at("state"))
	v.reads()
	v.refusesToWrite("it is on a read-only file system", "set a state that can be written")
	if err := unix.Mount("", v.at("state"), "", unix.MS_REMOUNT, ""); err != nil {
		t.Fatal(err)
	}
	v.goOn(2)
}

// TestReadOnlyFolderAroundState: the same where the state is to be made.
func TestReadOnlyFolderAroundState(t *testing.T) {
	v := onTmpfs(t, buildProgram(t), newScene(t), "var")
	text := strings.Replace(v.read("certkeep.yaml"), v.at("state"), v.at("var/state"), 1)
	if err := os.WriteFile(v.at("certkeep.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	readOnly(t, v.at("var"))
	if status, said := v.ends("status"); status.ExitStatus() != exitMissing || !strings.Contains(said, "no certificate yet") {
		t.Errorf("status: exit code %d:\n%s", status.ExitStatus(), said)
	}
	v.refusesToWrite("it is on a read-only file system", "set a state that can be written")
}

// TestReadOnlyOutput: what cannot be installed is said and kept, other
// certificates go on, and it is installed when that is possible again.
func TestReadOnlyOutput(t *testing.T) {
	w := newScene(t)
	v := onTmpfs(t, buildProgram(t), w, "ssl")
	v.run("apply")
	readOnly(t, v.at("ssl"))
	w.ResetRequests()
	told := v.read("told.b")
	status, said := v.ends("renew", "a", "b")
	if status.ExitStatus() != exitFailed || !strings.Contains(said, "read-only file system") || !strings.Contains(said, "Free space on the file system or make it writable") {
		t.Errorf("renew: exit code %d:\n%s", status.ExitStatus(), said)
	}
	if v.read("told.b") == told {
		t.Error("the other certificate was held up")
	}
	if !strings.Contains(said, "\na: errored: install a (target default): make folder: mkdir ") || strings.Contains(said, "\nremove") {
		t.Errorf("the line of the failure is not one:\n%s", said)
	}
	v.fits()
	if err := unix.Mount("", v.at("ssl"), "", unix.MS_REMOUNT, ""); err != nil {
		t.Fatal(err)
	}
	v.goOn(2, "a")
}

// TestReadOnlyWebroot: what systemd's ProtectSystem= does to a webroot is said with
// the setting that undoes it.
func TestReadOnlyWebroot(t *testing.T) {
	v := newVictim(t, buildProgram(t), newScene(t))
	mountTmpfs(t, v.at("www"), 64)
	readOnly(t, v.at("www"))
	status, said := v.ends("apply")
	if status.ExitStatus() != exitMissing || !strings.Contains(said, "read-only file system; where systemd runs Certkeep, add ReadWritePaths="+v.at("www")+" to [Service]") {
		t.Errorf("apply: exit code %d:\n%s", status.ExitStatus(), said)
	}
	if err := unix.Mount("", v.at("www"), "", unix.MS_REMOUNT, ""); err != nil {
		t.Fatal(err)
	}
	v.goOn(2, "a", "b")
}

// TestStateOfAnotherUser: root does not write into what belongs to somebody
// else, and nobody else writes, or reads, what belongs to root.
func TestStateOfAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: gives files to another user")
	}
	const somebody = 12345
	v := newVictim(t, buildProgram(t), newScene(t))
	v.run("apply")
	if err := os.Chown(v.at("state"), somebody, -1); err != nil {
		t.Fatal(err)
	}
	v.reads()
	v.refusesToWrite("it belongs to user 12345, this is user 0", "run Certkeep as its owner")

	err := errors.Join(os.Chown(v.at("state"), 0, -1), os.Chmod(v.at("certkeep.yaml"), 0o644), os.Chmod(v.at("roots.pem"), 0o644))
	for _, path := range []string{v.dir, v.program} {
		err = errors.Join(err, letIn(filepath.Dir(path)))
	}
	if err = errors.Join(err, os.Chmod(v.dir, 0o755)); err != nil {
		t.Fatal(err)
	}
	before := v.tree()
	for _, command := range []string{"status", "plan", "apply", "run"} {
		c := exec.Command(v.program, v.args(command)...)
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: somebody, Gid: somebody}}
		said, err := c.CombinedOutput()
		if err == nil || c.ProcessState.ExitCode() != exitUnexpected || !strings.Contains(string(said), "run Certkeep as") {
			t.Errorf("%s as somebody: %v:\n%s", command, err, said)
		}
	}
	if differ := faultfs.Differ(before, v.tree()); len(differ) > 0 {
		t.Errorf("somebody changed %q", differ)
	}
}

// letIn lets everybody pass through a folder of a test, and those above it.
func letIn(dir string) error {
	for ; strings.HasPrefix(dir, filepath.Clean(os.TempDir())+"/"); dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err == nil {
			err = os.Chmod(dir, info.Mode().Perm()|fs.FileMode(0o011))
		}
		if err != nil {
			return err
		}
	}
	return nil
}
