package command

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// UntrustedError says that others may write a program: whoever can, decides
// what runs as us.
type UntrustedError struct {
	Path  string // the program, or the folder that it is in
	Words string // who may write it
	Hint  string // how to change that
}

// Error names the path, who may write it, and what to do.
func (e *UntrustedError) Error() string { return fmt.Sprintf("%s %s; %s", e.Path, e.Words, e.Hint) }

// Trusted returns an *UntrustedError where somebody else than root, the
// running user and the command's own user may write its program, or put
// another one in its place (ExposedWay). A program that is not there is none
// to distrust: running it says so.
func (c Command) Trusted() error {
	if len(c.Args) == 0 {
		return nil
	}
	program, err := exec.LookPath(c.Args[0])
	if err != nil {
		program = c.Args[0] // it cannot be run, or only by its own user
	}
	if !filepath.IsAbs(program) {
		return nil
	}
	credential, err := credentialOf(c.User)
	if err != nil {
		return err
	}
	var users []int
	if credential != nil {
		users = append(users, int(credential.Uid))
	}
	where, words, hint, err := ExposedWay(program, users...)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look at the program: %w", err)
	}
	if words != "" {
		return &UntrustedError{where, words, hint}
	}
	return nil
}

// maxLinks bounds the symlinks on the way to a file, as the kernel does.
const maxLinks = 40

// ExposedWay says where on the way to a file somebody else than root, the
// running user and the given users may exchange it: the file itself, and all
// folders and symlinks that lead to it, from the root on. A folder with the
// sticky bit, such as /tmp, is passed: there nobody can exchange what is not
// theirs. Nothing is said where nobody may.
func ExposedWay(path string, users ...int) (where, words, hint string, err error) {
	err = Way(path, func(at string, info fs.FileInfo) bool {
		switch {
		case info.Mode()&fs.ModeSymlink != 0:
			words, hint = owned(at, info, users)
		case !info.IsDir() || info.Mode()&fs.ModeSticky == 0:
			words, hint = Exposed(at, info, users...)
		}
		where = at
		return words == ""
	})
	if err != nil || words == "" {
		return "", "", "", err
	}
	return where, words, hint, nil
}

// Way visits all folders and symlinks that lead to a file, from the root on, and
// the file itself, until visit says that it has seen enough.
func Way(path string, visit func(at string, info fs.FileInfo) (on bool)) error {
	at, links := "/", 0
	for todo := strings.Split(filepath.Clean(path), "/"); ; {
		info, err := os.Lstat(at)
		if err != nil {
			return err
		}
		isLink := info.Mode()&fs.ModeSymlink != 0
		if isLink && links == maxLinks {
			return &fs.PathError{Op: "open", Path: path, Err: syscall.ELOOP}
		}
		if !visit(at, info) {
			return nil
		}
		if isLink {
			links++
			target, err := os.Readlink(at)
			if err != nil {
				return err
			}
			todo = append(strings.Split(target, "/"), todo...)
			at = filepath.Dir(at)
			if filepath.IsAbs(target) {
				at = "/"
			}
		}
		if len(todo) == 0 {
			return nil
		}
		at, todo = filepath.Join(at, todo[0]), todo[1:]
	}
}

// Exposed says who else than root, the running user and the given users may
// write a file or folder, and how to change that; nothing where nobody may.
func Exposed(path string, info fs.FileInfo, users ...int) (words, hint string) {
	if words, hint = owned(path, info, users); words != "" {
		return words, hint
	}
	switch mode := info.Mode().Perm(); {
	case mode&0o002 != 0:
		return "may be written by everybody", "chmod go-w " + path
	case mode&0o020 != 0:
		return "may be written by its group", "chmod go-w " + path
	}
	return "", ""
}

// owned says that a file belongs to somebody else.
func owned(path string, info fs.FileInfo, users []int) (words, hint string) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || slices.Contains(append(users, 0, os.Geteuid()), int(stat.Uid)) {
		return "", ""
	}
	return fmt.Sprintf("belongs to the user with id %d, who may write it", stat.Uid), "chown root " + path
}
