// Package dir keeps the store's records in a folder, as docs/STORE.md says:
// a value is a file KEY.json, a history a file KEY.jsonl.
//
// New is the function to call first; it touches nothing. Whoever writes must
// be alone, which package store sees to with a lock on the state folder, and
// calls Sweep when the last writer did not end properly. Readers may come at
// any time: every change is one rename.
//
// A key never leads out of the folder: parts are escaped, and a symlink
// anywhere below it is refused, not followed.
package dir

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/store/backend"
)

// The suffixes of files. A history and a value may so have the same key.
const (
	valueSuffix   = ".json"
	historySuffix = ".jsonl"
)

// MaxValue bounds a value: 16 MiB, a hundred times the largest we write. A
// larger file was not made by us.
const MaxValue = 16 << 20

// Dir is a Backend in a folder.
type Dir struct {
	root string
	disk durable.Disk
	seed maphash.Seed

	// keys guard the comparing and writing of one key against each other
	// within this process; other processes do not write.
	keys [64]sync.Mutex
	// names guards folders: held shared while a name changes, alone while
	// folders are listed or removed. A listing that runs while a file is
	// replaced could otherwise miss it: some file systems give the new file
	// a place that the listing already passed.
	names    sync.RWMutex
	unsynced unsynced
	// buffers are for reading into, a *[]byte each.
	buffers sync.Pool
}

var _ backend.Backend = (*Dir)(nil)

// New returns the Backend in the folder root, which need not exist yet: it is
// made by the first Put, and empty until then.
func New(root string, disk durable.Disk) *Dir {
	return &Dir{root: root, disk: disk, seed: maphash.MakeSeed()}
}

// Get implements [backend.Backend].
func (d *Dir) Get(ctx context.Context, key string) (backend.Entry, error) {
	if err := ctx.Err(); err != nil {
		return backend.Entry{}, err
	}
	loc, err := locate(key, valueSuffix)
	if err != nil {
		return backend.Entry{}, err
	}
	entry := backend.Entry{Key: key}
	err = d.read(loc, func(value []byte) {
		entry.Value, entry.Revision = bytes.Clone(value), d.revision(value)
	})
	if err != nil {
		return backend.Entry{}, err
	}
	return entry, nil
}

// revision names a content. Comparing contents rather than counting changes
// sees what another process wrote as well.
func (d *Dir) revision(value []byte) backend.Revision {
	return backend.Revision(strconv.FormatUint(maphash.Bytes(d.seed, value), 36))
}

// current is the revision of what is on the disk now, "" where nothing is.
func (d *Dir) current(loc location) (backend.Revision, error) {
	var revision backend.Revision
	err := d.read(loc, func(value []byte) { revision = d.revision(value) })
	if errors.Is(err, backend.ErrNotFound) {
		return "", nil
	}
	return revision, err
}

// lock returns the mutex of a key.
func (d *Dir) lock(loc location) *sync.Mutex {
	return &d.keys[maphash.String(d.seed, loc.String())%uint64(len(d.keys))]
}

// Put implements [backend.Backend]. See [durable.Write] for what a crash at
// each of its steps leaves: the old value or the new one.
func (d *Dir) Put(ctx context.Context, key string, value []byte, ifRevision backend.Revision) (backend.Revision, error) {
	loc, err := locate(key, valueSuffix)
	if err != nil {
		return "", err
	}
	if len(value) > MaxValue {
		return "", fmt.Errorf("put %s: %d bytes are too many", key, len(value))
	}
	mu := d.lock(loc)
	mu.Lock()
	defer mu.Unlock()
	if err := ctx.Err(); err != nil {
		return "", err
	}
	switch now, err := d.current(loc); {
	case err != nil:
		return "", err
	case now != ifRevision:
		return "", fmt.Errorf("put %s: %w", key, backend.ErrConflict)
	}
	d.names.RLock()
	defer d.names.RUnlock()
	if err := d.write(loc, value); err != nil {
		return "", fmt.Errorf("put %s: %w", key, err)
	}
	return d.revision(value), nil
}

// write makes a value durable, and before it all that readers could see of
// earlier ones: whoever read them may be about to store what follows from them.
func (d *Dir) write(loc location, value []byte) error {
	if err := d.unsynced.settle(d.disk); err != nil {
		return err
	}
	err := d.disk.Mkdir(d.folder(loc), durable.PrivateDir())
	if err == nil {
		err = durable.Write(d.disk, d.path(loc), value, durable.Private())
	}
	if err != nil {
		d.unsynced.add(d.root, loc) // it may be seen all the same
	}
	return err
}

// Delete implements [backend.Backend].
func (d *Dir) Delete(ctx context.Context, key string, ifRevision backend.Revision) error {
	loc, err := locate(key, valueSuffix)
	if err != nil {
		return err
	}
	mu := d.lock(loc)
	mu.Lock()
	defer mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	switch now, err := d.current(loc); {
	case err != nil && ifRevision != "":
		return err
	case err == nil && now == "":
		return nil
	case err == nil && ifRevision != "" && now != ifRevision:
		return fmt.Errorf("delete %s: %w", key, backend.ErrConflict)
	}
	if err := d.unsynced.settle(d.disk); err != nil {
		return fmt.Errorf("delete %s: %w", key, err)
	}
	if err := d.remove(loc); err != nil {
		d.unsynced.add(d.root, loc)
		return fmt.Errorf("delete %s: %w", key, err)
	}
	return nil
}

// remove removes a file, and its folder when it was the last one in a folder
// of one certificate, node or issuer. A crash after the first step leaves an
// empty folder, which means nothing.
func (d *Dir) remove(loc location) error {
	folder := d.folder(loc)
	d.names.Lock()
	defer d.names.Unlock()
	if err := d.disk.Remove(d.path(loc)); err != nil {
		return err
	}
	if err := d.disk.SyncDir(folder); err != nil {
		return err
	}
	if len(loc.folder) < 2 {
		return nil
	}
	err := d.disk.Remove(folder)
	if errors.Is(err, syscall.ENOTEMPTY) || errors.Is(err, syscall.EEXIST) {
		return nil
	}
	return err
}

// location is a key as parts of a path below the root.
type location struct {
	folder []string
	file   string
}

// String joins the parts, for hashing and messages.
func (l location) String() string {
	return strings.Join(append(l.folder[:len(l.folder):len(l.folder)], l.file), "/")
}

// folder is the folder in which a location lies.
func (d *Dir) folder(loc location) string {
	return filepath.Join(d.root, filepath.Join(loc.folder...))
}

// path is the file of a location.
func (d *Dir) path(loc location) string { return filepath.Join(d.folder(loc), loc.file) }
