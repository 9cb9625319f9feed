package durable

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Lock is an exclusive lock that ends with its process, however it ends, so
// that there is no stale lock. The file keeps a note for people and for the
// next holder; the lock itself is the kernel's (flock(2)), not the file.
type Lock struct {
	f *os.File
}

// LockedError says that another process, or another part of this one, has
// the lock.
type LockedError struct {
	Path string
	Note []byte // what its holder marked, if it did so already
}

// Error names the file, not the note: whoever wrote it knows how to read it.
func (e *LockedError) Error() string { return e.Path + " is locked" }

// maxNote bounds how much of a note is read.
const maxNote = 4 << 10

// TryLock locks the file at path, which must exist, and returns the note that
// was found in it: empty when the last holder unlocked, its mark when it
// died. When somebody else has the lock the error is a *LockedError.
func TryLock(path string) (*Lock, []byte, error) {
	f, err := os.OpenFile(path, os.O_RDWR|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return nil, nil, err
	}
	locked := flock(f)
	note, err := io.ReadAll(io.NewSectionReader(f, 0, maxNote))
	switch {
	case errors.Is(locked, unix.EWOULDBLOCK):
		locked = &LockedError{Path: path, Note: note}
	case locked != nil:
		locked = fmt.Errorf("lock %s: %w", path, locked)
	case err == nil:
		return &Lock{f: f}, note, nil
	}
	return nil, nil, errors.Join(locked, err, f.Close())
}

// flock asks for the lock without waiting.
func flock(f *os.File) error {
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// Mark replaces the note. It is written in place, since a rename would put
// an unlocked file there. A crash, or an error, may leave any part of it with
// the end of the old one; where one of both is not empty it leaves something.
// A note that says something is durable, so that a machine that loses power
// leaves it too; an empty one is not, and the old one may come back.
func (l *Lock) Mark(note []byte) error {
	if _, err := l.f.WriteAt(note, 0); err != nil {
		return err
	}
	if err := l.f.Truncate(int64(len(note))); err != nil {
		return err
	}
	if len(note) == 0 {
		return nil
	}
	return l.f.Sync()
}

// Unlock empties the note, which says that all ended well, and lets go.
func (l *Lock) Unlock() error { return errors.Join(l.Mark(nil), l.f.Close()) }

// Abandon lets go and leaves the note, as if the process had died: the next
// holder has something to recover.
func (l *Lock) Abandon() error { return l.f.Close() }
