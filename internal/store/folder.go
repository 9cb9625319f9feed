package store

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/certkeep/certkeep/internal/durable"
)

// folder is the state folder around the records: its safety, lock, format
// and node.
type folder struct {
	path string
	disk durable.Disk
}

func (f folder) formatFile() string { return filepath.Join(f.path, "format") }
func (f folder) lockFile() string   { return filepath.Join(f.path, "lock") }
func (f folder) nodeFile() string   { return filepath.Join(f.path, "node") }

// prepare makes the folder and the file to lock. A crash here leaves an empty
// state folder.
func (f folder) prepare() error {
	if err := f.safe(Holder); err != nil {
		return err
	}
	if err := f.disk.Mkdir(f.path, durable.PrivateDir()); err != nil {
		return f.unusable(err)
	}
	err := f.disk.Create(f.lockFile(), nil, durable.Private())
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return f.unusable(err)
	}
	return nil
}

// note is what the lock file says of its holder.
type note struct {
	PID     int    `json:"pid"`
	Command string `json:"command"`
}

// hold takes the lock. It reports whether the last holder died.
func (f folder) hold() (lock *durable.Lock, unclean bool, err error) {
	lock, last, err := durable.TryLock(f.lockFile())
	if locked, ok := errors.AsType[*durable.LockedError](err); ok {
		var n note
		// A holder that has just started has not said who it is.
		_ = json.Unmarshal(locked.Note, &n)
		return nil, false, &HeldError{Dir: f.path, PID: n.PID, Command: n.Command}
	}
	if err != nil {
		return nil, false, f.unusable(err)
	}
	text, err := json.Marshal(note{PID: os.Getpid(), Command: command(os.Args)})
	if err == nil {
		err = lock.Mark(append(text, '\n'))
	}
	if err != nil {
		// The note that the last holder left, if it died, stays.
		return nil, false, errors.Join(f.unusable(err), lock.Abandon())
	}
	return lock, len(last) > 0, nil
}

// command is how this process was started, for people.
func command(args []string) string {
	if len(args) == 0 {
		return ""
	}
	words := append([]string{filepath.Base(args[0])}, args[1:]...)
	text := []rune(strings.Join(words, " "))
	return string(text[:min(len(text), 200)])
}

// inspect checks the folder's safety and format. A folder that does not
// exist is an empty one.
func (f folder) inspect(mode Mode) error {
	if err := f.safe(mode); err != nil {
		return err
	}
	text, err := readSmall(f.formatFile())
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil // nobody completed it yet
	case err != nil:
		return f.unusable(err)
	}
	var h header
	return decode(f.formatFile(), text, &h)
}

// maxSmall bounds the files of one line beside the records.
const maxSmall = 64 << 10

// readSmall reads such a file. Root reads the states of others too, so what they
// put there must neither lead elsewhere, nor keep it waiting, nor be endless.
func readSmall(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close() // it is only read
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(err, &fs.PathError{Op: "read", Path: path, Err: errors.New("it is no file")})
	}
	return io.ReadAll(io.LimitReader(f, maxSmall))
}

// safe refuses a folder that others could write.
func (f folder) safe(mode Mode) error {
	info, err := os.Stat(f.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return f.unusable(err)
	case !info.IsDir():
		return &FolderError{Dir: f.path, Words: "it is not a folder", Remedy: "move it away, or set another state in the config"}
	case info.Mode().Perm()&0o022 != 0:
		return &FolderError{
			Dir:    f.path,
			Words:  fmt.Sprintf("others than its owner may write it (mode %04o), and so replace private keys", info.Mode().Perm()),
			Remedy: "check what is in it, then: chmod go-w " + f.path,
		}
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	owner, us := int(stat.Uid), os.Geteuid()
	// Root reads everybody's state, but would leave files in it that their
	// owner cannot read. Root's own state is nobody's danger.
	if owner == us || mode == Reader && (us == 0 || owner == 0) {
		return nil
	}
	return &FolderError{
		Dir:    f.path,
		Words:  fmt.Sprintf("it belongs to user %d, this is user %d", owner, us),
		Remedy: "run Certkeep as its owner, or set another state in the config",
	}
}

// unusable says why the folder cannot be used, by the system's error.
func (f folder) unusable(err error) error {
	e := &FolderError{Dir: f.path, Err: err}
	switch {
	case errors.Is(err, syscall.EROFS):
		e.Words, e.Remedy = "it is on a read-only file system", "set a state that can be written in the config"
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		e.Words, e.Remedy = "its disk is full", "free some space"
	case errors.Is(err, fs.ErrPermission):
		e.Words = fmt.Sprintf("user %d may not use it", os.Geteuid())
		e.Remedy = "run Certkeep as the user that owns it, or set another state in the config"
	default:
		e.Words, e.Remedy = "the system refused", "see its words for what to mend"
	}
	return e
}

// sweep removes the temporaries that a holder which died left beside the
// files of this folder, and makes durable what it left there.
func (f folder) sweep() error {
	entries, err := os.ReadDir(f.path)
	if err != nil {
		return f.unusable(err)
	}
	for _, entry := range entries {
		if !durable.IsTemp(entry.Name()) {
			continue
		}
		if err := f.disk.Remove(filepath.Join(f.path, entry.Name())); err != nil {
			return f.unusable(err)
		}
	}
	// It may have died between a change and its sync.
	if err := f.disk.SyncDir(f.path); err != nil {
		return f.unusable(err)
	}
	return nil
}

// complete writes the format of a new folder. A crash before it leaves a
// folder without one, which is completed by the next holder.
func (f folder) complete() error {
	if _, err := os.Stat(f.formatFile()); err == nil {
		return nil
	}
	text, err := encode(f.formatFile(), header{Format: Format})
	if err != nil {
		return err
	}
	if err := durable.Write(f.disk, f.formatFile(), text, durable.Private()); err != nil {
		return f.unusable(err)
	}
	return nil
}

// nodeRecord is the content of the file node.
type nodeRecord struct {
	header
	Node string `json:"node"`
}

// node reads the name of this machine; "" where none was made.
func (f folder) node() (string, error) {
	text, err := readSmall(f.nodeFile())
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", f.unusable(err)
	}
	var r nodeRecord
	if err := decode(f.nodeFile(), text, &r); err != nil {
		return "", err
	}
	if r.Node == "" {
		return "", &DamagedError{Key: f.nodeFile(), Err: errors.New("it names no node")}
	}
	return r.Node, nil
}

// makeNode reads the name of this machine, or makes it once, from the host
// name for people and a random part, since host names are given twice.
func (f folder) makeNode() (string, error) {
	if name, err := f.node(); name != "" || err != nil {
		return name, err
	}
	host, err := os.Hostname()
	if err != nil {
		host = "" // the random part is enough
	}
	name := plainHost(host) + "-" + strings.ToLower(rand.Text()[:6])
	text, err := encode(f.nodeFile(), nodeRecord{header: header{Format: Format}, Node: name})
	if err != nil {
		return "", err
	}
	if err := durable.Write(f.disk, f.nodeFile(), text, durable.Private()); err != nil {
		return "", f.unusable(err)
	}
	return name, nil
}

// plainHost is the first label of a host name, as far as it is plain.
func plainHost(host string) string {
	host, _, _ = strings.Cut(strings.ToLower(host), ".")
	host = strings.Map(func(r rune) rune {
		if r == '-' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' {
			return r
		}
		return -1
	}, host)
	if host = strings.Trim(host[:min(len(host), 40)], "-"); host == "" {
		return "node"
	}
	return host
}
