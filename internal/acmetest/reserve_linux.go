package acmetest

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// reserveFor is how long a port is kept for whoever got it: by then his server
// listens there.
const reserveFor = time.Minute

// reserve reports whether no other test has a port, and keeps it from them: each
// port is a byte of a file that all tests of the machine share, and whoever has
// the port holds a lock on that byte. Where there is no such file for us the
// port is free as far as anybody can say.
func reserve(port int) bool {
	f, err := ports(filepath.Join(os.TempDir(), "certkeep-test-ports"))
	if err != nil {
		return true
	}
	lock := unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart, Start: int64(port), Len: 1}
	if err := unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &lock); err != nil {
		f.Close()
		return !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EACCES)
	}
	time.AfterFunc(reserveFor, func() { f.Close() })
	return true
}

// ports opens the shared file, which may be another user's.
func ports(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if !errors.Is(err, os.ErrNotExist) {
		return f, err
	}
	if f, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o666); err != nil {
		return nil, err
	}
	_ = f.Chmod(0o666) // for tests of other users, whatever the mask
	return f, nil
}
