package dir

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync"
	"time"

	"github.com/certkeep/certkeep/internal/durable"
)

// unsynced are the folders in which a change may be seen that a power cut
// would take back: its sync failed.
type unsynced struct {
	mu      sync.Mutex
	folders map[string]bool
}

// add takes note of the folder of a location and of those above it, which the
// change may have made.
func (u *unsynced) add(root string, loc location) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.folders == nil {
		u.folders = map[string]bool{}
	}
	for n := range len(loc.folder) + 1 {
		u.folders[filepath.Join(root, filepath.Join(loc.folder[:n]...))] = true
	}
}

// settle syncs them. Nothing that follows from what was read there may become
// durable before it.
func (u *unsynced) settle(disk durable.Disk) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	for folder := range u.folders {
		if err := disk.SyncDir(folder); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("make earlier changes durable: %w", err)
		}
		delete(u.folders, folder)
	}
	return nil
}

// writeback is how long after a change the system has written it to the disk by
// itself, whoever died.
const writeback = time.Hour

// Sweep puts in order what a writer which died left: it removes temporaries,
// and makes durable what readers can see, since the writer may have been killed
// between a change and its sync. Only whoever holds the state calls it.
func (d *Dir) Sweep(ctx context.Context) error {
	d.names.Lock()
	defer d.names.Unlock()
	err := filepath.WalkDir(d.root, func(path string, entry fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		switch {
		case err != nil:
			return err
		case durable.IsTemp(entry.Name()):
			err = d.disk.Remove(path)
			if err == nil && entry.IsDir() {
				err = fs.SkipDir
			}
			return err
		case entry.IsDir():
			return d.syncRecent(path, entry)
		}
		return nil
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("put in order what a killed process left: %w", err)
	}
	return nil
}

// syncRecent syncs a folder that was changed of late, or seems to be yet.
func (d *Dir) syncRecent(path string, entry fs.DirEntry) error {
	info, err := entry.Info()
	if err != nil || time.Since(info.ModTime()) > writeback {
		return err
	}
	return d.disk.SyncDir(path)
}
