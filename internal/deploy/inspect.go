package deploy

import (
	"errors"
	"io/fs"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/certkeep/certkeep/internal/plan"
)

// Inspector finds out whether installed files were altered. A file whose size
// and time of change are as remembered is not read. Of those that were touched
// and hold the same all the same it remembers how they look now. Its methods
// may be called at the same time.
type Inspector struct {
	mu   sync.Mutex
	seen map[string]sight // by path; guarded by mu
}

// sight is a file as it was when its content was compared.
type sight struct {
	stamp
	sha256 string
}

// stamp tells whether a file was touched. Nobody can set the time of change
// (ctime) back.
type stamp struct {
	size    int64
	changed int64 // nanoseconds
}

// NewInspector makes an Inspector that has seen nothing.
func NewInspector() *Inspector { return &Inspector{seen: map[string]sight{}} }

// Altered returns the paths of files that are missing, cannot be read, or hold
// something else than remembered.
func (i *Inspector) Altered(files []plan.File) []string {
	var altered []string
	for _, f := range files {
		if !i.intact(f) {
			altered = append(altered, f.Path)
		}
	}
	return altered
}

// Forbidden reports whether this user may not read a file, or not even look
// whether it is there: where a helper of root writes files, that says nothing of
// them.
func Forbidden(path string) bool {
	f, err := os.Open(path)
	if err == nil {
		_ = f.Close() // nothing was read
	}
	return errors.Is(err, fs.ErrPermission)
}

func (i *Inspector) intact(f plan.File) bool {
	now, ok := stampOf(f.Path)
	if !ok {
		return false
	}
	if !f.Changed.IsZero() && now == (stamp{f.Size, f.Changed.UnixNano()}) {
		return true
	}
	i.mu.Lock()
	known := i.seen[f.Path]
	i.mu.Unlock()
	if known == (sight{now, f.SHA256}) {
		return true
	}
	// Stamped before it is read: what changes meanwhile is noticed next time.
	data, _, err := read(f.Path)
	if err != nil || digest(data) != f.SHA256 {
		return false
	}
	i.mu.Lock()
	i.seen[f.Path] = sight{now, f.SHA256}
	i.mu.Unlock()
	return true
}

// stampOf looks at a file without reading it; false where none is there.
func stampOf(path string) (stamp, bool) {
	var stat unix.Stat_t
	if err := unix.Stat(path, &stat); err != nil || stat.Mode&unix.S_IFMT != unix.S_IFREG {
		return stamp{}, false
	}
	return stamp{stat.Size, stat.Ctim.Nano()}, true
}

// remember notes how the files look that were installed just now. One that
// somebody changed already gets no time, so that an inspection reads it.
func remember(files []plan.File) {
	for n := range files {
		f := &files[n]
		f.Changed = time.Time{}
		now, ok := stampOf(f.Path)
		if !ok {
			continue
		}
		if data, _, err := read(f.Path); err == nil && digest(data) == f.SHA256 {
			f.Size, f.Changed = now.size, time.Unix(0, now.changed).UTC()
		}
	}
}
