// Package store keeps all that Certkeep knows: what is published, orders and
// attempts, versions, keys, accounts, what is installed, and history.
// docs/STORE.md says every record in words.
//
// Call Open first: as Holder, which one process at a time can be, to change
// things, or as Reader, which needs no lock and changes nothing. Known gives
// everything that package plan decides upon, in its own types.
//
// A record changes by a function: Update… reads it, applies the function,
// and writes it if nobody changed it meanwhile; else the function is applied
// again to the fresh record. So it must have no effect beyond the record that
// it is given, and a copy kept from before is never written back. When an
// update returns an error the record is the old one or the new one, never
// between, and the caller may simply do it again. A function that changes
// nothing writes nothing.
package store

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/store/backend"
	"github.com/certkeep/certkeep/internal/store/dir"
	"github.com/certkeep/certkeep/internal/store/plainjson"
)

// Format is the version of the state folder and its records that this
// program writes, and the highest that it reads.
const Format = 1

// Mode says what a store is opened for.
type Mode int

// The modes.
const (
	Reader Mode = iota // reads, beside any holder; creates nothing
	Holder             // reads and changes; alone
)

// Store is an open state folder. All methods may be called from several
// goroutines.
type Store struct {
	path    string
	node    string
	disk    durable.Disk
	backend backend.Backend
	vault   vault
	sealing sync.Mutex    // held by whoever goes over all secrets
	lock    *durable.Lock // nil for a Reader
	groups  *plainjson.Decoder[groupRecord]
	targets *plainjson.Decoder[targetsRecord]
	closed  atomic.Bool
}

// Open opens the state folder at path. node is this machine's name from the
// config; with "" the one kept in the folder is used, which a Holder makes
// when there is none.
//
// A Holder makes the folder when it is missing. While another process holds
// it the error is a *HeldError, at once: whether to wait is the caller's
// choice. A folder that is not safe or not writable is a *FolderError, one of
// a later Certkeep a *NewerError.
func Open(ctx context.Context, path string, disk durable.Disk, node string, mode Mode) (*Store, error) {
	return OpenSealed(ctx, Options{Path: path, Disk: disk, Node: node, Mode: mode})
}

// Options are how a state folder is opened.
type Options struct {
	Path string
	Disk durable.Disk
	Node string // see Open
	Mode Mode
	// Keys are the store keys; nil has none. A Holder reads them at once, a
	// Reader when it meets the first secret that is sealed.
	Keys Keys
	// Unseal takes secrets out of their seal: the keys only open.
	Unseal bool
}

// OpenSealed is Open for a state whose secrets are sealed, or are to be. Where a
// Holder could not read all secrets by the keys, the error is a *StoreKeyError
// and nothing was changed. A Reader finds that out when it needs a secret: see
// SealedError.
func OpenSealed(ctx context.Context, o Options) (*Store, error) {
	path, err := filepath.Abs(o.Path)
	if err != nil {
		return nil, fmt.Errorf("open state folder: %w", err)
	}
	records := dir.New(filepath.Join(path, "records"), o.Disk)
	s := &Store{
		path: path, node: o.Node, disk: o.Disk, backend: records,
		groups: plainjson.New[groupRecord](), targets: plainjson.New[targetsRecord](),
	}
	s.vault.keys = o.Keys
	f := folder{path: path, disk: o.Disk}
	if o.Mode == Reader {
		if err := f.inspect(o.Mode); err != nil {
			return nil, err
		}
		if s.node == "" {
			s.node, err = f.node()
		}
		return s, err
	}
	if err := f.prepare(); err != nil {
		return nil, err
	}
	unclean := false
	if s.lock, unclean, err = f.hold(); err != nil {
		return nil, err
	}
	err = f.inspect(o.Mode)
	if err == nil && unclean {
		err = errors.Join(f.sweep(), f.sweepArchive(), records.Sweep(ctx))
	}
	if err == nil {
		err = f.complete()
	}
	if err == nil && s.node == "" {
		s.node, err = f.makeNode()
	}
	if err == nil {
		err = s.takeKeys(ctx, o.Keys, o.Unseal)
	}
	if err != nil {
		return nil, errors.Join(err, s.lock.Abandon())
	}
	return s, nil
}

// Close ends the hold. Whatever is asked to write after it gives ErrClosed;
// the caller first waits for what is writing.
func (s *Store) Close() error {
	if s.lock == nil || s.closed.Swap(true) {
		return nil
	}
	if err := s.lock.Unlock(); err != nil {
		return fmt.Errorf("let go of the state in %s: %w; all is stored, and the next run tidies up", s.path, err)
	}
	return nil
}

// Node is the name of this machine in the records; "" for a Reader of a
// folder that no holder has named yet.
func (s *Store) Node() string { return s.node }

// Dir is the state folder.
func (s *Store) Dir() string { return s.path }

// writable says whether this store may write.
func (s *Store) writable() error {
	switch {
	case s.lock == nil:
		return ErrReader
	case s.closed.Load():
		return ErrClosed
	}
	return nil
}

// put writes a record if it is still the one with ifRevision.
func (s *Store) put(ctx context.Context, key string, record any, ifRevision backend.Revision) error {
	value, err := encode(key, record)
	if err != nil {
		return err
	}
	return s.putValue(ctx, key, value, ifRevision)
}

// putValue is put for what is encoded already.
func (s *Store) putValue(ctx context.Context, key string, value []byte, ifRevision backend.Revision) error {
	if err := s.writable(); err != nil {
		return err
	}
	_, err := s.backend.Put(ctx, key, value, ifRevision)
	return err
}

// delete removes a record, whatever it is; a missing one is no error.
func (s *Store) delete(ctx context.Context, key string) error {
	if err := s.writable(); err != nil {
		return err
	}
	return s.backend.Delete(ctx, key, "")
}
