package deploy

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/certkeep/certkeep/internal/durable"
)

// complete reports whether all switches that are still to come can be made.
func (d *Deployer) complete(entries []Op) bool {
	for _, op := range entries {
		at, errAt := look(op.Path)
		staged, errStaged := look(op.Staged)
		if errAt != nil || errStaged != nil {
			return false
		}
		if !at.same(op.New) && !staged.same(op.New) {
			return false
		}
	}
	return true
}

// forward makes the switches that are still to come. Where a file is neither
// the old nor the new one, it is left and named.
func (d *Deployer) forward(entries []Op) (foreign []string, err error) {
	for _, op := range entries {
		at, err := look(op.Path)
		if err != nil {
			return foreign, err
		}
		staged, err := look(op.Staged)
		if err != nil {
			return foreign, err
		}
		switch {
		case op.New.Kind == KindNothing && at.Kind == KindNothing: // taken away already
		case op.New.Kind != KindNothing && staged.Kind == KindNothing: // switched already
		case op.known(at):
			err = d.swtch(op)
		default:
			foreign = append(foreign, op.Path)
			err = d.disk.Remove(op.Staged)
		}
		if err != nil {
			return foreign, err
		}
	}
	return foreign, nil
}

// known reports whether what stands at the path of a switch is the old or the
// new one, or nothing: putting something there destroys nothing.
func (op Op) known(at Node) bool {
	return at.Kind == KindNothing || at.same(op.Old) || at.same(op.New)
}

// back puts back what switches replaced, and removes what was staged for
// them. It may be run again, and on switches that never happened. Where a file
// is neither the old nor the new one, it is left and named.
func (d *Deployer) back(entries []Op) (foreign []string, err error) {
	restore, foreign, err := d.planBack(entries)
	if err != nil {
		return nil, err
	}
	// Copies first, so that the renames follow each other without a wait.
	for _, op := range restore {
		if err := d.stageBack(op); err != nil {
			return nil, fmt.Errorf("put back %s: %w", op.Path, err)
		}
	}
	for _, op := range restore {
		if err := d.switchBack(op); err != nil {
			return nil, fmt.Errorf("put back %s: %w", op.Path, err)
		}
	}
	for _, op := range entries {
		if err := d.disk.Remove(op.Staged); err != nil {
			return nil, err
		}
	}
	return foreign, nil
}

// planBack finds out which paths are not as they were.
func (d *Deployer) planBack(entries []Op) (restore []Op, foreign []string, err error) {
	for _, op := range entries {
		at, err := look(op.Path)
		if err != nil {
			return nil, nil, err
		}
		switch {
		case at == op.Old: // as it was
		case !op.known(at):
			foreign = append(foreign, op.Path)
		default:
			op.Verb = VerbRestore
			op.Staged = backName(op)
			restore = append(restore, op)
		}
	}
	return restore, foreign, nil
}

// backName is where the old one waits for its return.
func backName(op Op) string {
	return stagedName(op.Path, digest([]byte("back " + op.Path))[:26])
}

// stageBack makes the old file or symlink beside its path.
func (d *Deployer) stageBack(op Op) error {
	if err := d.disk.Remove(op.Staged); err != nil {
		return err
	}
	switch op.Old.Kind {
	case KindLink:
		return d.disk.Symlink(op.Old.Link, op.Staged)
	case KindFile:
		data, err := d.keptCopy(op)
		if err != nil {
			return err
		}
		return d.disk.Create(op.Staged, data, durable.Attr{Mode: op.Old.Mode, UID: op.Old.UID, GID: op.Old.GID})
	}
	return nil
}

// switchBack brings the old one back to its path.
func (d *Deployer) switchBack(op Op) error {
	switch op.Old.Kind {
	case KindFile, KindLink:
		err := d.disk.Rename(op.Staged, op.Path)
		if at, lookErr := look(op.Path); err != nil && lookErr == nil && at.same(op.Old) && !stands(op.Staged) {
			return nil // done, although the answer says otherwise
		}
		return err
	case KindFolder:
		if !stands(op.Aside) {
			return errors.New("the folder that was moved aside is gone")
		}
		if at, err := look(op.Path); err != nil || at.Kind == KindLink {
			if err := errors.Join(err, d.disk.Remove(op.Path)); err != nil {
				return err
			}
		}
		return d.disk.Rename(op.Aside, op.Path)
	default: // there was nothing
		return d.disk.Remove(op.Path)
	}
}

// undo brings a target back to what it was before an installation that was
// complete: its service did not take it. A crash in the middle is finished by
// Recover.
func (d *Deployer) undo(c change) error {
	j := c.journal(true)
	if err := d.saveJournal(j); err != nil {
		return err
	}
	foreign, err := d.back(j.Entries)
	if err != nil {
		return &HalfError{Err: err}
	}
	if err := d.finish(j); err != nil {
		return err
	}
	if len(foreign) > 0 {
		return &ForeignError{Path: filepath.Base(foreign[0]), What: "changed by somebody else while it was being put back"}
	}
	return nil
}
