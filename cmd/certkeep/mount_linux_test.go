package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// mountTmpfs mounts a small disk in memory. It skips the test where that is
// not allowed.
func mountTmpfs(t *testing.T, dir string, kilobytes int) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: mounts a small disk")
	}
	options := fmt.Sprintf("size=%dk,mode=0700", kilobytes)
	if err := unix.Mount("certkeep-test", dir, "tmpfs", 0, options); err != nil {
		t.Skipf("no tmpfs can be mounted here: %v", err)
	}
	t.Cleanup(func() { unmount(t, dir) })
}

// unmount takes away what is mounted, also while somebody still looks at it.
func unmount(t *testing.T, dir string) {
	t.Helper()
	if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
		t.Errorf("unmount %s: %v", dir, err)
	}
}

// readOnly lets nobody write on what is mounted.
func readOnly(t *testing.T, dir string) {
	t.Helper()
	if err := unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatalf("make %s read-only: %v", dir, err)
	}
}

// free is the room that is left on a disk, in bytes.
func free(t *testing.T, dir string) int64 {
	t.Helper()
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		t.Fatal(err)
	}
	return int64(s.Bavail) * s.Bsize
}

// fill leaves so much room on a disk and no more. What it returns gives the
// room back.
func fill(t *testing.T, dir string, leave int64) (release func()) {
	t.Helper()
	path := filepath.Join(dir, "ballast")
	if err := os.WriteFile(path, make([]byte, max(0, free(t, dir)-leave)), 0o600); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}

// image is a file that holds a file system.
type image string

// newImage makes an ext4 of 16 MB. It skips the test where such files cannot
// be mounted.
func newImage(t *testing.T, mountPoint string) image {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: mounts a file")
	}
	mkfs, err := exec.LookPath("mkfs.ext4")
	if err != nil {
		mkfs = "/sbin/mkfs.ext4" // is not in everybody's PATH
	}
	img := image(filepath.Join(t.TempDir(), "image"))
	if out, err := exec.Command("truncate", "--size=16M", string(img)).CombinedOutput(); err != nil {
		t.Fatalf("make a file of 16 MB: %v: %s", err, out)
	}
	if out, err := exec.Command(mkfs, "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", string(img)).CombinedOutput(); err != nil {
		t.Fatalf("mkfs.ext4: %v: %s", err, out)
	}
	if err := img.mount(mountPoint); err != nil {
		t.Skipf("files cannot be mounted here: %v", err)
	}
	unmount(t, mountPoint)
	return img
}

// mount mounts the file system. It is told to keep what is not synced to
// itself for long, and not to guess what a program forgot to sync.
func (img image) mount(dir string) error {
	out, err := exec.Command("mount", "-o", "loop,commit=300,noauto_da_alloc", string(img), dir).CombinedOutput()
	if err != nil {
		return fmt.Errorf("mount: %w: %s", err, out)
	}
	return nil
}

// copy copies what has reached the disk. A copy takes time: it is of one
// instant where nothing was written meanwhile.
func (img image) copy(t *testing.T) image {
	t.Helper()
	to := image(filepath.Join(t.TempDir(), "image"))
	for range 100 {
		if out, err := exec.Command("cp", "--sparse=always", string(img), string(to)).CombinedOutput(); err != nil {
			t.Fatalf("copy the image: %v: %s", err, out)
		}
		if exec.Command("cmp", "-s", string(img), string(to)).Run() == nil {
			return to
		}
	}
	t.Fatal("the image is written all the time")
	return ""
}

// syncAll brings all that is written to a file system to its disk.
func syncAll(t *testing.T, dir string) {
	t.Helper()
	f, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := unix.Syncfs(int(f.Fd())); err != nil {
		t.Fatal(err)
	}
}
