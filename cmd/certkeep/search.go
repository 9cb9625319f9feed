package main

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"time"

	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/engine"
	"github.com/certkeep/certkeep/internal/plan"
)

// searchParams searches for Diffie-Hellman parameters after a pass of apply has
// told what it did and let go of the state: meanwhile the RFC's group is in
// place, and other commands do their work. What is found is stored and
// installed at once. One process searches at a time; a search that is
// interrupted is begun anew by the next run.
func (a *app) searchParams(ctx context.Context, cfg *config.Config, w wish, after plan.World) error {
	searches := slices.DeleteFunc(engine.Searches(time.Now(), after), func(s engine.Search) bool {
		return len(w.names) > 0 && !slices.Contains(w.names, s.Cert)
	})
	if len(searches) == 0 || len(w.only.Kinds) > 0 && !slices.Contains(w.only.Kinds, plan.KindParams) {
		return nil
	}
	path := filepath.Join(cfg.State, "search.lock")
	if err := (durable.OS{}).Create(path, nil, durable.Private()); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	lock, _, err := durable.TryLock(path)
	if _, others := errors.AsType[*durable.LockedError](err); others {
		a.ui.say("another process searches for Diffie-Hellman parameters already")
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = lock.Unlock() }() // it ends with the process at the latest
	for _, s := range searches {
		a.ui.say("%s: searching for Diffie-Hellman parameters of %d bits; all else is done, nothing waits for it, and it may be interrupted", s.Cert, s.Bits)
		found, err := s.Find(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		if err := a.installParams(ctx, cfg, s, found); err != nil {
			return err
		}
	}
	return nil
}

// installParams stores what was found and has it installed. A daemon that was
// started meanwhile searches for itself.
func (a *app) installParams(ctx context.Context, cfg *config.Config, s engine.Search, found plan.DHParams) (err error) {
	state, err := a.hold(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, state.close()) }()
	if state.client != nil {
		return nil
	}
	r := &recorder{ui: a.ui}
	e, err := a.engine(ctx, cfg, state.store, []string{s.Cert}, r.watch)
	if err != nil {
		return err
	}
	if err := e.Keep(ctx, s, found); err != nil {
		return err
	}
	kinds := onlyParts()["install"]
	report, err := e.Apply(ctx, []string{s.Cert}, engine.Only{Kinds: kinds, NoSearch: true})
	if err == nil && report.Failed {
		err = exitWith(exitFailed)
	}
	return err
}
