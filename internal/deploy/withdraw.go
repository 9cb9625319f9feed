package deploy

import (
	"fmt"

	"github.com/certkeep/certkeep/internal/plan"
)

// Withdraw takes files of a target away, as far as they are still what was
// written there: readers find nothing in their place. What is taken away is
// kept in the archive. All of it goes, or after an error none; services are
// not told. It answers which paths it left, since somebody else changed them.
//
// What a crash means: before the journal was saved nothing has happened; after
// it Recover takes away the rest.
func (d *Deployer) Withdraw(t Target, version string, files []plan.File) (foreign []string, err error) {
	defer d.locks.acquire([]string{lockOf(t.Cert, t.Name)})()
	if err := d.recoverTarget(t); err != nil {
		return nil, err
	}
	var ops []Op
	old := map[string]Node{}
	for _, f := range files {
		at, err := look(f.Path)
		switch {
		case err != nil:
			return nil, err
		case at.Kind == KindNothing:
			continue
		case at.SHA256 != f.SHA256:
			foreign = append(foreign, f.Path)
			continue
		}
		ops = append(ops, removal(f.Path, at))
		old[f.Path] = at
	}
	if len(ops) == 0 {
		return foreign, nil
	}
	kept, err := d.archive(t, version, t.kinds(), old)
	if err != nil {
		return nil, err
	}
	return foreign, d.apply(newChange(t, version, ops, kept))
}

// kinds is the target without content: enough to say what kind of file lies at
// a path.
func (t Target) kinds() Image {
	var image Image
	if s, err := t.shape(t.KeyTypes); err == nil {
		for _, slot := range s.slots {
			image.Files = append(image.Files, Want{slot: slot})
		}
	}
	return image
}

// removal is the operation that takes a file away. Nothing is ever staged for
// it.
func removal(path string, old Node) Op {
	staged := stagedName(path, digest([]byte("gone " + path))[:26])
	return Op{Verb: VerbSwitch, Path: path, Staged: staged, New: Node{UID: -1, GID: -1}, Old: old}
}

// remove takes away what stands at the path of an operation. A symlink goes,
// and what it leads to stays.
func (d *Deployer) remove(op Op) error {
	if err := d.disk.Remove(op.Path); err != nil && !d.switched(op) {
		return fmt.Errorf("take %s away: %w", op.Path, err)
	}
	return nil
}
