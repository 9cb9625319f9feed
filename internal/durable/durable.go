// Package durable is the only room of Certkeep that changes files.
//
// Call Write first: it replaces a file whole or not at all, also when the
// machine loses power in the middle. Disk is the small set of changes from
// which everything else is made (the store's records, the installer's staged
// files, symlinks and journal), so that a test can count every change, refuse
// it, or end the process after it.
//
// What it promises: a file that Create made carries its data, owner and mode
// on the disk before Create returns; a name that Rename, Symlink or Remove
// changed is on the disk once SyncDir of its folder returned. Between the two
// a crash shows the old name or the new one, never half a file.
package durable

import (
	"crypto/rand"
	"io/fs"
	"path/filepath"
	"strings"
)

// Disk is the set of changes to files that Certkeep makes. OS is the real
// one. Every method returns an error that names the path (*fs.PathError or
// *os.LinkError); errors.Is works with fs.ErrExist, fs.ErrPermission and the
// syscall numbers such as ENOSPC.
type Disk interface {
	// Create makes a new file with data and gives it a's owner and mode. It
	// never replaces a file and never follows a symlink: a name that exists
	// is fs.ErrExist. After an error nothing is left of it, unless the
	// process or the machine died, or it could not be removed.
	Create(path string, data []byte, a Attr) error
	// Rename is one rename, which replaces newPath in one instant.
	Rename(oldPath, newPath string) error
	// Symlink makes link point to target; link must not exist.
	Symlink(target, link string) error
	// Remove removes one file, symlink or empty folder. That it is missing
	// already is no error.
	Remove(path string) error
	// Mkdir makes a folder and those above it that are missing, all with a.
	// Folders that exist are left as they are.
	Mkdir(path string, a Attr) error
	// SyncDir makes the names in a folder durable.
	SyncDir(dir string) error
	// Append adds line to the end of a file, which is made with 0600 when it
	// is missing, with one write. Nothing is synced: a crash may lose or tear
	// the last lines, so it is for history only.
	Append(path string, line []byte) error
}

// Attr is the owner and mode of a file or folder. Start from Private: the
// zero value would give the file to root, with no permission at all.
type Attr struct {
	Mode     fs.FileMode // permission bits, set exactly, whatever the umask is
	UID, GID int         // -1 leaves it
}

// Private is a file that only its owner reads: 0600, owner left.
func Private() Attr { return Attr{Mode: 0o600, UID: -1, GID: -1} }

// PrivateDir is a folder that only its owner enters: 0700, owner left.
func PrivateDir() Attr { return Attr{Mode: 0o700, UID: -1, GID: -1} }

// Write replaces the file at path, or makes it: whole or not at all.
//
// What a crash means, step by step:
//   - in Create: a temporary with some or all of the data; the old file stands;
//   - after Create: a complete temporary; the old file stands;
//   - after Rename: the old file or the new one, the disk decides;
//   - after SyncDir: the new file.
//
// A temporary that a crash left is known by IsTemp and removed by whoever
// owns the folder. After an error Write removes it itself. An error of Rename
// or SyncDir does not say whether the new file stands: read it to know.
func Write(d Disk, path string, data []byte, a Attr) error {
	if err := Replace(d, path, data, a); err != nil {
		return err
	}
	return d.SyncDir(filepath.Dir(path))
}

// Replace is Write without its last step, for who writes several files into a
// folder and then syncs it: until then a crash may bring the old file back.
func Replace(d Disk, path string, data []byte, a Attr) error {
	temp := Temp(path)
	if err := d.Create(temp, data, a); err != nil {
		return clean(d, temp, err)
	}
	if err := d.Rename(temp, path); err != nil {
		return clean(d, temp, err)
	}
	return nil
}

// clean removes the temporary of a write that failed with err. That removing
// it failed too is not told: err is the cause, and recovery removes what
// stays.
func clean(d Disk, temp string, err error) error {
	_ = d.Remove(temp)
	return err
}

// tempMark stands in the name of every temporary, behind a leading dot, so
// that neither servers that include "*.pem" nor our own listings read one.
const tempMark = ".tmp-"

// Temp returns a new temporary name in the folder of path. It begins with a
// dot and carries the name that it is for, shortened where it would not fit.
func Temp(path string) string { return tempName(path, rand.Text()) }

// tempLen is the length of what rand.Text gives.
const tempLen = 26

// tempName is a temporary name that ends in unique, which has tempLen bytes.
func tempName(path, unique string) string {
	folder, base := filepath.Split(path)
	base = base[:min(len(base), 200)] // names end at 255 bytes
	return folder + "." + base + tempMark + unique
}

// IsTemp reports whether a file's base name is one that Temp makes.
func IsTemp(name string) bool {
	i := strings.LastIndex(name, tempMark)
	return i > 0 && name[0] == '.' && len(name)-i-len(tempMark) == tempLen
}
