//go:build !linux

package durable

import "os"

// renameNew gives a new name that nothing has yet. Here nothing keeps it from
// replacing an empty folder that somebody else has just made.
func renameNew(oldPath, newPath string) error { return os.Rename(oldPath, newPath) }
