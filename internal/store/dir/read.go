package dir

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/certkeep/certkeep/internal/store/backend"
)

// openFolder opens a folder below the root part by part, so that no symlink
// is followed at any of them. The caller closes the descriptor.
//
// The system calls are used directly here and in readAt: a listing of
// 100,000 records opens as many files, and os.File costs as much again as
// reading them does.
func (d *Dir) openFolder(parts []string) (int, error) {
	path := d.root
	fd, err := openAt(unix.AT_FDCWD, path, unix.O_DIRECTORY)
	for _, part := range parts {
		if err != nil {
			break
		}
		parent := fd
		path = filepath.Join(path, part)
		fd, err = openAt(parent, part, unix.O_DIRECTORY)
		unix.Close(parent)
	}
	return fd, explain(path, err)
}

// openAt opens name in a folder for reading. It follows no symlink, and does
// not wait where somebody planted a pipe.
func openAt(folder int, name string, flags int) (int, error) {
	for {
		fd, err := unix.Openat(folder, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC|flags, 0)
		if !errors.Is(err, unix.EINTR) {
			return fd, err
		}
	}
}

// openFile opens the file at loc. The caller closes the descriptor.
func (d *Dir) openFile(loc location) (int, error) {
	folder, err := d.openFolder(loc.folder)
	if err != nil {
		return -1, err
	}
	defer unix.Close(folder)
	fd, err := openAt(folder, loc.file, 0)
	return fd, explain(d.path(loc), err)
}

// explain turns the error of an open into one that callers act on.
func explain(path string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.ENOENT):
		return fmt.Errorf("%s: %w", path, backend.ErrNotFound)
	case errors.Is(err, unix.ELOOP), errors.Is(err, unix.ENOTDIR), errors.Is(err, unix.EMLINK):
		return fmt.Errorf("open %s: it is a symlink, or not what should be there: %w", path, err)
	default:
		return &fs.PathError{Op: "open", Path: path, Err: err}
	}
}

// read reads the file at loc and hands it to use, whose it is only until use
// returns.
func (d *Dir) read(loc location, use func(value []byte)) error {
	folder, err := d.openFolder(loc.folder)
	if err != nil {
		return err
	}
	defer unix.Close(folder)
	buf, _ := d.buffers.Get().(*[]byte)
	if buf == nil {
		buf = new([]byte)
	}
	defer d.buffers.Put(buf)
	value, err := readAt(folder, loc.file, *buf)
	if err != nil {
		return explain(d.path(loc), err)
	}
	use(value)
	*buf = value[:0]
	return nil
}

// readAt reads a file of a folder, into buf where it is large enough. The
// file is read from one descriptor, so a rename meanwhile does not mix two.
// What is no regular file gives an error, or nothing, and so no record.
func readAt(folder int, name string, buf []byte) ([]byte, error) {
	fd, err := openAt(folder, name, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	if cap(buf) < firstRead {
		buf = make([]byte, firstRead)
	}
	buf = buf[:cap(buf)]
	for n := 0; ; {
		m, err := unix.Read(fd, buf[n:])
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return nil, err
		}
		n += m
		if n > MaxValue {
			return nil, fmt.Errorf("more than %d bytes, which no record has", MaxValue)
		}
		// The kernel gives all that there is of a regular file, so less than
		// asked for is its end.
		if n < len(buf) {
			return buf[:n], nil
		}
		buf = append(buf, make([]byte, len(buf))...)
	}
}

// firstRead is how much is read at once: nearly every record whole.
const firstRead = 16 << 10
