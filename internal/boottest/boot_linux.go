// Package boottest boots a real systemd for a test: in a container, over the
// files of this machine, which stay as they are. Boot is all of it.
//
// The container shares the network of the test, so that a CA or a web server
// is reached from both sides. It ends with the test.
package boottest

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/certkeep/certkeep/internal/servertest"
)

// Machine is what the container has beside the files of this machine.
type Machine struct {
	Files  map[string]string // path to text; what begins with #! can be run
	Links  map[string]string // path to target
	Remove []string          // paths that are not to be there
	Binds  map[string]string // path in the container to the one here
	Script string            // for /bin/sh, once systemd has done the basics
}

// units is where units of the test lie.
const units = "/etc/systemd/system"

// Boot starts the container. Where there are no rights or no kernel for that,
// the test is skipped.
func Boot(t *testing.T, m Machine) *servertest.Process {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: starts a container")
	}
	nspawn := servertest.Find(t, "systemd-nspawn")
	disk := t.TempDir()
	mount(t, disk, "tmpfs", "mode=0755")
	tree := filepath.Join(disk, "tree")
	for _, dir := range []string{"tree", "upper", "work"} {
		if err := os.Mkdir(filepath.Join(disk, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	mount(t, tree, "overlay", "lowerdir=/,upperdir="+disk+"/upper,workdir="+disk+"/work")
	m.furnish(t, tree)
	args := []string{"--quiet", "--directory=" + tree, "--register=no", "--keep-unit", "--machine=" + name(t)}
	for there, here := range m.Binds {
		args = append(args, "--bind="+here+":"+there)
	}
	args = append(args, "--boot", "systemd.unit=test.target", "systemd.show_status=0", "systemd.mask=systemd-journal-flush.service")
	return servertest.Start(t, syscall.SIGTERM, nspawn, args...)
}

func mount(t *testing.T, at, kind, options string) {
	t.Helper()
	if err := unix.Mount("certkeep-test", at, kind, 0, options); err != nil {
		t.Skipf("no %s can be mounted here: %v", kind, err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(at, unix.MNT_DETACH); err != nil {
			t.Errorf("unmount %s: %v", at, err)
		}
	})
}

// name is what systemd calls the container, on this machine alone.
func name(t *testing.T) string {
	test := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, t.Name())
	return "certkeep-" + strconv.Itoa(os.Getpid()) + "-" + test[:min(len(test), 30)]
}

// furnish puts the machine's files into the tree. None of the units that this
// machine wants to start are started.
func (m Machine) furnish(t *testing.T, tree string) {
	t.Helper()
	wants, err := filepath.Glob(tree + units + "/*.wants")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range m.Remove {
		wants = append(wants, filepath.Join(tree, path))
	}
	for _, path := range wants {
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
	}
	put := func(path, text string) {
		t.Helper()
		mode := os.FileMode(0o644)
		if strings.HasPrefix(text, "#!") {
			mode = 0o755
		}
		path = filepath.Join(tree, path)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), mode)); err != nil {
			t.Fatal(err)
		}
	}
	for path, text := range m.Files {
		put(path, text)
	}
	for path, target := range m.Links {
		path = filepath.Join(tree, path)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.Symlink(target, path)); err != nil {
			t.Fatal(err)
		}
	}
	put("/etc/test/script", m.Script)
	put(units+"/test.service", "[Service]\nType=oneshot\nExecStart=/bin/sh /etc/test/script\n")
	put(units+"/test.target", "[Unit]\nRequires=basic.target test.service\nAfter=basic.target\nAllowIsolate=yes\n")
}
