package store

import (
	"errors"
	"fmt"

	"github.com/certkeep/certkeep/internal/store/backend"
)

// The errors without details.
var (
	// ErrNotFound says that there is no such record.
	ErrNotFound = backend.ErrNotFound
	// ErrReader says that a store opened as Reader was asked to write.
	ErrReader = errors.New("the state was opened for reading only")
	// ErrClosed says that a store was asked to write after Close.
	ErrClosed = errors.New("the state was closed")
)

// HeldError says that another process holds the state folder.
type HeldError struct {
	Dir     string
	PID     int    // 0 when it has not said so yet
	Command string // as it was started, for people
}

// Error names the holder.
func (e *HeldError) Error() string {
	if e.PID == 0 {
		return fmt.Sprintf("the state in %s is held by another process", e.Dir)
	}
	return fmt.Sprintf("the state in %s is held by process %d (%s)", e.Dir, e.PID, e.Command)
}

// FolderError says why a state folder cannot be used, and what to do.
type FolderError struct {
	Dir    string
	Words  string
	Remedy string
	Err    error // the cause, where the system gave one
}

// Error says what is wrong and what to do.
func (e *FolderError) Error() string {
	text := fmt.Sprintf("the state folder %s cannot be used: %s", e.Dir, e.Words)
	if e.Err != nil {
		text += fmt.Sprintf(" (%v)", e.Err)
	}
	return text + "; " + e.Remedy
}

// Unwrap returns the system's error.
func (e *FolderError) Unwrap() error { return e.Err }

// NewerError says that a record, or the whole folder, was written by a later
// Certkeep.
type NewerError struct {
	Key    string // of the record, or the path of the folder's format file
	Format int
}

// Error says which format it needs.
func (e *NewerError) Error() string {
	return fmt.Sprintf("%s has format %d, this Certkeep reads up to %d: use the later version that wrote it", e.Key, e.Format, Format)
}

// DamagedError says that a record cannot be understood.
type DamagedError struct {
	Key string
	Err error
}

// Error names the record and what is wrong with it, not its content.
func (e *DamagedError) Error() string { return fmt.Sprintf("record %s is damaged: %v", e.Key, e.Err) }

// Unwrap returns what is wrong with it.
func (e *DamagedError) Unwrap() error { return e.Err }
