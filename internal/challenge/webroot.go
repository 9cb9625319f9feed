package challenge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/plan"
)

// Webroot answers http-01 by files that a web server shows.
type Webroot struct {
	pattern pattern
	below   string // where files lie below the folder
	bare    bool   // the folder holds nothing else, and is made
	disk    durable.Disk

	// mu keeps one challenge's clean-up from removing a folder that another
	// one is about to write into.
	mu      sync.Mutex
	folders map[string]bool // made by us, to be removed once empty
	files   map[string]int  // Presents without their CleanUp, by path
}

// NewWebroot writes below the folder that pattern names. It is absolute, and
// may have three placeholders: for www.shop.example.com {fqdn} is
// www.shop.example.com, {host} is www and {zone} is shop.example.com. A name
// of one or two labels (example.com), and an IP address, is its own {zone},
// with the {host} ".".
func NewWebroot(folder string, disk durable.Disk) (*Webroot, error) {
	p, err := parsePattern(folder)
	if err != nil {
		return nil, err
	}
	return &Webroot{
		pattern: p, below: filepath.FromSlash(acmePath), disk: disk, folders: make(map[string]bool), files: make(map[string]int),
	}, nil
}

// NewFolder writes into the folder itself that pattern names, for a web server
// that shows it below "/.well-known/acme-challenge/" of the name. It is made
// where it is missing, and removed again.
func NewFolder(folder string, disk durable.Disk) (*Webroot, error) {
	w, err := NewWebroot(folder, disk)
	if err != nil {
		return nil, err
	}
	w.below, w.bare = "", true
	return w, nil
}

// Type implements Solver.
func (w *Webroot) Type() string { return TypeHTTP01 }

// Lasting implements Lasting: an answer is a file.
func (w *Webroot) Lasting() {}

