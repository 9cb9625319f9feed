package dir

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/certkeep/certkeep/internal/store/backend"
)

// chunk is how many files of one folder a worker reads before it asks for
// more.
const chunk = 128

// listing is a part of the files of one folder.
type listing struct {
	parts []string // of the folder, as names
	key   string   // of the folder
	files []string // with their suffix
}

// Scan implements [backend.Backend]. Names are listed first, then read by as
// many workers as keep processors and disk busy. What is read is thrown away
// after each visit.
func (d *Dir) Scan(ctx context.Context, folder string, visit func(backend.Entry, error) error) error {
	var work []listing
	for l, err := range d.walk(ctx, folder, valueSuffix) {
		if err != nil {
			return err
		}
		for files := range slices.Chunk(l.files, chunk) {
			work = append(work, listing{parts: l.parts, key: l.key, files: files})
		}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(2*runtime.GOMAXPROCS(0), len(work)) {
		workers.Go(func() {
			var buf []byte
			for i := next.Add(1) - 1; int(i) < len(work) && ctx.Err() == nil; i = next.Add(1) - 1 {
				if err := d.visit(ctx, work[i], &buf, visit); err != nil {
					cancel(err)
				}
			}
		})
	}
	workers.Wait()
	return context.Cause(ctx)
}

// visit reads the files of a listing, one after the other, into buf.
func (d *Dir) visit(ctx context.Context, l listing, buf *[]byte, visit func(backend.Entry, error) error) error {
	folder, err := d.openFolder(l.parts)
	if errors.Is(err, backend.ErrNotFound) {
		return nil // removed since it was listed
	}
	if err == nil {
		defer unix.Close(folder)
	}
	for _, file := range l.files {
		if ctx.Err() != nil {
			return nil // Scan knows why
		}
		part, _ := unescape(strings.TrimSuffix(file, valueSuffix), escape)
		entry := backend.Entry{Key: l.key + "/" + part}
		problem := err
		if problem == nil {
			entry.Value, problem = readAt(folder, file, *buf)
		}
		switch {
		case errors.Is(problem, fs.ErrNotExist):
			continue // removed since it was listed
		case problem == nil:
			*buf = entry.Value[:0]
			entry.Revision = d.revision(entry.Value)
		default:
			problem = explain(filepath.Join(d.root, filepath.Join(l.parts...), file), problem)
		}
		if err := visit(entry, problem); err != nil {
			return err
		}
	}
	return nil
}

// Keys implements [backend.Backend].
func (d *Dir) Keys(ctx context.Context, folder string) ([]string, error) {
	var keys []string
	for l, err := range d.walk(ctx, folder, valueSuffix) {
		if err != nil {
			return nil, err
		}
		for _, file := range l.files {
			part, _ := unescape(strings.TrimSuffix(file, valueSuffix), escape)
			keys = append(keys, l.key+"/"+part)
		}
	}
	slices.Sort(keys)
	return keys, nil
}

// walk lists a folder and those below it. Names that are not ours, such as
// temporaries and copies that somebody made, are passed over.
func (d *Dir) walk(ctx context.Context, folder, suffix string) func(yield func(listing, error) bool) {
	return func(yield func(listing, error) bool) {
		parts, err := locateFolder(folder)
		if err != nil {
			yield(listing{}, err)
			return
		}
		d.walkFolder(ctx, listing{parts: parts, key: folder}, suffix, yield)
	}
}

// walkFolder is walk for one folder. It reports whether to go on.
func (d *Dir) walkFolder(ctx context.Context, l listing, suffix string, yield func(listing, error) bool) bool {
	if err := ctx.Err(); err != nil {
		return yield(listing{}, err)
	}
	entries, err := d.list(l.parts)
	if errors.Is(err, backend.ErrNotFound) {
		return true
	}
	if err != nil {
		return yield(listing{}, err)
	}
	var below []listing
	for name, mode := range entries {
		if mode.IsDir() {
			if part, ours := unescape(name, escapeFolder); ours {
				below = append(below, listing{parts: append(slices.Clone(l.parts), name), key: l.key + "/" + part})
			}
			continue
		}
		stem, found := strings.CutSuffix(name, suffix)
		if _, ours := unescape(stem, escape); found && ours {
			l.files = append(l.files, name)
		}
	}
	if len(l.files) > 0 && !yield(l, nil) {
		return false
	}
	for _, folder := range below {
		if !d.walkFolder(ctx, folder, suffix, yield) {
			return false
		}
	}
	return true
}

// settled is how long ago a folder must have changed before one look at it is
// enough: longer than the steps in which file systems count time.
const settled = 50 * time.Millisecond

// list reads the names in a folder. On some file systems (btrfs) a file that
// is replaced while the folder is read gets a new place in it, and a reader
// that runs beside the holder could miss it. So where the folder changed
// meanwhile, or may have, it is read again and the answers are united; a name
// that is gone for good is found out by opening it.
func (d *Dir) list(parts []string) (map[string]fs.FileMode, error) {
	d.names.Lock()
	defer d.names.Unlock()
	names := map[string]fs.FileMode{}
	for range 3 {
		quiet, err := d.listOnce(parts, names)
		if quiet || err != nil {
			return names, err
		}
	}
	return names, nil
}

// listOnce reads the names in a folder once, into names, and reports whether
// nothing changed in it meanwhile.
func (d *Dir) listOnce(parts []string, names map[string]fs.FileMode) (quiet bool, err error) {
	fd, err := d.openFolder(parts)
	if err != nil {
		return false, err
	}
	folder := os.NewFile(uintptr(fd), filepath.Join(d.root, filepath.Join(parts...)))
	defer folder.Close() // opened for reading: closing cannot lose anything
	before, err := folder.Stat()
	if err != nil {
		return false, err
	}
	entries, err := folder.ReadDir(-1)
	if err != nil {
		return false, err
	}
	for _, entry := range entries {
		names[entry.Name()] = entry.Type()
	}
	after, err := folder.Stat()
	if err != nil {
		return false, err
	}
	age := time.Since(before.ModTime())
	return after.ModTime().Equal(before.ModTime()) && age > settled, nil
}
