package main

import (
	"errors"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"

	"github.com/certkeep/certkeep/internal/durable"
)

// append writes a line to the log file. Where it has to be made it gets its
// owner, group and mode; what of that is not possible is left, for a message
// must not be lost over it. The caller holds mu.
func (l *logs) append(line []byte) error {
	disk := durable.OS{}
	folder := filepath.Dir(l.config.File)
	if _, err := os.Lstat(folder); errors.Is(err, fs.ErrNotExist) {
		if err := disk.Mkdir(folder, durable.Attr{Mode: 0o750, UID: -1, GID: -1}); err != nil {
			return err
		}
	}
	if _, err := os.Lstat(l.config.File); errors.Is(err, fs.ErrNotExist) && l.config.Mode != 0 {
		uid, gid := userID(l.config.Owner), groupID(l.config.Group)
		err := disk.Create(l.config.File, nil, durable.Attr{Mode: l.config.Mode, UID: uid, GID: gid})
		if errors.Is(err, fs.ErrPermission) {
			err = disk.Create(l.config.File, nil, durable.Attr{Mode: l.config.Mode, UID: -1, GID: -1})
		}
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return disk.Append(l.config.File, line)
}

// userID is the number of a user; -1 leaves the running one.
func userID(name string) int {
	u, err := user.Lookup(name)
	if err != nil {
		return number(name)
	}
	return number(u.Uid)
}

// groupID is the number of a group; -1 leaves that of the running user.
func groupID(name string) int {
	g, err := user.LookupGroup(name)
	if err != nil {
		return number(name)
	}
	return number(g.Gid)
}

// number reads an id; -1 for what is none.
func number(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return -1
	}
	return n
}