// Present implements Solver. The web server's folder has to exist; in it the
// folders and the file are made that are missing. A file that is there already
// is left alone, unless a crash of ours left it.
func (w *Webroot) Present(_ context.Context, c Challenge) error {
	if err := checkHost(c); err != nil {
		return err
	}
	root := w.pattern.folder(c.Identifier)
	op := fmt.Sprintf("answer http-01 for %s below %s", c.Identifier.Value, root)
	info, err := os.Stat(root)
	if w.bare && errors.Is(err, fs.ErrNotExist) {
		err = nil
	} else if err == nil && !info.IsDir() {
		err = &fs.PathError{Op: "open", Path: root, Err: syscall.ENOTDIR}
	}
	if err != nil {
		return failed(op, plan.CodeWebroot, err, "name the folder that the web server shows for this host")
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	path := w.answerFile(root, c)
	if err := w.write(path, c.KeyAuthorization); err != nil {
		if left := w.tidy(root); left != nil {
			err = fmt.Errorf("%w; and then: %w", err, left)
		}
		return failed(op, plan.CodeWebroot, err, writable(root, err))
	}
	w.files[path]++
	return nil
}

// CleanUp implements Solver. It removes the answer, and the folders that were
// made for it and are empty.
func (w *Webroot) CleanUp(_ context.Context, c Challenge) error {
	if err := checkHost(c); err != nil {
		return nil // it cannot have been presented
	}
	root := w.pattern.folder(c.Identifier)
	path := w.answerFile(root, c)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.files[path]--; w.files[path] > 0 {
		return nil
	}
	delete(w.files, path)
	op := fmt.Sprintf("remove the answer to http-01 for %s", c.Identifier.Value)
	ours, err := isOurs(path, c.KeyAuthorization)
	if errors.Is(err, errForeign) {
		err = nil
	}
	if err == nil && ours {
		err = w.disk.Remove(path)
	}
	if err != nil {
		return failed(op, plan.CodeWebroot, err, writable(root, err))
	}
	if err := w.tidy(root); err != nil {
		return failed(op, plan.CodeWebroot, err, writable(root, err))
	}
	return nil
}

// writable says how a read-only webroot can be written: a service manager shows
// most folders so, whatever the disk is. It is "" for other errors.
func writable(root string, err error) string {
	if !errors.Is(err, syscall.EROFS) {
		return ""
	}
	if _, err := os.Stat(root); err != nil {
		root = filepath.Dir(root) // it is to be made there
	}
	return fmt.Sprintf("where systemd runs Certkeep, add ReadWritePaths=%s to [Service] (systemctl edit certkeep.service, then restart it); else mount it writable", root)
}

// write makes the file. Others may remove its folders again before it is in
// them, as we do ourselves once they are empty: that is made up for.
func (w *Webroot) write(path, text string) error {
	for tries := 1; ; tries++ {
		err := w.writeOnce(path, text)
		if err == nil || tries == writeTries || !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
}

// writeTries bounds how often the folders are made anew.
const writeTries = 100

// writeOnce makes the folders and the file. It is not whole in one instant,
// and need not be: the CA is told only afterwards, and a crash that loses it
// loses nothing.
func (w *Webroot) writeOnce(path, text string) error {
	if err := w.mkdir(path); err != nil {
		return err
	}
	ours, err := isOurs(path, text)
	if err != nil {
		return err
	}
	if ours {
		if w.files[path] > 0 {
			return nil // another order shows the same
		}
		if err := w.disk.Remove(path); err != nil {
			return err
		}
	}
	return w.disk.Create(path, []byte(text), durable.Attr{Mode: 0o644, UID: -1, GID: -1})
}

// mkdir makes the two folders above the file that are missing, and remembers
// which it made.
func (w *Webroot) mkdir(path string) error {
	folder := filepath.Dir(path)
	for _, folder := range []string{filepath.Dir(folder), folder} {
		err := ownLink(folder)
		if err == nil {
			continue
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := w.disk.Mkdir(folder, durable.Attr{Mode: 0o755, UID: -1, GID: -1}); err != nil {
			return err
		}
		w.folders[folder] = true
	}
	return nil
}

// errLink: whoever may write a webroot could lead us, who may be root, into a
// folder where a new file does harm.
var errLink = errors.New("a symlink that belongs neither to us nor to the owner of what it leads to")

// ownLink reports whether a folder is there. A symlink to one counts where
// root or we made it, or the owner of the folder that it leads to.
func ownLink(folder string) error {
	target, err := os.Stat(folder)
	if err != nil {
		return err
	}
	link, err := os.Lstat(folder)
	if err != nil || link.Mode()&fs.ModeSymlink == 0 {
		return err
	}
	from, ok := link.Sys().(*syscall.Stat_t)
	to, known := target.Sys().(*syscall.Stat_t)
	if ok && known && from.Uid != 0 && int(from.Uid) != os.Geteuid() && from.Uid != to.Uid {
		return &fs.PathError{Op: "open", Path: folder, Err: errLink}
	}
	return nil
}

// tidy removes the folders below root that we made and that are empty.
func (w *Webroot) tidy(root string) error {
	folder := filepath.Join(root, w.below)
	for _, folder := range []string{folder, filepath.Dir(folder)} {
		if !w.folders[folder] {
			continue
		}
		err := w.disk.Remove(folder)
		if errors.Is(err, syscall.ENOTEMPTY) || errors.Is(err, syscall.EEXIST) {
			return nil // still in use; its last user removes it
		}
		if err != nil {
			return err
		}
		delete(w.folders, folder)
	}
	return nil
}

var errForeign = errors.New("a file that is not ours has this name")

// isOurs reports whether the file is the answer or, after a crash, the
// beginning of it. Whatever else has its name is not ours to touch:
// errForeign. A missing file is no error.
func isOurs(path, text string) (bool, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	foreign := &fs.PathError{Op: "open", Path: path, Err: errForeign}
	if errors.Is(err, syscall.ELOOP) {
		return false, foreign // a symlink
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return false, err
	}
	if !info.Mode().IsRegular() {
		return false, foreign
	}
	got, err := io.ReadAll(io.LimitReader(f, int64(len(text))+1))
	if err != nil {
		return false, err
	}
	if !strings.HasPrefix(text, string(got)) {
		return false, foreign
	}
	return true, nil
}

// File is where the answer to a challenge lies while it is presented.
func (w *Webroot) File(c Challenge) string { return w.answerFile(w.pattern.folder(c.Identifier), c) }

func (w *Webroot) answerFile(root string, c Challenge) string {
	return filepath.Join(root, w.below, c.Token)
}
