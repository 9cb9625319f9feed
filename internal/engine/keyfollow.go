package engine

import (
	"cmp"
	"context"
	"crypto"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/deploy"
	"github.com/certkeep/certkeep/internal/keys"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/store"
)

// foundKey is a key that lies at one of the files of the keys.
type foundKey struct {
	path        string
	part        config.Part
	keyType     string
	key         crypto.Signer
	fingerprint string
	made        time.Time // when the file was last changed
}

// inspect looks at the files of the keys. A key that somebody else put there is
// followed; a file that is gone, or holds no such key, is written again.
func (w *keyWorker) inspect(ctx context.Context, s plan.Step) *plan.Fault {
	w.remember(time.Now(), "")
	altered, fault, why := w.look(ctx, s)
	if w.closed != nil && fault == nil {
		w.remember(time.Now(), w.closed.Error())
		return w.failed(ctx, s, time.Now(), w.closedFault())
	}
	if fault == nil {
		fault = w.opened(ctx)
	}
	if written, ok := errors.AsType[*beingWrittenError](w.unsettled); ok && fault == nil {
		w.remember(time.Time{}, "")
		w.engine.Log.Info("a file of keys is being written by somebody else, and looked at again soon", "keys", w.want.Name, "file", written.path)
	}
	if len(altered) == 0 || fault != nil {
		return fault
	}
	w.found = true
	w.engine.Log.Warn("files of keys were changed by somebody else, and are written again", "keys", w.want.Name, "files", altered, "error", why)
	err := w.engine.Store.UpdateShared(ctx, w.want.Name, func(t *plan.Target) error {
		t.Altered = altered
		return nil
	})
	if err != nil {
		return w.fault(plan.CodeDisk, "store which files of keys were altered: "+err.Error())
	}
	return nil
}

// remember notes when the files were looked at, and why a key in them cannot be
// read.
func (w *keyWorker) remember(inspected time.Time, closed string) {
	own := *w.known()
	own.Inspected, own.Closed = inspected, closed
	w.world.Known.Keys[w.want.Name] = &own
}

// closedFault tells a person of a key that is there and cannot be read.
func (w *keyWorker) closedFault() *FaultError {
	const words = "; it is left alone, and no other is made in its place: say its passphrase or owner, or move the file away, then `certkeep apply NAME`"
	return &FaultError{Fault: newFault(plan.CodeSecret, plan.BlameAdmin, w.closed.Error()+words), Err: w.closed}
}

// opened forgets that a key could not be read, now that all can be.
func (w *keyWorker) opened(ctx context.Context) *plan.Fault {
	if fault := w.known().Tries.Fault; fault == nil || fault.Code != plan.CodeSecret {
		return nil
	}
	err := w.engine.Store.UpdateKeys(ctx, w.want.Name, func(k *plan.KnownKeys) error {
		k.Tries = plan.Tries{}
		return nil
	})
	if err != nil {
		return w.fault(plan.CodeDisk, "store that keys can be read again: "+err.Error())
	}
	return w.reread(ctx)
}

// look follows the keys that somebody else put at the files of the keys, and
// lists those files that have to be written again, and why the first that cannot
// be read could not.
func (w *keyWorker) look(ctx context.Context, s plan.Step) (altered []string, fault *plan.Fault, why error) {
	w.unsettled, w.closed = nil, nil
	var gone []config.File
	var seen []string
	for _, f := range w.parts.cfg.KeyFiles(w.want.Name, w.want.KeyTypes) {
		if len(f.Content) != 1 || f.Content[0] == config.PartDERKey || w.untouched(f.Path) {
			continue
		}
		found, err := w.readKey(ctx, f)
		seen = append(seen, found.fingerprint)
		_, written := errors.AsType[*beingWrittenError](err)
		_, closed := errors.AsType[*closedKeyError](err)
		switch {
		case err == nil && (w.isNew(found) || w.movedUp(found)):
			if fault := w.follow(ctx, s, found); fault != nil {
				return altered, fault, why
			}
		case errors.Is(err, fs.ErrNotExist) && f.Content[0] == config.PartPreviousKey && w.wasWritten(f.Path):
			gone = append(gone, f)
		case written:
			w.unsettled = err
		case err != nil && w.want.Provided && f.Content[0] == config.PartKey:
			return altered, w.failed(ctx, s, time.Now(), &FaultError{Fault: newFault(plan.CodeKeyMissing, plan.BlameAdmin, err.Error()), Err: err}), err
		case closed && !w.areOurs():
			w.closed = cmp.Or(w.closed, err)
		case w.wasWritten(f.Path):
			altered = append(altered, f.Path)
			if why == nil {
				why = err
			}
		}
	}
	for _, f := range gone {
		// What lies somewhere else was moved, and comes back as any file.
		if slices.Contains(seen, w.known().Keys[string(f.KeyType)].Previous.SHA256) {
			altered = append(altered, f.Path)
		} else if fault := w.dropPrevious(ctx, s, f); fault != nil {
			return altered, fault, why
		}
	}
	return altered, nil, why
}

