package faultfs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
)

// undo is what stood under a name before a change that is not durable yet.
type undo struct {
	path   string
	folder string // that path lies in
	before state
	moved  string // what the folder at path was called; "" for all else
}

// state is what stands under a name.
type state struct {
	mode   fs.FileMode // with its type; 0 where nothing is
	data   []byte      // of a file
	target string      // of a symlink
	owner  [2]int
}

// record does a change and remembers what stood under the names it touches.
func (d *Disk) record(touches []string, change func() error) error {
	var before []undo
	for _, path := range touches {
		s, err := look(path)
		if err != nil {
			return err
		}
		path = filepath.Clean(path)
		before = append(before, undo{path: path, folder: filepath.Dir(path), before: s})
	}
	if len(before) == 2 && before[0].before.mode.IsDir() { // it moves with all that is in it, and so it comes back
		before = []undo{{path: before[1].path, folder: before[1].folder, moved: before[0].path}}
	}
	err := change()
	if err == nil {
		d.undo = append(d.undo, before...)
	}
	return err
}

// synced forgets how to undo changes of names in a folder.
func (d *Disk) synced(dir string) {
	d.undo = slices.DeleteFunc(d.undo, func(u undo) bool { return u.folder == dir })
}

// PowerCut takes back every change of a name that no SyncDir made durable,
// the last one first: the worst that a file system may do when the power
// fails. A file's content is not lost, since Create syncs it, except what was
// appended.
func (d *Disk) PowerCut() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, u := range slices.Backward(d.undo) {
		if err := u.take(); err != nil {
			return err
		}
	}
	d.undo = nil
	return nil
}

// take takes a change back.
func (u undo) take() error {
	if u.moved != "" {
		return os.Rename(u.path, u.moved)
	}
	return u.before.restore(u.path)
}

// look says what stands under a name.
func look(path string) (state, error) {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return state{}, nil
	}
	if err != nil {
		return state{}, err
	}
	s := state{mode: info.Mode(), owner: owner(info)}
	switch {
	case s.mode.IsRegular():
		s.data, err = os.ReadFile(path)
	case s.mode&fs.ModeSymlink != 0:
		s.target, err = os.Readlink(path)
	}
	return s, err
}

// restore puts back what stood under a name.
func (s state) restore(path string) error {
	if s.mode.IsDir() {
		if err := os.Mkdir(path, s.mode.Perm()); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		return nil
	}
	if now, err := os.Lstat(path); err == nil && now.IsDir() {
		return nil
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	switch {
	case s.mode == 0:
		return nil
	case s.mode&fs.ModeSymlink != 0:
		return os.Symlink(s.target, path)
	}
	if err := os.WriteFile(path, s.data, 0o600); err != nil {
		return err
	}
	if err := os.Chown(path, s.owner[0], s.owner[1]); err != nil {
		return err
	}
	return os.Chmod(path, s.mode.Perm())
}

// owner is the owner and group of a file, -1 where the system has none.
func owner(info fs.FileInfo) [2]int {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return [2]int{-1, -1}
	}
	return [2]int{int(stat.Uid), int(stat.Gid)}
}
