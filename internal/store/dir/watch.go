package dir

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"path/filepath"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/certkeep/certkeep/internal/store/backend"
)

// appearEvery is how often a folder that is not there yet is looked for.
const appearEvery = time.Second

// Watch implements [backend.Backend]. Every change is one rename or one
// removal in the folder, of which the kernel tells.
func (d *Dir) Watch(ctx context.Context, folder string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		parts, err := locateFolder(folder)
		if err != nil {
			yield("", err)
			return
		}
		watcher, err := fsnotify.NewWatcher()
		if err != nil {
			yield("", fmt.Errorf("watch %s: %w", folder, err))
			return
		}
		defer watcher.Close()
		path := filepath.Join(append([]string{d.root}, parts...)...)
		for d.appear(ctx, watcher, path) {
			if !yield("", nil) || !d.pass(ctx, watcher, folder, path, yield) {
				return
			}
		}
		if err := ctx.Err(); err == nil {
			yield("", fmt.Errorf("watch %s: %w", folder, backend.ErrNotFound))
		}
	}
}

// appear begins to watch a folder as soon as it is there.
func (d *Dir) appear(ctx context.Context, watcher *fsnotify.Watcher, path string) bool {
	look := time.NewTicker(appearEvery)
	defer look.Stop()
	for {
		err := watcher.Add(path)
		if err == nil || !errors.Is(err, fs.ErrNotExist) {
			return err == nil
		}
		select {
		case <-ctx.Done():
			return false
		case <-look.C:
		}
	}
}

// pass yields what changes until the folder itself goes away, when it reports
// true, or nobody listens any more.
func (d *Dir) pass(ctx context.Context, watcher *fsnotify.Watcher, folder, path string, yield func(string, error) bool) bool {
	for {
		select {
		case <-ctx.Done():
			return false
		case event, open := <-watcher.Events:
			switch key, ours := keyIn(folder, event.Name); {
			case !open:
				return false
			case event.Name == path:
				if event.Has(fsnotify.Remove) || event.Has(fsnotify.Rename) {
					_ = watcher.Remove(path) // it has gone already
					return true
				}
			case ours && !yield(key, nil):
				return false
			}
		case err, open := <-watcher.Errors:
			switch {
			case !open:
				return false
			case errors.Is(err, fsnotify.ErrEventOverflow):
				if !yield("", nil) {
					return false
				}
			default:
				return yield("", fmt.Errorf("watch %s: %w", folder, err))
			}
		}
	}
}

// keyIn is the key of a value's file; temporaries and the files of others are
// none.
func keyIn(folder, path string) (string, bool) {
	stem, found := strings.CutSuffix(filepath.Base(path), valueSuffix)
	if !found {
		return "", false
	}
	part, ours := unescape(stem, escape)
	return folder + "/" + part, ours
}
