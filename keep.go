package certkeep

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"

	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/daemon"
	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/engine"
	"github.com/certkeep/certkeep/internal/store"
)

// How often what cannot be had is tried again: the lock that another process
// has, and the store that cannot be watched.
const (
	lockEvery  = 2 * time.Second
	troubleFor = 30 * time.Second
)

// userAgent names the library to CAs.
const userAgent = "certkeep (Go library)"

// follow takes over what is published, by whichever process.
func (k *Keeper) follow(ctx context.Context, reader *store.Store) {
	for ctx.Err() == nil {
		for name, err := range reader.Follow(ctx) {
			if err == nil && name == "" {
				err = k.shelf.Refresh(ctx, k.wanted)
			} else if err == nil {
				err = k.shelf.Changed(ctx, name, func() []string { return k.namesOf(name) })
			}
			if err != nil && ctx.Err() == nil {
				k.log.Error("cannot follow what is published; what was served before is served on", "error", err)
			}
			k.demand.told()
			if err != nil {
				break // all is read anew after a pause: what was missed is not said again
			}
		}
		pause(ctx, troubleFor)
	}
}

// namesOf are the names that a certificate is wanted for.
func (k *Keeper) namesOf(cert string) []string {
	if c := k.config.Load().Certificate(cert); c != nil {
		return c.Names
	}
	return nil
}

// hold orders and renews for as long as this process has the state. While
// another one has it, that one does.
func (k *Keeper) hold(ctx context.Context) {
	for ctx.Err() == nil {
		err := k.run(ctx)
		k.engine.Store(nil)
		held, isHeld := errors.AsType[*store.HeldError](err)
		switch {
		case ctx.Err() != nil:
			if err != nil && !errors.Is(err, ErrClosed) {
				k.log.Error("certkeep ended with an error", "error", err)
			}
		case isHeld:
			k.failed(nil)
			k.log.Debug("another process has the state, and renews", "holder", held.Error())
			pause(ctx, lockEvery)
		default:
			k.failed(err)
			k.log.Error("certificates are served, but not renewed by this process; it is tried again", "error", err)
			pause(ctx, troubleFor)
		}
	}
}

// run is what the daemon does, in this process.
func (k *Keeper) run(ctx context.Context) error {
	running, stop := context.WithCancel(ctx)
	defer stop()
	signals := make(chan os.Signal)
	go func() {
		for {
			select {
			case <-running.Done():
				return
			case <-k.reload:
			}
			select {
			case signals <- syscall.SIGHUP:
			case <-running.Done():
				return
			}
		}
	}()
	return daemon.Run(ctx, daemon.Options{
		Load: func() (*config.Config, []config.Warning, error) {
			cfg, err := k.load()
			if err != nil {
				return nil, nil, err
			}
			k.config.Store(cfg)
			return cfg, nil, nil
		},
		Disk: durable.OS{}, Log: k.log, Relog: func(config.Log) {}, UserAgent: userAgent, Signals: signals, Counters: &k.counters,
		Embedded: func(e *engine.Engine) {
			k.engine.Store(e)
			k.failed(nil)
			k.tookOver()
		},
	})
}

// pause waits, or until ctx ends.
func pause(ctx context.Context, long time.Duration) {
	t := time.NewTimer(long)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
