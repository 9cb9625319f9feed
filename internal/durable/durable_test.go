package durable_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/faultfs"
)

// disks are the real ones: they differ in their syncs alone.
func disks() map[string]durable.Disk {
	return map[string]durable.Disk{"OS": durable.OS{}, "NoSync": durable.NoSync{}}
}

func mustRead(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func mode(t *testing.T, path string) fs.FileMode {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Mode()
}

// names lists a folder.
func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, e := range entries {
		found = append(found, e.Name())
	}
	return found
}

func TestCreate(t *testing.T) {
	for name, disk := range disks() {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "f")
			a := durable.Attr{Mode: 0o644, UID: os.Getuid(), GID: os.Getgid()}
			if err := disk.Create(path, []byte("one"), a); err != nil {
				t.Fatal(err)
			}
			if got := mustRead(t, path); got != "one" {
				t.Errorf("content = %q", got)
			}
			if got := mode(t, path); got != 0o644 {
				t.Errorf("mode = %v", got)
			}
			if err := disk.Create(path, []byte("two"), a); !errors.Is(err, fs.ErrExist) {
				t.Errorf("creating it again: %v, want fs.ErrExist", err)
			}
			if got := mustRead(t, path); got != "one" {
				t.Errorf("a refused Create changed the file to %q", got)
			}
		})
	}
}

func TestCreateIgnoresUmask(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0o077))
	path := filepath.Join(t.TempDir(), "f")
	if err := (durable.OS{}).Create(path, nil, durable.Attr{Mode: 0o640, UID: -1, GID: -1}); err != nil {
		t.Fatal(err)
	}
	if got := mode(t, path); got != 0o640 {
		t.Errorf("mode = %v, want 0640", got)
	}
}

func TestCreateFollowsNoSymlink(t *testing.T) {
	dir := t.TempDir()
	link := filepath.Join(dir, "link")
	if err := (durable.OS{}).Symlink(filepath.Join(dir, "elsewhere"), link); err != nil {
		t.Fatal(err)
	}
	if err := (durable.OS{}).Create(link, []byte("x"), durable.Private()); !errors.Is(err, fs.ErrExist) {
		t.Errorf("err = %v, want fs.ErrExist", err)
	}
	if err := (durable.OS{}).Append(link, []byte("x")); !errors.Is(err, syscall.ELOOP) {
		t.Errorf("append: %v, want ELOOP", err)
	}
	if got := names(t, dir); len(got) != 1 {
		t.Errorf("folder has %q, want the link alone", got)
	}
}

func TestCreateCleansUpAfterFailure(t *testing.T) {
	if os.Getuid() != 0 {
		path := filepath.Join(t.TempDir(), "f")
		err := durable.OS{}.Create(path, nil, durable.Attr{Mode: 0o600, UID: 0, GID: -1})
		if !errors.Is(err, fs.ErrPermission) {
			t.Errorf("giving a file to root: %v", err)
		}
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the file was left: %v", err)
		}
	}

	// A limit of the file size makes the write itself fail halfway.
	signal.Ignore(syscall.SIGXFSZ)
	defer signal.Reset(syscall.SIGXFSZ)
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	if err := durable.Write(durable.OS{}, path, []byte("old"), durable.Private()); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 1000, Max: old.Max}); err != nil {
		t.Fatal(err)
	}
	err := durable.Write(durable.OS{}, path, bytes.Repeat([]byte("n"), 5000), durable.Private())
	if restore := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &old); restore != nil {
		t.Fatal(restore)
	}
	if !errors.Is(err, syscall.EFBIG) {
		t.Fatalf("err = %v, want EFBIG", err)
	}
	if got := names(t, dir); len(got) != 1 || mustRead(t, path) != "old" {
		t.Errorf("folder has %q with %q, want f with the old content", got, mustRead(t, path))
	}
}