// lookBefore looks at the files of the keys once more before they are written:
// what somebody put there since the last look is followed, not written over.
// Stands is false where the installation is not what follows any more.
func (w *keyWorker) lookBefore(ctx context.Context, s plan.Step) (stands bool, fault *plan.Fault) {
	before := w.known().References()
	if _, fault, _ := w.look(ctx, s); fault != nil && fault.Code != plan.CodeKeyMissing {
		return false, fault // a provided key that is missing is told, and holds up nothing
	}
	if w.closed != nil {
		f := w.closedFault().Fault
		return false, &f
	}
	if w.unsettled != nil {
		f := newFault(plan.CodeForeignFile, plan.BlameAdmin, fmt.Sprintf("keys %s: %v", w.want.Name, w.unsettled))
		return false, &f
	}
	if slices.Equal(before, w.known().References()) {
		return true, nil
	}
	now := time.Now()
	return slices.ContainsFunc(w.steps(now), func(next plan.Step) bool {
		return next.Kind == plan.KindInstall && next.Version == s.Version && slices.Equal(next.Certs, s.Certs)
	}), nil
}

// untouched reports whether a file is as it was written.
func (w *keyWorker) untouched(path string) bool {
	return slices.ContainsFunc(w.known().Shared.Files, func(f plan.File) bool {
		return f.Path == path && len(w.engine.inspector.Altered([]plan.File{f})) == 0
	})
}

// wasWritten reports whether a file was written by an installation.
func (w *keyWorker) wasWritten(path string) bool {
	return slices.ContainsFunc(w.known().Shared.Files, func(f plan.File) bool { return f.Path == path })
}

// readKey reads the key in a file, which nobody but its owner and root may be
// able to change.
func (w *keyWorker) readKey(ctx context.Context, f config.File) (foundKey, error) {
	text, info, err := readGuarded(f.Path, w.ownersBefore(f)...)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		err = &closedKeyError{err}
	}
	if err != nil {
		return foundKey{}, err
	}
	key, err := keys.Parse(text)
	locked := encrypted(err)
	if locked {
		var target deploy.Target
		if err := w.protect(ctx, &target); err != nil {
			return foundKey{}, &closedKeyError{fmt.Errorf("%s is under a passphrase: %w", f.Path, err)}
		}
		key, err = keys.ParseWith(text, []byte(target.Passphrase))
	}
	if locked && err != nil && !w.areOurs() {
		return foundKey{}, &closedKeyError{fmt.Errorf("%s: %w", f.Path, err)}
	}
	if since := time.Since(info.ModTime()); err != nil && since.Abs() < writingFor {
		return foundKey{}, &beingWrittenError{path: f.Path, err: err}
	}
	if err != nil {
		return foundKey{}, fmt.Errorf("%s: %w", f.Path, err)
	}
	if t, err := keys.TypeOf(key.Public()); err != nil || t != f.KeyType {
		return foundKey{}, errors.Join(err, fmt.Errorf("%s holds a key of type %s, not %s", f.Path, t, f.KeyType))
	}
	fingerprint, err := keys.Fingerprint(key.Public())
	return foundKey{path: f.Path, part: f.Content[0], keyType: string(f.KeyType), key: key, fingerprint: fingerprint, made: info.ModTime()}, err
}

// ownersBefore are who may own a file that another tool wrote: by the config it
// is theirs. One of ours is written again where they change it.
func (w *keyWorker) ownersBefore(f config.File) []int {
	if w.areOurs() || f.Owner == "" {
		return nil
	}
	uid, err := deploy.UserID(f.Owner)
	if err != nil {
		return nil // the installation says so
	}
	return []int{uid}
}

// areOurs reports whether the files of the keys were written by us: what lies there
// before is another tool's.
func (w *keyWorker) areOurs() bool { return w.known().Shared.Version != "" }

// closedKeyError is a file that is there and holds a key, or may hold one, that
// cannot be read, for lack of its passphrase or of trust in it.
type closedKeyError struct{ err error }

func (e *closedKeyError) Error() string { return e.err.Error() }

func (e *closedKeyError) Unwrap() error { return e.err }

