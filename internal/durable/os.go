package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
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
		_ = OS{}.Remove(path) // O_EXCL: it is ours; see clean
	}
	return err
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
