package command

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
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
// another one in its place. It looks at a program that is named with its
// folder; others are looked up in folders that belong to root. A program that
// is not there is none to distrust: running it says so.
func (c Command) Trusted() error {
	if len(c.Args) == 0 || !filepath.IsAbs(c.Args[0]) {
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
	program := c.Args[0]
	info, err := os.Stat(program)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look at the program: %w", err)
	}
	if words, hint := Exposed(program, info, users...); words != "" {
		return &UntrustedError{program, words, hint}
	}
	dir := filepath.Dir(program)
	if info, err = os.Stat(dir); err != nil {
		return fmt.Errorf("look at the program's folder: %w", err)
	}
	if info.Mode()&fs.ModeSticky != 0 {
		return nil // as in /tmp, nobody can exchange what is not theirs
	}
	if words, hint := Exposed(dir, info, users...); words != "" {
		return &UntrustedError{dir, words, hint}
	}
	return nil
}

// Exposed says who else than root, the running user and the given users may
// write a file or folder, and how to change that; nothing where nobody may.
func Exposed(path string, info fs.FileInfo, users ...int) (words, hint string) {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && !slices.Contains(append(users, 0, os.Geteuid()), int(stat.Uid)) {
		return fmt.Sprintf("belongs to the user with id %d, who may write it", stat.Uid), "chown root " + path
	}
	switch mode := info.Mode().Perm(); {
	case mode&0o002 != 0:
		return "may be written by everybody", "chmod go-w " + path
	case mode&0o020 != 0:
		return "may be written by its group", "chmod go-w " + path
	}
	return "", ""
}
