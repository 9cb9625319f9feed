package deploy

import (
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/certkeep/certkeep/internal/plan"
)

// Inspector finds out whether installed files were altered. As long as a
// file's size and time of change are those of its installation, the content
// was not touched; else it is read once, and its new stat remembered. Its
// methods may be called at the same time.
type Inspector struct {
	mu   sync.Mutex
	seen map[string]sight // by path; guarded by mu
}

// sight is a file as it was when its content was last compared. It is small:
// a host may have hundreds of thousands.
type sight struct {
	inode   uint64
	size    int64
	changed int64  // ctime in nanoseconds, which nobody can set back
	sha256  uint64 // the beginning of the digest
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

// Forget drops what is known of paths that are no longer installed.
func (i *Inspector) Forget(paths ...string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, path := range paths {
		delete(i.seen, path)
	}
}

func (i *Inspector) intact(f plan.File) bool {
	before, ok := see(f)
	if !ok {
		return false
	}
	if before.size == f.Size && before.changed == f.Changed.UnixNano() {
		return true
	}
	i.mu.Lock()
	known, ok := i.seen[f.Path]
	i.mu.Unlock()
	if ok && known == before {
		return true
	}
	// Seen before it is read: what changes meanwhile is noticed next time.
	data, _, err := read(f.Path)
	if err != nil || digest(data) != f.SHA256 {
		return false
	}
	i.mu.Lock()
	i.seen[f.Path] = before
	i.mu.Unlock()
	return true
}

// stamp adds to facts what the files look like now, right after they were
// switched; a file that cannot be looked at is read at its first inspection.
func stamp(files []plan.File) {
	for i := range files {
		if now, ok := see(files[i]); ok {
			files[i].Size, files[i].Changed = now.size, time.Unix(0, now.changed).UTC()
		}
	}
}

// see looks at a file without reading it.
func see(f plan.File) (sight, bool) {
	var stat unix.Stat_t
	if err := unix.Stat(f.Path, &stat); err != nil || stat.Mode&unix.S_IFMT != unix.S_IFREG || len(f.SHA256) < 16 {
		return sight{}, false
	}
	prefix, err := strconv.ParseUint(f.SHA256[:16], 16, 64)
	return sight{inode: stat.Ino, size: stat.Size, changed: stat.Ctim.Nano(), sha256: prefix}, err == nil
}