// readGuarded reads a file that nobody can change but root, who runs this, and
// some others. What is looked at and what is read is one file, whatever becomes of
// its name.
func readGuarded(path string, owners ...int) ([]byte, os.FileInfo, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	defer file.Close() // opened for reading: nothing can be lost
	info, err := file.Stat()
	if err != nil {
		return nil, nil, err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !info.Mode().IsRegular() {
		return nil, nil, fmt.Errorf("%s is no regular file", path)
	}
	if info.Mode().Perm()&0o022 != 0 || ok && !slices.Contains(append(owners, 0, os.Geteuid()), int(owner.Uid)) {
		return nil, nil, fmt.Errorf("%s may be changed by others, so the key in it is not used", path)
	}
	text, err := io.ReadAll(io.LimitReader(file, mostKeyFile))
	return text, info, err
}

const (
	// writingFor is how long after its last change a file that holds no whole
	// key may be one that somebody is writing.
	writingFor = 10 * time.Second
	// mostKeyFile bounds what is read as a key, in bytes.
	mostKeyFile = 1 << 20
)

// beingWrittenError is a file that changed just now and holds no whole key.
type beingWrittenError struct {
	path string
	err  error
}

func (e *beingWrittenError) Error() string {
	return fmt.Sprintf("%s was changed just now, and holds no key that can be read yet: %v", e.path, e.err)
}

func (e *beingWrittenError) Unwrap() error { return e.err }

// isNew reports whether a key is none that is known in any role: such a file is
// only behind, or ahead, as a process that was killed left it.
func (w *keyWorker) isNew(found foundKey) bool {
	_, banned := w.world.Known.Banned[found.fingerprint]
	return !banned && !slices.Contains(w.known().References(), found.fingerprint)
}

// movedUp reports whether a key that is known was put at the place of the
// primary one: the next one by hand, or any that is provided. The one before is
// no sign of that: a process that was killed leaves it there.
func (w *keyWorker) movedUp(found foundKey) bool {
	known := w.known()
	set := known.Keys[found.keyType]
	_, banned := w.world.Known.Banned[found.fingerprint]
	if found.part != config.PartKey || banned || found.fingerprint == set.Primary.SHA256 {
		return false
	}
	return w.want.Provided || known.Rolling == nil && found.fingerprint == set.Next.SHA256
}

// follow takes over a key. The age of one that was there before us is that of
// its file, or of that of the backup key: one is made when the primary becomes
// that, and the primary's file, which was its file until then, may be older.
func (w *keyWorker) follow(ctx context.Context, s plan.Step, found foundKey) *plan.Fault {
	now := time.Now()
	if found.made.After(now) {
		found.made = now // written under a clock that was ahead
	}
	if _, err := w.engine.Store.PutKey(ctx, found.key); err != nil {
		return w.failed(ctx, s, now, fmt.Errorf("save the key in %s: %w", found.path, err))
	}
	err := w.engine.Store.UpdateKeys(ctx, w.want.Name, func(k *plan.KnownKeys) error {
		set := k.Keys[found.keyType]
		is := plan.Key{SHA256: found.fingerprint, Made: found.made}
		switch found.part {
		case config.PartBackupKey:
			set.Next = is
			if w.known().Shared.Version == "" && !set.Primary.IsZero() {
				set.Primary.Since = found.made
			}
		case config.PartPreviousKey:
			set.Previous = is
		default:
			if !set.Primary.IsZero() && set.Primary.SHA256 != is.SHA256 { // else the answer of that write was lost
				set.Previous = set.Primary
			}
			is.Since = found.made
			if set.Next.SHA256 == is.SHA256 {
				is.Made, is.Since, set.Next = set.Next.Made, now, plan.Key{}
			}
			if w.known().Shared.Version == "" && !set.Next.IsZero() {
				is.Since = set.Next.Made
			}
			set.Primary, k.Rolling = is, nil
		}
		k.Keys[found.keyType], k.Tries = set, plan.Tries{}
		return nil
	})
	if err != nil {
		return w.failed(ctx, s, now, err)
	}
	w.emit(ctx, store.Event{Kind: store.EventKeyRollover, KeyType: found.keyType, Words: fmt.Sprintf("keys %s: the %s in %s is used from now on", w.want.Name, found.part, found.path)})
	w.found = true
	return w.reread(ctx)
}

// dropPrevious forgets a previous key whose file somebody took away: it is to be
// pinned no longer.
func (w *keyWorker) dropPrevious(ctx context.Context, s plan.Step, f config.File) *plan.Fault {
	keyType := string(f.KeyType)
	err := w.engine.Store.UpdateKeys(ctx, w.want.Name, func(k *plan.KnownKeys) error {
		if set, ok := k.Keys[keyType]; ok {
			set.Previous = plan.Key{}
			k.Keys[keyType] = set
		}
		return nil
	})
	if err != nil {
		return w.failed(ctx, s, time.Now(), err)
	}
	w.engine.Log.Info("the previous key was taken away, and is forgotten", "keys", w.want.Name, "key_type", keyType, "file", f.Path)
	w.found = true
	return w.reread(ctx)
}

// reread lets the next file be looked at with what is known now.
func (w *keyWorker) reread(ctx context.Context) *plan.Fault {
	if err := w.refresh(ctx); err != nil {
		return w.fault(plan.CodeDisk, "read the record of keys: "+err.Error())
	}
	return nil
}
