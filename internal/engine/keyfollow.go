package engine

import (
	"context"
	"crypto"
	"errors"
	"fmt"
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
	own := *w.known()
	own.Inspected = time.Now()
	w.world.Known.Keys[w.want.Name] = &own
	var altered []string
	for _, f := range w.parts.cfg.KeyFiles(w.want.Name, w.want.KeyTypes) {
		if len(f.Content) != 1 || f.Content[0] == config.PartDERKey || w.untouched(f.Path) {
			continue
		}
		found, err := w.readKey(ctx, f)
		switch {
		case err == nil && w.isNew(found):
			if fault := w.follow(ctx, s, found); fault != nil {
				return fault
			}
		case err != nil && w.want.Provided && f.Content[0] == config.PartKey:
			return w.failed(ctx, s, own.Inspected, &FaultError{Fault: newFault(plan.CodeKeyMissing, plan.BlameAdmin, err.Error()), Err: err})
		case w.wasWritten(f.Path):
			altered = append(altered, f.Path)
			w.engine.Log.Warn("a file of keys was changed by somebody else, and is written again", "keys", w.want.Name, "file", f.Path, "error", err)
		}
	}
	if len(altered) == 0 {
		return nil
	}
	w.found = true
	err := w.engine.Store.UpdateShared(ctx, w.want.Name, func(t *plan.Target) error {
		t.Altered = altered
		return nil
	})
	if err != nil {
		return w.fault(plan.CodeDisk, "store which files of keys were altered: "+err.Error())
	}
	return nil
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
	info, err := os.Stat(f.Path)
	if err != nil {
		return foundKey{}, err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !info.Mode().IsRegular() || info.Mode().Perm()&0o022 != 0 || ok && owner.Uid != 0 && int(owner.Uid) != os.Geteuid() {
		return foundKey{}, fmt.Errorf("%s may be changed by others, so the key in it is not used", f.Path)
	}
	text, err := os.ReadFile(f.Path)
	if err != nil {
		return foundKey{}, err
	}
	key, err := keys.Parse(text)
	if encrypted(err) {
		var target deploy.Target
		if err := w.protect(ctx, &target); err != nil {
			return foundKey{}, err
		}
		key, err = keys.ParseWith(text, []byte(target.Passphrase))
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

// isNew reports whether a key is none that is known in any role: such a file is
// only behind, or ahead, as a process that was killed left it.
func (w *keyWorker) isNew(found foundKey) bool {
	_, banned := w.world.Known.Banned[found.fingerprint]
	return !banned && !slices.Contains(w.known().References(), found.fingerprint)
}

// follow takes over a key. The age of one that was there before us is that of
// its file; a backup key is made when the primary one becomes that.
func (w *keyWorker) follow(ctx context.Context, s plan.Step, found foundKey) *plan.Fault {
	now := time.Now()
	if _, err := w.engine.Store.PutKey(ctx, found.key); err != nil {
		return w.failed(ctx, s, now, fmt.Errorf("save the key in %s: %w", found.path, err))
	}
	err := w.engine.Store.UpdateKeys(ctx, w.want.Name, func(k *plan.KnownKeys) error {
		set := k.Keys[found.keyType]
		is := plan.Key{SHA256: found.fingerprint, Made: found.made}
		switch found.part {
		case config.PartBackupKey:
			set.Next = is
			if w.known().Shared.Version == "" && found.made.Before(set.Primary.Since) {
				set.Primary.Since = found.made
			}
		case config.PartPreviousKey:
			set.Previous = is
		default:
			if !set.Primary.IsZero() && set.Primary.SHA256 != is.SHA256 { // else the answer of that write was lost
				set.Previous = set.Primary
			}
			is.Since = found.made
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

// reread lets the next file be looked at with what is known now.
func (w *keyWorker) reread(ctx context.Context) *plan.Fault {
	if err := w.refresh(ctx); err != nil {
		return w.fault(plan.CodeDisk, "read the record of keys: "+err.Error())
	}
	return nil
}
