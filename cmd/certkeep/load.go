package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/store"
)

// configFile is the config to use, and whether there is one. One that was
// named is expected to be there.
func (a *app) configFile() (string, bool) {
	env := a.getenv(config.EnvPath)
	path := config.Path(a.configPath, env)
	if a.configPath != "" || env != "" {
		return path, true
	}
	_, err := os.Lstat(path)
	return path, !errors.Is(err, fs.ErrNotExist)
}

// load reads the config and shows its warnings.
func (a *app) load() (*config.Config, error) {
	cfg, warnings, err := a.loadQuietly()
	a.warn(warnings)
	return cfg, err
}

// warn shows the warnings of a config.
func (a *app) warn(warnings []config.Warning) {
	paint := a.ui.painter(a.ui.stderr)
	for _, w := range warnings {
		a.ui.say("%s %s", paint(yellow, "warning:"), w)
	}
}

// loadQuietly reads the config.
func (a *app) loadQuietly() (*config.Config, []config.Warning, error) {
	path, there := a.configFile()
	if !there {
		return nil, nil, &hintedError{
			code: exitConfig, words: "there is no config: looked for " + path + " (.yml, .json)",
			hint: "write one (`certkeep config example` prints one), or name it with --config or $" + config.EnvPath,
		}
	}
	cfg, warnings, err := config.Load(path)
	if err != nil {
		return nil, warnings, err
	}
	a.ui.hues.config = cfg.Log.Color
	return cfg, warnings, nil
}

// read is what commands that only look need: config and facts, without a lock.
func (a *app) read(ctx context.Context) (*config.Config, plan.World, error) {
	cfg, err := a.load()
	if err != nil {
		return nil, plan.World{}, err
	}
	w, err := world(ctx, cfg)
	return cfg, w, err
}

// world reads the facts beside whoever holds the state.
func world(ctx context.Context, cfg *config.Config) (plan.World, error) {
	s, err := openReader(ctx, cfg)
	if err != nil {
		return plan.World{}, err
	}
	known, err := s.Known(ctx)
	if err != nil {
		return plan.World{}, fmt.Errorf("read the state in %s: %w", cfg.State, err)
	}
	w := plan.World{Wanted: cfg.Wanted(), Known: known}
	w.Unclaimed = plan.Unclaimed(w.Wanted, known)
	w.Wanted.Node = s.Node()
	return w, nil
}

// reader is what commands that look into the store need.
func (a *app) reader(ctx context.Context) (*config.Config, *store.Store, error) {
	cfg, err := a.load()
	if err != nil {
		return nil, nil, err
	}
	s, err := openReader(ctx, cfg)
	return cfg, s, err
}

// ofNames is the config, and those of its certificates that a command line names,
// or all.
func (a *app) ofNames(names []string) (*config.Config, []string, error) {
	cfg, err := a.load()
	if err != nil {
		return nil, nil, err
	}
	if len(names) == 0 {
		return cfg, allNames(cfg), nil
	}
	names, err = named(cfg, names)
	return cfg, names, err
}

// openReader opens the state for reading. A reader holds nothing, so there is
// nothing to close.
func openReader(ctx context.Context, cfg *config.Config) (*store.Store, error) {
	return store.OpenSealed(ctx, store.Options{Path: cfg.State, Disk: durable.OS{}, Node: cfg.Node, Keys: cfg.StoreKeys})
}

// unknownName is a name that does not exist, with those that come near.
func unknownName(what, name string, all []string) error {
	words := fmt.Sprintf("no %s is named %q", what, name)
	if near := nearest(name, all); len(near) > 0 {
		return usage(words, "did you mean "+quoted(near)+"?")
	}
	if len(all) == 0 {
		return usage(words, "none is configured")
	}
	slices.Sort(all)
	shown := all[:min(len(all), 5)]
	hint := "known: " + strings.Join(shown, ", ")
	if len(shown) < len(all) {
		hint += fmt.Sprintf(", and %d more", len(all)-len(shown))
	}
	return usage(words, hint)
}
