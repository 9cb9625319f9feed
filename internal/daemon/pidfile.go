package daemon

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"

	"github.com/certkeep/certkeep/internal/durable"
)

// WritePID writes the number of this process to a file, for programs that look
// for it there, and returns what takes the file away again. No path is no
// file. The file is no lock: the state has one. A crash leaves it, and the
// next process writes it anew.
func WritePID(disk durable.Disk, path string) (remove func() error, err error) {
	if path == "" {
		return func() error { return nil }, nil
	}
	text := strconv.Itoa(os.Getpid()) + "\n"
	if err := durable.Write(disk, path, []byte(text), durable.Attr{Mode: 0o644, UID: -1, GID: -1}); err != nil {
		return func() error { return nil }, fmt.Errorf("write pid_file: %w", err)
	}
	return func() error {
		there, err := os.ReadFile(path)
		switch {
		case errors.Is(err, fs.ErrNotExist), err == nil && string(there) != text:
			return nil // it is gone, or another's
		case err == nil:
			err = disk.Remove(path)
		}
		if err != nil {
			return fmt.Errorf("remove pid_file: %w", err)
		}
		return nil
	}, nil
}