// TestWriteIsWholeOrNothing lets every change of a Write go wrong in every
// way, also with the power cut after it.
func TestWriteIsWholeOrNothing(t *testing.T) {
	const changes = 3 // create, rename, syncdir
	for n := 1; n <= changes+1; n++ {
		for _, fault := range faultfs.Faults() {
			for _, power := range []bool{false, true} {
				dir := t.TempDir()
				path := filepath.Join(dir, "f")
				disk := faultfs.New(durable.NoSync{}) // faultfs knows what was synced
				if err := durable.Write(disk, path, []byte("old"), durable.Private()); err != nil {
					t.Fatal(err)
				}
				disk.Arm(n, fault)
				err := durable.Write(disk, path, []byte("new"), durable.Private())
				if (err == nil) != (n > changes) {
					t.Fatalf("%v at %d: err = %v", fault, n, err)
				}
				if err != nil && !errors.Is(err, faultfs.ErrFault) {
					t.Fatalf("%v at %d: err = %v, want a fault", fault, n, err)
				}
				if power {
					if err := disk.PowerCut(); err != nil {
						t.Fatal(err)
					}
				}
				want := map[bool][]string{true: {"new"}, false: {"old", "new"}}[err == nil]
				if got := mustRead(t, path); !strings.Contains(strings.Join(want, " "), got) || got == "" {
					t.Errorf("%v at %d, power cut %v: content = %q, want one of %q", fault, n, power, got, want)
				}
				died := fault == faultfs.Killed || fault == faultfs.Torn
				for _, name := range names(t, dir) {
					if name != "f" && (!durable.IsTemp(name) || !died && !power) {
						t.Errorf("%v at %d: %s was left", fault, n, name)
					}
				}
			}
		}
	}
}

func TestTemp(t *testing.T) {
	for _, path := range []string{"/a/b/key.pem", "key.pem", "/a/.hidden", "/a/" + strings.Repeat("x", 255)} {
		temp := durable.Temp(path)
		if filepath.Dir(temp) != filepath.Dir(path) || !durable.IsTemp(filepath.Base(temp)) {
			t.Errorf("Temp(%q) = %q", path, temp)
		}
		if base := filepath.Base(temp); len(base) > 255 {
			t.Errorf("Temp(%q) has a name of %d bytes", path, len(base))
		}
		if durable.Temp(path) == temp {
			t.Errorf("Temp(%q) gave the same name twice", path)
		}
	}
	for _, name := range []string{"key.pem", ".key.pem", ".tmp-x", "", "a.tmp-ABCDEFGHIJKLMNOPQRSTUVWXYZ", ".a.tmp-short"} {
		if durable.IsTemp(name) {
			t.Errorf("IsTemp(%q)", name)
		}
	}
}

func TestMkdir(t *testing.T) {
	for name, disk := range disks() {
		t.Run(name, func(t *testing.T) {
			defer syscall.Umask(syscall.Umask(0o077))
			top := t.TempDir()
			if err := os.Chmod(top, 0o711); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(top, "a", "b")
			a := durable.Attr{Mode: 0o750, UID: os.Getuid(), GID: os.Getgid()}
			for range 2 { // the second time it is there
				if err := disk.Mkdir(path, a); err != nil {
					t.Fatal(err)
				}
			}
			for path, want := range map[string]fs.FileMode{top: 0o711, filepath.Dir(path): 0o750, path: 0o750} {
				if got := mode(t, path).Perm(); got != want {
					t.Errorf("mode of %s = %v, want %v", path, got, want)
				}
			}
			file := filepath.Join(top, "file")
			if err := disk.Create(file, nil, durable.Private()); err != nil {
				t.Fatal(err)
			}
			if err := disk.Mkdir(file, a); !errors.Is(err, syscall.ENOTDIR) {
				t.Errorf("over a file: %v", err)
			}
			if err := disk.Mkdir(filepath.Join(file, "x"), a); !errors.Is(err, syscall.ENOTDIR) {
				t.Errorf("below a file: %v", err)
			}
		})
	}
}

func TestRemove(t *testing.T) {
	dir := t.TempDir()
	disk := durable.OS{}
	if err := disk.Remove(filepath.Join(dir, "missing")); err != nil {
		t.Errorf("missing: %v", err)
	}
	if err := disk.Mkdir(filepath.Join(dir, "full", "x"), durable.PrivateDir()); err != nil {
		t.Fatal(err)
	}
	if err := disk.Remove(filepath.Join(dir, "full")); !errors.Is(err, syscall.ENOTEMPTY) {
		t.Errorf("full folder: %v", err)
	}
	if err := disk.Remove(filepath.Join(dir, "full", "x")); err != nil {
		t.Errorf("empty folder: %v", err)
	}
}

func TestAppendAndSyncDir(t *testing.T) {
	for name, disk := range disks() {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "log")
			for _, line := range []string{"a\n", "b\n"} {
				if err := disk.Append(path, []byte(line)); err != nil {
					t.Fatal(err)
				}
			}
			if got := mustRead(t, path); got != "a\nb\n" {
				t.Errorf("content = %q", got)
			}
			if got := mode(t, path); got != 0o600 {
				t.Errorf("mode = %v", got)
			}
			if err := disk.SyncDir(dir); err != nil {
				t.Error(err)
			}
		})
	}
	if err := (durable.OS{}).SyncDir(filepath.Join(t.TempDir(), "missing")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing folder: %v", err)
	}
}
