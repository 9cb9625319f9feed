package durable

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// Mkdir implements [Disk].
func (d OS) Mkdir(path string, a Attr) error { return mkdir(path, a, d.SyncDir) }

// Mkdir implements [Disk], without the sync.
func (d NoSync) Mkdir(path string, a Attr) error { return mkdir(path, a, d.SyncDir) }

// mkdir makes the folders from the top down. Each new name is synced in its
// parent: a file that is synced in a folder whose own name is lost would be
// lost with it. A crash leaves some of them, complete, which the next run uses.
//
// Others may make the same folders meanwhile, and take them away again while
// they are empty: then it is tried anew.
func mkdir(path string, a Attr, syncDir func(string) error) error {
	const tries = 50
	for try := 1; ; try++ {
		err := mkdirOnce(path, a, syncDir)
		moved := errors.Is(err, fs.ErrExist) || errors.Is(err, fs.ErrNotExist)
		if !moved || try == tries {
			return err
		}
	}
}

func mkdirOnce(path string, a Attr, syncDir func(string) error) error {
	switch info, err := os.Stat(path); {
	case err == nil && info.IsDir():
		return nil
	case err == nil:
		return &fs.PathError{Op: "mkdir", Path: path, Err: syscall.ENOTDIR}
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	parent := filepath.Dir(path)
	if parent == path {
		return &fs.PathError{Op: "mkdir", Path: path, Err: fs.ErrNotExist}
	}
	if err := mkdir(parent, a, syncDir); err != nil {
		return err
	}
	if err := newDir(path, a); err != nil {
		return err
	}
	return syncDir(parent)
}

// newDir makes one folder. It gets its name last, with its owner and mode:
// since a folder that exists is left as it is, one that a crash left half
// ready would stay so for ever. What a crash may leave is an empty temporary,
// which whoever makes the folder next takes over.
func newDir(path string, a Attr) error {
	if a == PrivateDir() {
		return newPrivateDir(path)
	}
	temp, f, err := tempDir(path, a.UID)
	if err == nil {
		// By the open folder, never by its name: whoever owns the folder above
		// may put a symlink in its place at any moment.
		if a.UID >= 0 || a.GID >= 0 {
			err = f.Chown(a.UID, a.GID)
		}
		if err == nil {
			err = f.Chmod(a.Mode.Perm())
		}
		err = errors.Join(err, f.Close())
	}
	if err == nil {
		err = renameNew(temp, path)
	}
	if err == nil {
		return nil
	}
	_ = OS{}.Remove(temp) // see clean
	// Another goroutine or process made it meanwhile: as good.
	if info, statErr := os.Stat(path); statErr == nil && info.IsDir() {
		return nil
	}
	return err
}

// newPrivateDir makes a folder that is ready in one instant: it needs no owner
// and no mode but the one that it is made with, unless the umask is a strange
// one that keeps us out of our own folders.
func newPrivateDir(path string) error {
	err := makeDir(path)
	if err == nil {
		return nil
	}
	if info, statErr := os.Stat(path); statErr == nil && info.IsDir() {
		return nil // another goroutine or process made it meanwhile: as good
	}
	return err
}

// makeDir makes a folder with 0700, whatever the umask is.
func makeDir(path string) error {
	if err := os.Mkdir(path, 0o700); err != nil {
		return err
	}
	info, err := os.Lstat(path)
	if err != nil || !info.IsDir() || info.Mode().Perm()|0o700 != 0o700 || info.Mode().Perm() == 0o700 {
		return nil // as it is; or exchanged, which whoever uses it finds out
	}
	return os.Chmod(path, 0o700) // the umask took bits away
}

// tempDir makes and opens the temporary of a folder, or takes over the one
// that a crash left: it has the same name each time. Two that make the same
// folder at once share it; one of them gets to rename it.
func tempDir(path string, uid int) (string, *os.File, error) {
	temp := tempName(path, strings.Repeat("0", tempLen))
	if err := makeDir(temp); err != nil && !errors.Is(err, fs.ErrExist) {
		return temp, nil, err
	}
	f, err := openOwn(temp, uid)
	if !errors.Is(err, errForeign) {
		return temp, f, err // ErrNotExist: renamed just now by the other one
	}
	temp = Temp(path) // somebody else put something there
	if err := makeDir(temp); err != nil {
		return temp, nil, err
	}
	f, err = openOwn(temp, uid)
	return temp, f, err
}

var errForeign = errors.New("it is not an empty folder of ours")

// openOwn opens an empty folder of ours, or of the user with uid, who is to have
// it: a crash may have come after it was given to him. Whatever else stands there
// is not ours to open up to others: errForeign.
func openOwn(path string, uid int) (*os.File, error) {
	foreign := &fs.PathError{Op: "open", Path: path, Err: errForeign}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.ELOOP) {
		return nil, foreign
	}
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil {
		stat, ok := info.Sys().(*syscall.Stat_t)
		if _, some := f.Readdirnames(1); !ok || int(stat.Uid) != os.Geteuid() && int(stat.Uid) != uid || !errors.Is(some, io.EOF) {
			err = foreign
		}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
