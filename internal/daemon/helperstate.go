package daemon

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/certkeep/certkeep/internal/command"
	"github.com/certkeep/certkeep/internal/durable"
)

// holdHelperState makes the helper's state, if there is none, and holds it: a
// second helper would take what the first one is doing for what a killed one
// left, and finish or undo it. It removes the temporaries of a killed one. A crash
// leaves an empty folder, or a lock that nobody holds.
func (o Options) holdHelperState(state string) (*durable.Lock, error) {
	if err := o.Disk.Mkdir(state, durable.PrivateDir()); err != nil {
		return nil, fmt.Errorf("make the helper's state: %w", err)
	}
	// Journals say what is written where: whoever could write them could write anywhere.
	where, words, _, err := command.ExposedWay(state)
	if err != nil {
		return nil, fmt.Errorf("look at the helper's state: %w", err)
	}
	if words != "" {
		return nil, fmt.Errorf("the helper's state: %s: %s", where, words)
	}
	path := filepath.Join(state, "lock")
	if err := o.Disk.Create(path, nil, durable.Private()); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("make the lock of the helper's state: %w", err)
	}
	lock, note, err := durable.TryLock(path)
	if locked, ok := errors.AsType[*durable.LockedError](err); ok {
		return nil, fmt.Errorf("another helper (process %s) holds %s", locked.Note, state)
	}
	if err != nil {
		return nil, fmt.Errorf("hold the helper's state: %w", err)
	}
	err = lock.Mark(fmt.Appendf(nil, "%d", os.Getpid()))
	if err == nil && len(note) > 0 { // the last one died
		err = durable.RemoveTemps(o.Disk, state)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("take over the helper's state: %w", err), lock.Abandon())
	}
	return lock, nil
}
