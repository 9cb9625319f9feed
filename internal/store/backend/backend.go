// Package backend is the contract between Certkeep's records and the place
// where they live.
//
// A Backend is a small map from keys to values in which one value changes at
// a time, plus append-only histories. Package store builds everything else on
// it; package dir keeps it in a folder. The suite in package backendtest says
// in code what is said here in words, and every Backend must pass it.
package backend

import (
	"context"
	"errors"
	"iter"
)

// Revision names one state of a value. It means something only to the
// Backend value that gave it out, and is not to be stored.
type Revision string

// Entry is a value under its key.
type Entry struct {
	Key      string
	Value    []byte
	Revision Revision
}

// Backend keeps values and histories under keys.
//
// A key has one or more parts with slashes between them. A part is any text
// that is not empty and at most 128 bytes long. Values and histories have
// separate keys: the same key may carry both.
//
// Every method may be called from several goroutines. An error that is none of
// those named below says that the change may or may not have happened: only
// another Get tells.
type Backend interface {
	// Get reads one value. It returns ErrNotFound where there is none.
	Get(ctx context.Context, key string) (Entry, error)

	// Put writes one value, whole or not at all, if it is still the one with
	// ifRevision; "" means that there must be none yet. Otherwise nothing is
	// written and the error is ErrConflict.
	Put(ctx context.Context, key string, value []byte, ifRevision Revision) (Revision, error)

	// Delete removes one value if it is still the one with ifRevision, else
	// the error is ErrConflict; "" removes whatever is there. A value that is
	// gone already is no error.
	Delete(ctx context.Context, key string, ifRevision Revision) error

	// Scan reads every value whose key begins with the folder, a key without
	// its last parts such as "groups". It calls visit once for each, from
	// several goroutines at once and in no order. The value is visit's only
	// until it returns. A value that cannot be read is visited as an error,
	// with Key set alone, and the scan goes on. An error that visit returns
	// ends the scan and is returned.
	//
	// A value that is there from the beginning to the end of the scan is
	// visited, in one of the states it had meanwhile.
	Scan(ctx context.Context, folder string, visit func(Entry, error) error) error

	// Keys lists the keys that Scan would visit, sorted, without reading the
	// values.
	Keys(ctx context.Context, folder string) ([]string, error)

	// Watch yields the keys of values directly in a folder that are put or
	// deleted, by whomever, until ctx ends. What happened before the first
	// key is yielded is not among them, so the first one is "", as is every
	// one after which keys may have been missed: whoever watches then reads all.
	// One that cannot go on yields an error and ends.
	Watch(ctx context.Context, folder string) iter.Seq2[string, error]

	// Append adds a line, which holds no line break, to a history. It is not
	// synced: a crash may lose the last lines, or leave a part of one.
	Append(ctx context.Context, key string, line []byte) error

	// Lines reads a history, oldest first, without the line breaks. A
	// history that does not exist has no lines. A line that a crash tore may
	// be among them: the reader passes over what it cannot read. The line is
	// the reader's only until the next one.
	Lines(ctx context.Context, key string) iter.Seq2[[]byte, error]

	// Trim cuts a history to its last keep lines; 0 removes it.
	Trim(ctx context.Context, key string, keep int) error
}

// The errors that callers act on.
var (
	ErrNotFound = errors.New("no such record")
	ErrConflict = errors.New("the record was changed meanwhile")
	ErrKey      = errors.New("not a valid key")
)
