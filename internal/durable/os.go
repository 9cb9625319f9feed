package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// OS is the real disk.
type OS struct{}

// NoSync is the real disk without any fsync: as safe against a killed
// process as OS, but not against a machine that loses power. Benchmarks use
// it to tell the cost of the syncs from ours.
type NoSync struct{ OS }

var (
	_ Disk = OS{}
	_ Disk = NoSync{}
)

// Create implements [Disk].
func (OS) Create(path string, data []byte, a Attr) error { return create(path, data, a, true) }

// Create implements [Disk], without the sync.
func (NoSync) Create(path string, data []byte, a Attr) error { return create(path, data, a, false) }

// create opens the file with 0600, so that nobody reads a key before its mode
// is known; the mode is widened last, after the owner is right. All of it
// happens before the one fsync, which so covers data, owner and mode.
func create(path string, data []byte, a Attr, sync bool) error {
	// A crash from here until the close leaves a file that nobody reads yet:
	// callers create under a temporary or a not yet published name.
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	err = fill(f, data, a, sync)
	// Some file systems report a failed write only when the file is closed.
	if closing := f.Close(); err == nil {
		err = closing
	}
	if err != nil {
		return errors.Join(err, OS{}.Remove(path)) // O_EXCL: it is ours
	}
	return nil
}

// fill writes data, owner and mode, in this order, and syncs them.
func fill(f *os.File, data []byte, a Attr, sync bool) error {
	if _, err := f.Write(data); err != nil {
		return err
	}
	if a.UID >= 0 || a.GID >= 0 {
		if err := f.Chown(a.UID, a.GID); err != nil {
			return err
		}
	}
	if err := f.Chmod(a.Mode.Perm()); err != nil {
		return err
	}
	if !sync {
		return nil
	}
	return f.Sync()
}

// Rename implements [Disk].
func (OS) Rename(oldPath, newPath string) error { return os.Rename(oldPath, newPath) }

// Symlink implements [Disk].
func (OS) Symlink(target, link string) error { return os.Symlink(target, link) }

// Remove implements [Disk].
func (OS) Remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Mkdir implements [Disk].
func (d OS) Mkdir(path string, a Attr) error { return mkdir(path, a, d.SyncDir) }

// Mkdir implements [Disk], without the sync.
func (d NoSync) Mkdir(path string, a Attr) error { return mkdir(path, a, d.SyncDir) }

// mkdir makes the folders from the top down. Each new name is synced in its
// parent: a file that is synced in a folder whose own name is lost would be
// lost with it. A crash leaves some of them, complete, which the next run uses.
//
// Others may make the same folders meanwhile, and take them away again while
// they are empty: then it is tried anew.
func mkdir(path string, a Attr, syncDir func(string) error) error {
	const tries = 50
	for try := 1; ; try++ {
		err := mkdirOnce(path, a, syncDir)
		moved := errors.Is(err, fs.ErrExist) || errors.Is(err, fs.ErrNotExist)
		if !moved || try == tries {
			return err
		}
	}
}

func mkdirOnce(path string, a Attr, syncDir func(string) error) error {
	switch info, err := os.Stat(path); {
	case err == nil && info.IsDir():
		return nil
	case err == nil:
		return &fs.PathError{Op: "mkdir", Path: path, Err: syscall.ENOTDIR}
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	parent := filepath.Dir(path)
	if parent == path {
		return &fs.PathError{Op: "mkdir", Path: path, Err: fs.ErrNotExist}
	}
	if err := mkdir(parent, a, syncDir); err != nil {
		return err
	}
	if err := newDir(path, a); err != nil {
		return err
	}
	return syncDir(parent)
}

// newDir makes one folder. It gets its name last, with its owner and mode:
// since a folder that exists is left as it is, one that a crash left half
// ready would stay so for ever. What a crash may leave is an empty temporary,
// which whoever makes the folder next takes over.
func newDir(path string, a Attr) error {
	if a == PrivateDir() {
		return newPrivateDir(path)
	}
	temp, err := tempDir(path)
	if err != nil {
		return err
	}
	if a.UID >= 0 || a.GID >= 0 {
		err = os.Lchown(temp, a.UID, a.GID)
	}
	if err == nil {
		err = os.Chmod(temp, a.Mode.Perm())
	}
	if err == nil {
		err = renameNew(temp, path)
	}
	if err == nil {
		return nil
	}
	err = errors.Join(err, OS{}.Remove(temp))
	// Another goroutine or process made it meanwhile: as good.
	if info, statErr := os.Stat(path); statErr == nil && info.IsDir() {
		return nil
	}
	return err
}

// newPrivateDir makes a folder that is ready in one instant: it needs no owner
// and no mode but the one that it is made with, unless the umask is a strange
// one that keeps us out of our own folders.
func newPrivateDir(path string) error {
	err := os.Mkdir(path, 0o700)
	if err == nil {
		return os.Chmod(path, 0o700)
	}
	if info, statErr := os.Stat(path); statErr == nil && info.IsDir() {
		return nil // another goroutine or process made it meanwhile: as good
	}
	return err
}

// tempDir makes the temporary of a folder, or takes over the one that a crash
// left: it has the same name each time. Two that make the same folder at once
// share it; one of them gets to rename it.
func tempDir(path string) (string, error) {
	temp := tempName(path, strings.Repeat("0", tempLen))
	err := os.Mkdir(temp, 0o700)
	if !errors.Is(err, fs.ErrExist) {
		return temp, err
	}
	info, err := os.Lstat(temp)
	if errors.Is(err, fs.ErrNotExist) {
		return temp, nil // renamed just now by the other one
	}
	if err != nil {
		return "", err
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && info.IsDir() && int(stat.Uid) == os.Geteuid() {
		return temp, nil
	}
	temp = Temp(path) // somebody else put something there
	return temp, os.Mkdir(temp, 0o700)
}

// SyncDir implements [Disk].
func (OS) SyncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	// EINVAL: this file system cannot sync folders (some network ones). It
	// keeps its names by its own rules then, and nothing better can be done.
	err = f.Sync()
	if errors.Is(err, syscall.EINVAL) {
		err = nil
	}
	return errors.Join(err, f.Close())
}

// SyncDir implements [Disk], by doing nothing.
func (NoSync) SyncDir(string) error { return nil }

// Append implements [Disk].
func (OS) Append(path string, line []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	n, err := f.Write(line)
	if err == nil && n < len(line) {
		err = fmt.Errorf("append to %s: wrote %d of %d bytes", path, n, len(line))
	}
	return errors.Join(err, f.Close())
}
