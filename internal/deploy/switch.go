package deploy

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/certkeep/certkeep/internal/durable"
)

// change is what one installation does to a target's files.
type change struct {
	cert, target, version string
	stage                 []Op
	swtch                 []Op
}

// newChange sorts the operations of Plan. kept says where the archive has
// what the switches replace.
func newChange(t Target, version string, ops []Op, kept map[string]string) change {
	c := change{cert: t.Cert, target: t.Name, version: version}
	for _, op := range ops {
		if op.Verb == VerbStage {
			c.stage = append(c.stage, op)
			continue
		}
		if op.Old.SHA256 != "" {
			op.Kept = kept[op.Path]
		}
		c.swtch = append(c.swtch, op)
	}
	return c
}

// apply stages and switches. After an error the old files are in place, unless
// the error is a *HalfError.
//
// What a crash means:
//   - while staging: nobody reads what was staged; the next attempt makes it anew;
//   - after the journal was saved: Recover finishes the switches;
//   - where one rename is all, there is no journal: it happened or it did not.
func (d *Deployer) apply(c change) error {
	if err := d.stage(c.stage); err != nil {
		d.discard(c.stage)
		return err
	}
	j := c.journal(false)
	if err := d.saveJournal(j); err != nil {
		d.discard(c.stage)
		// The answer to a write may be lost after it was made.
		return errors.Join(err, d.dropJournal(j))
	}
	for _, op := range c.swtch {
		if err := d.swtch(op); err != nil {
			return d.giveUp(j, err)
		}
	}
	return d.finish(j)
}

// stage makes what is to be switched, and its names durable.
func (d *Deployer) stage(ops []Op) error {
	for _, dir := range dirsOf(ops, func(op Op) string { return op.Staged }) {
		if err := d.makeFolder(dir, ops); err != nil {
			return fmt.Errorf("make folder: %w", err)
		}
	}
	for _, op := range ops {
		if err := d.stageOne(op); err != nil {
			return fmt.Errorf("stage %s: %w", op.Path, err)
		}
	}
	return d.syncDirs(ops, func(op Op) string { return op.Staged })
}

// makeFolder makes a folder of files. Those above it may be entered by all.
func (d *Deployer) makeFolder(dir string, ops []Op) error {
	attr := d.folderFor(dir, ops)
	if attr != folderAttr() {
		if err := d.disk.Mkdir(filepath.Dir(dir), folderAttr()); err != nil {
			return err
		}
	}
	return d.disk.Mkdir(dir, attr)
}

// folderFor is how a folder is made for what is staged in it. Where the
// administrator said who may read each of these files, nobody else may enter;
// so does acmebot. Who may write a file may not exchange it for another one, or
// for a symlink: a folder is its owner's to write.
func (d *Deployer) folderFor(dir string, ops []Op) durable.Attr {
	var attr durable.Attr
	for _, op := range ops {
		switch {
		case filepath.Dir(op.Staged) != dir:
			continue
		case d.keepsOutOf != 0 && op.New.UID == d.keepsOutOf:
			return folderAttr() // next time nothing would be written into his
		case !op.Exact || attr.Mode != 0 && (attr.UID != op.New.UID || attr.GID != op.New.GID):
			return folderAttr()
		}
		attr.Mode |= 0o700 | op.New.Mode&^0o022 | op.New.Mode&0o444>>2 // who may read may enter
		attr.UID, attr.GID = op.New.UID, op.New.GID
	}
	if attr.Mode == 0 {
		return folderAttr()
	}
	return attr
}

func (d *Deployer) stageOne(op Op) error {
	if stands(op.Staged) { // an attempt before this one left it
		if err := d.disk.Remove(op.Staged); err != nil {
			return err
		}
	}
	if op.New.Kind == KindLink {
		return d.disk.Symlink(op.New.Link, op.Staged)
	}
	return d.disk.Create(op.Staged, op.Data, durable.Attr{Mode: op.New.Mode, UID: op.New.UID, GID: op.New.GID})
}

// discard removes what was staged. Failing to do so harms nobody: the next
// attempt uses the same names, and tidy removes what is left.
func (d *Deployer) discard(ops []Op) {
	for _, op := range ops {
		if d.disk.Remove(op.Staged) != nil {
			d.temps.lookAgain(filepath.Dir(op.Staged))
		}
	}
	for _, op := range ops {
		if op.New.Kind == KindLink {
			_ = d.disk.Remove(filepath.Join(filepath.Dir(op.Staged), op.New.Link))
		}
	}
}

// swtch brings one staged file or symlink to its path. An error whose effect
// took place nevertheless is none.
func (d *Deployer) swtch(op Op) error {
	if op.New.Kind == KindNothing {
		return d.remove(op)
	}
	if op.Aside != "" {
		if err := d.moveAside(op); err != nil {
			return fmt.Errorf("move the old folder aside: %w", err)
		}
	}
	err := d.disk.Rename(op.Staged, op.Path)
	if err == nil || d.switched(op) {
		return nil
	}
	return fmt.Errorf("switch %s: %w", op.Path, err)
}

// moveAside gives the folder that a symlink replaces another name. A process
// that was killed after it may find that whoever made the folder has made it
// again: that one is kept beside the first.
func (d *Deployer) moveAside(op Op) error {
	at, err := look(op.Path)
	if err != nil {
		return err
	}
	aside := op.Aside
	for n := 1; at.Kind == KindFolder && stands(aside); n++ {
		aside = asideName(op.Path, n)
	}
	if err := d.disk.Rename(op.Path, aside); err != nil && !stands(aside) {
		return err
	}
	return nil
}

// switched reports whether the path shows what was staged, and the staged
// name is gone.
func (d *Deployer) switched(op Op) bool {
	node, err := look(op.Path)
	return err == nil && node.same(op.New) && !stands(op.Staged)
}

func stands(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// finish makes the switches durable and forgets the journal. An error means
// that the new files are in place, but might not survive a power cut; the
// journal stays, so that Recover syncs them again.
func (d *Deployer) finish(j journal) error {
	if err := d.syncDirs(j.Entries, func(op Op) string { return op.Path }); err != nil {
		return fmt.Errorf("sync switched files: %w", err)
	}
	return d.dropJournal(j)
}

// giveUp undoes the switches made so far.
func (d *Deployer) giveUp(j journal, cause error) error {
	if _, err := d.back(j.Entries); err != nil {
		return &HalfError{Err: errors.Join(cause, err)}
	}
	return errors.Join(cause, d.finish(j))
}

// HalfError says that a switch failed and could not be undone either. The
// journal is kept; Recover, and the next attempt, try again.
type HalfError struct{ Err error }

// Error says what happened, and what happens next.
func (e *HalfError) Error() string {
	return fmt.Sprintf("some files are switched and others are not; this is tried again: %v", e.Err)
}

// Unwrap returns the causes.
func (e *HalfError) Unwrap() error { return e.Err }

// syncDirs makes the names in the folders of ops durable, each folder once.
func (d *Deployer) syncDirs(ops []Op, path func(Op) string) error {
	for _, dir := range dirsOf(ops, path) {
		if err := d.disk.SyncDir(dir); err != nil {
			return err
		}
	}
	return nil
}

// dirsOf lists the folders of paths, each once.
func dirsOf(ops []Op, path func(Op) string) []string {
	var dirs []string
	for _, op := range ops {
		if dir := filepath.Dir(path(op)); !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}
