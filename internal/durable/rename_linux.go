package durable

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// renameNew gives a new name that nothing has yet. A plain rename would put an
// empty folder in the place of another empty one, which somebody else may just
// have made and be about to fill.
func renameNew(oldPath, newPath string) error {
	err := unix.Renameat2(unix.AT_FDCWD, oldPath, unix.AT_FDCWD, newPath, unix.RENAME_NOREPLACE)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) {
		return os.Rename(oldPath, newPath) // a file system or kernel that cannot promise it
	}
	if err != nil {
		return &os.LinkError{Op: "rename", Old: oldPath, New: newPath, Err: err}
	}
	return nil
}
