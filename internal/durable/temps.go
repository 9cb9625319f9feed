package durable

import (
	"errors"
	"io/fs"
	"path/filepath"
)

// RemoveTemps removes the temporaries that a process which died left below a folder.
// Only whoever owns the folder calls it, before it writes there. That there is no
// folder is no error. A crash leaves some of them, for the next time.
func RemoveTemps(d Disk, root string) error {
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && IsTemp(entry.Name()) && entry.Type().IsRegular() {
			err = d.Remove(path)
		}
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
