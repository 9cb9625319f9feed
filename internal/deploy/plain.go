package deploy

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/certkeep/certkeep/internal/plan"
)

// Plain is a file whose content comes from no key or certificate: what others
// say of a certificate, or a piece of a server's configuration. It holds
// nothing secret.
type Plain struct {
	Path  string // absolute
	Data  []byte
	Mode  fs.FileMode // 0: 0644
	Owner string
	Group string
}

// slot is the file, content aside.
func (p Plain) slot() slot {
	s := slot{name: p.Path, mode: p.Mode.Perm(), explicit: p.Mode != 0, owner: p.Owner, group: p.Group}
	if !s.explicit {
		s.mode = 0o644
	}
	return s
}

// renderPlain is Render for a target of plain files.
func (t Target) renderPlain() (Image, error) {
	var image Image
	all := sha256.New()
	for i, p := range t.Plain {
		if !filepath.IsAbs(p.Path) || p.Path != filepath.Clean(p.Path) || p.Path == "/" {
			return Image{}, fmt.Errorf("%q is no absolute path of a file", p.Path)
		}
		if slices.ContainsFunc(t.Plain[:i], func(o Plain) bool { return o.Path == p.Path }) {
			return Image{}, fmt.Errorf("%s is listed twice", p.Path)
		}
		w := Want{slot: p.slot(), Data: p.Data, SHA256: digest(p.Data)}
		fmt.Fprintf(all, "%q %s %o %q %q\n", w.name, w.SHA256, w.mode, w.owner, w.group)
		image.Files = append(image.Files, w)
	}
	image.Tag = hex.EncodeToString(all.Sum(nil))[:26]
	return image, nil
}

// plainServed reports whether all plain files of the target exist: then they
// are put back where a service refuses the new ones.
func (t Target) plainServed() (bool, error) {
	for _, p := range t.Plain {
		node, err := look(p.Path)
		if err != nil {
			return false, err
		}
		if node.SHA256 == "" {
			return false, nil
		}
	}
	return true, nil
}

// forgetCopies removes the copies of what a job replaced, where that was our
// own: of a response that changes every few days nobody needs the earlier
// ones, and of a placeholder none. A crash before it leaves them to
// PruneArchive.
func (d *Deployer) forgetCopies(w *work) error {
	if len(w.job.Ours) == 0 {
		return nil
	}
	folders := map[string]bool{}
	for path, copied := range w.kept {
		if !slices.ContainsFunc(w.job.Ours, func(f plan.File) bool { return f.Path == path && f.SHA256 == w.replaced[path].SHA256 }) {
			return nil
		}
		folders[filepath.Dir(copied)] = true
	}
	for folder := range folders {
		if err := d.removeFolder(folder); err != nil {
			return fmt.Errorf("remove copies of earlier files: %w", err)
		}
	}
	return nil
}
