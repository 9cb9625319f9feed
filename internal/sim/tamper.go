package sim

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/certkeep/certkeep/internal/engine"
)

// spoilt is what somebody did to installed files: by the path where they lie,
// behind symlinks, what he left there. As long as readers get to that, Certkeep
// has not come to repair it, or has put it back because a service would not
// take anything else.
type spoilt struct {
	mu   sync.Mutex
	left map[string]string // "" where he removed the file; guarded by mu
}

// tamper is somebody who changes an installed file.
func (w *world) tamper(dice *rand.Rand, at time.Time) []event {
	p, remove := w.troubled(dice), dice.IntN(2) == 0
	return []event{{at, func(*engine.Engine) {
		if _, err := os.Stat(w.chainFile(p)); err != nil || !p.wanted {
			return
		}
		w.note("somebody changes %s", w.chainFile(p))
		w.fault("file changed")
		w.spoil(p, remove)
	}}}
}

// spoil removes the chain that is installed, or writes something else there.
func (w *world) spoil(p *cert, remove bool) {
	path, err := w.chainLies(p)
	if err != nil {
		w.must(err)
		return
	}
	text := "hello"
	if remove {
		text = ""
	}
	p.spoilt.mu.Lock()
	defer p.spoilt.mu.Unlock()
	if p.spoilt.left == nil {
		p.spoilt.left = map[string]string{}
	}
	p.spoilt.left[path] = text
	if remove {
		w.must(os.Remove(path))
	} else {
		w.must(os.WriteFile(path, []byte(text), 0o644))
	}
}

// isSpoilt reports whether readers of the chain get to what somebody left.
func (w *world) isSpoilt(p *cert) bool {
	path, err := w.chainLies(p)
	if err != nil {
		return false
	}
	p.spoilt.mu.Lock()
	defer p.spoilt.mu.Unlock()
	left, touched := p.spoilt.left[path]
	text, err := os.ReadFile(path)
	return touched && string(text) == left && (err == nil) == (left != "")
}

// chainLies is the path of the chain behind the symlinks that lead there. The
// file itself may be missing.
func (w *world) chainLies(p *cert) (string, error) {
	folder, name := filepath.Split(w.chainFile(p))
	folder, err := filepath.EvalSymlinks(folder)
	return filepath.Join(folder, name), err
}
