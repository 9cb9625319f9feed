package daemon

import (
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/certkeep/certkeep/internal/config"
)

// givenSettles is how long files of certificates that somebody else makes have
// to be left alone before they are looked at: a certificate and its key do not
// change at once.
const givenSettles = 2 * time.Second

// givenWatch notices that files changed which somebody else makes. Their
// folders are watched, since most tools put another file in their place; and
// once in a while each is looked at, where watching fails or tells nothing, as
// of network file systems. All fields belong to the loop.
type givenWatch struct {
	d       *daemon
	watcher *fsnotify.Watcher // nil where the system gives none
	folders []string
	stamps  map[string]stamp
	settle  *time.Timer
}

// stamp tells one content of a file from the next.
type stamp struct {
	size    int64
	changed time.Time
	file    os.FileInfo // which file it is; nil where there is none
}

func newGivenWatch(d *daemon) *givenWatch {
	w := &givenWatch{d: d, settle: time.NewTimer(time.Hour)}
	w.settle.Stop()
	return w
}

// follow watches the files of a config.
func (w *givenWatch) follow(cfg *config.Config) {
	w.stamps = map[string]stamp{}
	var folders []string
	for _, path := range cfg.StaticFiles() {
		w.stamps[path] = stampOf(path)
		folders = append(folders, filepath.Dir(path))
	}
	slices.Sort(folders)
	folders = slices.Compact(folders)
	if w.watcher == nil && len(folders) > 0 {
		watcher, err := fsnotify.NewWatcher()
		if err != nil {
			w.d.log.Warn("files of certificates that others make cannot be watched, and are looked at every few seconds", "error", err)
			return
		}
		w.watcher = watcher
	}
	if w.watcher == nil {
		return
	}
	for _, folder := range w.folders {
		if !slices.Contains(folders, folder) {
			_ = w.watcher.Remove(folder) // it is gone, or watched to no end
		}
	}
	for _, folder := range folders {
		if err := w.watcher.Add(folder); err != nil {
			w.d.log.Debug("a folder cannot be watched; its files are looked at every few seconds", "folder", folder, "error", err)
		}
	}
	w.folders = folders
}

// stirred tells that something happened in one of the folders; nil where
// nothing is watched.
func (w *givenWatch) stirred() <-chan fsnotify.Event {
	if w.watcher == nil {
		return nil
	}
	return w.watcher.Events
}

// failed tells that watching failed, and of what: what was missed is seen by
// the next look.
func (w *givenWatch) failed() <-chan error {
	if w.watcher == nil {
		return nil
	}
	return w.watcher.Errors
}

// look compares the files with what they were, and waits for them to settle
// where they changed.
func (w *givenWatch) look() {
	changed := false
	for path, before := range w.stamps {
		if now := stampOf(path); !now.same(before) {
			w.stamps[path], changed = now, true
		}
	}
	if changed {
		w.settle.Reset(givenSettles)
	}
}

// settled is done once changed files were left alone. The config is read again
// where it depends on what they hold; else the engine looks at them.
func (w *givenWatch) settled() {
	if w.d.config().StaticDiffers() {
		w.d.log.Info("a certificate that somebody else makes is of another kind now; reading the config again")
		_ = w.d.reload() // logged, and a Problem
		return
	}
	w.d.log.Info("files of a certificate that somebody else makes have changed; looking now")
	w.d.engine.Wake()
}

func (w *givenWatch) end() {
	w.settle.Stop()
	if w.watcher == nil {
		return
	}
	if err := w.watcher.Close(); err != nil {
		w.d.log.Debug("end watching files", "error", err)
	}
}

func stampOf(path string) stamp {
	info, err := os.Stat(path)
	if err != nil {
		return stamp{}
	}
	return stamp{size: info.Size(), changed: info.ModTime(), file: info}
}

func (s stamp) same(as stamp) bool {
	if s.file == nil || as.file == nil {
		return s.file == nil && as.file == nil
	}
	return s.size == as.size && s.changed.Equal(as.changed) && os.SameFile(s.file, as.file)
}
