package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/deploy"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/store"
)

// withdraw takes the files of a version that was withdrawn away, and has the
// zones made anew that hold records of them. Services are not told: they would
// find nothing. A crash before the fact is stored finds the files gone.
func (w *worker) withdraw(ctx context.Context, s plan.Step) *plan.Fault {
	fact := w.known.Targets[s.Target]
	target, err := w.lockedTarget(s.Target)
	if err != nil { // a companion
		target = deploy.Target{Cert: w.want.Name, Name: s.Target}
	}
	left, err := w.parts.places.Withdraw(target, s.Version, fact.Files)
	ctx = context.WithoutCancel(ctx)
	if err != nil {
		return w.notWithdrawn(ctx, s, err)
	}
	w.reloadZones(ctx)
	err = w.engine.Store.UpdateTargets(ctx, w.want.Name, func(targets map[string]plan.Target) error {
		if t := targets[s.Target]; len(t.Hooks) > 0 {
			targets[s.Target] = plan.Target{Hooks: t.Hooks, HookTries: t.HookTries}
			return nil
		}
		delete(targets, s.Target)
		return nil
	})
	if err != nil {
		return w.fault(plan.CodeDisk, "store that files were taken away: "+err.Error(), nil)
	}
	w.emit(ctx, store.Event{Kind: store.EventWithdrawn, Target: s.Target, Version: s.Version, Words: withdrawnWords("its files", left)})
	return nil
}

func withdrawnWords(what string, left []string) string {
	words := what + " were taken away, and are kept in the archive"
	if len(left) > 0 {
		words += "; changed by somebody else, and left: " + strings.Join(left, ", ")
	}
	return words
}

// notWithdrawn stores why files could not be taken away, and when to try again.
func (w *worker) notWithdrawn(ctx context.Context, s plan.Step, cause error) *plan.Fault {
	now := time.Now()
	fault := withdrawFault(w.want.Name, cause)
	jitter := w.roll(now, "withdraw "+s.Target)
	err := w.engine.Store.UpdateTargets(ctx, w.want.Name, func(targets map[string]plan.Target) error {
		t := targets[s.Target]
		t.Tries = t.Tries.Begin(now, jitter).Failed(now, fault, time.Time{})
		targets[s.Target] = t
		return nil
	})
	if err != nil {
		w.engine.Log.Error("cannot store why files could not be taken away", "certificate", w.want.Name, "error", err)
	}
	return &fault
}

func withdrawFault(name string, cause error) plan.Fault {
	return newFault(plan.CodeDeploy, plan.BlameAdmin, fmt.Sprintf("take away the files of %s: %v", name, cause))
}

// withdraw takes away the files of keys, but for those of the next ones.
func (w *keyWorker) withdraw(ctx context.Context, s plan.Step) *plan.Fault {
	now := time.Now()
	ready := w.readyFiles()
	files := slices.DeleteFunc(slices.Clone(w.known().Shared.Files), func(f plan.File) bool { return slices.Contains(ready, f.Path) })
	left, err := w.parts.places.Withdraw(w.parts.keyTarget(w.want), s.Version, files)
	ctx = context.WithoutCancel(ctx)
	fault := withdrawFault("keys "+w.want.Name, err)
	jitter := spread(now, w.world.Wanted.Node, w.want.Name, "withdraw")
	stored := w.engine.Store.UpdateShared(ctx, w.want.Name, func(t *plan.Target) error {
		if err != nil {
			t.Tries = t.Tries.Begin(now, jitter).Failed(now, fault, time.Time{})
			return nil
		}
		*t = plan.Target{Hooks: t.Hooks, HookTries: t.HookTries}
		return nil
	})
	switch {
	case err != nil:
		w.emit(ctx, store.Event{Kind: store.EventErrored, Words: fault.Words, Fault: &fault})
		return &fault
	case stored != nil:
		return w.fault(plan.CodeDisk, "store that files of keys were taken away: "+stored.Error())
	}
	w.emit(ctx, store.Event{Kind: store.EventWithdrawn, Words: withdrawnWords("files of the keys "+w.want.Name, left)})
	return nil
}

// readyFiles are the files of the keys that hold a next one.
func (w *keyWorker) readyFiles() []string {
	var paths []string
	for _, f := range w.parts.cfg.KeyFiles(w.want.Name, w.want.KeyTypes) {
		if slices.Contains(f.Content, config.PartBackupKey) {
			paths = append(paths, f.Path)
		}
	}
	return paths
}

// revokeKeys takes note that what is on the keys of certificates is to be
// withdrawn. Keys that are provided stay: whoever brings them brings others.
func (e *Engine) revokeKeys(ctx context.Context, names []string, now time.Time) error {
	var failed []error
	for _, k := range e.current().wanted.Keys {
		if k.Provided || !slices.ContainsFunc(k.Certs, func(c string) bool { return slices.Contains(names, c) }) {
			continue
		}
		failed = append(failed, e.Store.UpdateKeys(ctx, k.Name, func(known *plan.KnownKeys) error {
			known.Revoke(now)
			return nil
		}))
	}
	return errors.Join(failed...)
}
