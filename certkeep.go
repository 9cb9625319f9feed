// Package certkeep keeps the TLS certificates of a Go program alive: it gets
// them from a certificate authority by ACME, renews them for ever, and hands
// them to handshakes.
//
// Open is the function to call first. It takes the configuration that the
// program certkeep reads, and works on the same state folder: beside a daemon,
// beside an older or newer process of the same program, or alone. Whoever has
// the lock on the state orders and renews; the others serve what is stored,
// follow every change, and take over when the lock is free.
//
// A server needs TLSConfig and, where names are proven on port 80,
// HTTPHandler. Both answer the CA's challenges by themselves: the program has
// the ports, and Certkeep opens none.
package certkeep

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/engine"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/seal"
	"github.com/certkeep/certkeep/internal/serve"
	"github.com/certkeep/certkeep/internal/status/metrics"
	"github.com/certkeep/certkeep/internal/store"
)

// The defaults of Options.
const (
	DefaultInMemory = 20_000
	DefaultWait     = 10 * time.Second
)

// Options say which certificates are kept, and how they are served.
type Options struct {
	// ConfigFile is a configuration with the conf.d beside it, as
	// `certkeep --config` reads it. It is read again by Reload.
	ConfigFile string
	// Config is the text of one instead, in the same form. Most programs that
	// use it set `defaults: {files: []}`, which keeps certificates in the state
	// folder and writes them nowhere else.
	Config string
	// OnDemand lets visitors ask for certificates that the configuration does
	// not declare: it is called with a name in small letters that some client
	// wants to see, and returns nil where a certificate is to be had for it.
	// Any error turns the client away. Each day it is asked again about the
	// names that have a certificate: one is renewed no more once the error
	// wraps ErrNotAllowed; any other error changes nothing then. Without
	// OnDemand such clients are turned away.
	OnDemand func(ctx context.Context, name string) error
	// Wait is how long at most a handshake waits for what is not in memory: to
	// be read, or to be ordered on demand. 0 is DefaultWait.
	Wait time.Duration
	// InMemory is how many certificates are held in memory at most; the others
	// are read when they are asked for. 0 is DefaultInMemory.
	InMemory int
	// Log gets what the program certkeep logs. nil is slog.Default.
	Log *slog.Logger
}

// Keeper keeps certificates until it is closed. Its methods may be called at
// the same time.
type Keeper struct {
	options Options
	log     *slog.Logger
	shelf   *serve.Shelf
	demand  *demand
	reload  chan struct{}
	end     context.CancelCauseFunc
	work    sync.WaitGroup

	config       atomic.Pointer[config.Config]
	engine       atomic.Pointer[engine.Engine] // nil while another process has the state
	trouble      atomic.Pointer[plan.Problem]  // why this process does not renew; nil where it, or another one, does
	unfit        atomic.Pointer[plan.Problem]  // which names on demand the configuration does not take; nil for none
	placeholders placeholders
	counters     metrics.Counters // of what this process does while it has the state
	reader       *store.Store
	ctx          context.Context // ends at Close
}

// Open reads the configuration, serves what is stored from now on, and begins
// to keep it. It asks no CA, and does not wait for the lock on the state. Its
// error says what is wrong with the configuration or the state folder.
func Open(o Options) (*Keeper, error) {
	if o.ConfigFile != "" && o.Config != "" {
		return nil, errors.New("open certkeep: ConfigFile and Config are both set; name one")
	}
	k := &Keeper{options: o, log: o.Log, reload: make(chan struct{}, 1)}
	k.demand = newDemand(k)
	if k.log == nil {
		k.log = slog.Default()
	}
	cfg, err := k.load()
	if err != nil {
		return nil, fmt.Errorf("open certkeep: %w", err)
	}
	k.config.Store(cfg)
	k.ctx, k.end = context.WithCancelCause(context.Background())
	if err := k.begin(cfg); err != nil {
		k.end(nil)
		return nil, fmt.Errorf("open certkeep: %w", err)
	}
	return k, nil
}

// begin serves what is stored, and begins to keep it.
func (k *Keeper) begin(cfg *config.Config) error {
	var err error
	k.reader, err = store.OpenSealed(k.ctx, store.Options{Path: cfg.State, Disk: durable.OS{}, Node: cfg.Node, Keys: func() (seal.Ring, error) { return k.config.Load().StoreKeys() }})
	if err == nil {
		err = k.reader.CheckKeys(k.ctx)
	}
	if err != nil {
		return err
	}
	k.shelf = serve.New(k.reader, orDefault(k.options.InMemory, DefaultInMemory), k.log)
	if err := k.shelf.Refresh(k.ctx, k.wanted); err != nil {
		return err
	}
	if k.options.OnDemand != nil {
		names, err := k.reader.Demands(k.ctx)
		if err != nil {
			return err
		}
		k.demand.stored(names) // before review begins
		k.work.Go(func() { k.demand.review(k.ctx) })
	}
	k.work.Go(func() { k.follow(k.ctx, k.reader) })
	k.work.Go(func() { k.hold(k.ctx) })
	return nil
}

// tookOver takes note of what visitors asked of the process that had the state
// before, since this one began.
func (k *Keeper) tookOver() {
	if k.options.OnDemand == nil {
		return
	}
	names, err := k.reader.Demands(k.ctx)
	if err != nil {
		k.log.Error("names that visitors asked another process for are not known, and are not renewed until the next start", "error", err)
		return
	}
	if k.demand.stored(names) {
		k.again()
	}
}

// ErrClosed is why handshakes fail after Close.
var ErrClosed = errors.New("certkeep: closed")

// Close ends the keeping: steps under way are saved, and the lock on the state
// becomes free. What TLSConfig gave fails from now on for names that are not
// in memory.
func (k *Keeper) Close() error {
	k.end(ErrClosed)
	k.work.Wait()
	return nil
}

// Reload reads the configuration again. One that is refused leaves the old
// one in force.
func (k *Keeper) Reload() error {
	cfg, err := k.load()
	if err != nil {
		return fmt.Errorf("reload certkeep: %w", err)
	}
	k.config.Store(cfg)
	k.again()
	// Where another process has the state nobody else says what is wanted now.
	if err := k.shelf.Refresh(k.ctx, k.wanted); err != nil {
		return fmt.Errorf("reload certkeep: %w", err)
	}
	return nil
}

// again has the process that holds the state, if it is this one, take over
// the configuration.
func (k *Keeper) again() {
	select {
	case k.reload <- struct{}{}:
	default: // about to happen
	}
}

// source is the configuration with names that visitors asked for.
func (k *Keeper) source(demanded []string) config.Source {
	source := config.Source{Path: k.options.ConfigFile, Text: []byte(k.options.Config), Demanded: demanded}
	if source.Path == "" && len(source.Text) == 0 {
		source.Path = config.Path("", "")
	}
	return source
}

// load reads the configuration with what is wanted on demand.
func (k *Keeper) load() (*config.Config, error) {
	names := k.demand.names()
	cfg, warnings, err := k.source(names).Load()
	var unfit []string
	var why error
	if err != nil && len(names) > 0 {
		cfg, warnings, err = k.source(nil).Load()
		if err == nil {
			// A name that was asked for once must not stand in the way of a
			// configuration that has changed since, nor of other names.
			var fit []string
			fit, unfit, why = k.fitting(names)
			if with, more, err := k.source(fit).Load(); err == nil {
				cfg, warnings = with, more
			} else {
				unfit, why = names, err
			}
		}
	}
	for _, w := range warnings {
		k.log.Warn(w.String())
	}
	if err != nil {
		return nil, err
	}
	k.leftOut(unfit, why)
	host(cfg)
	return cfg, nil
}

// fitting sorts names that visitors asked for into those that the configuration
// takes and the others, and says why it does not take the first of them. It
// halves them, so that one among many costs few readings.
func (k *Keeper) fitting(names []string) (fit, unfit []string, why error) {
	_, _, err := k.source(names).Load()
	switch {
	case err == nil:
		return names, nil, nil
	case len(names) == 1:
		return nil, names, err
	}
	fit, unfit, why = k.fitting(names[:len(names)/2])
	fitToo, unfitToo, whyToo := k.fitting(names[len(names)/2:])
	return slices.Concat(fit, fitToo), slices.Concat(unfit, unfitToo), cmp.Or(why, whyToo)
}

// host says what follows from the program having its ports itself: names that
// no rule is for are proven by a handshake or over HTTP.
func host(cfg *config.Config) {
	if cfg.Listen.TLS == "" {
		cfg.Listen.TLS = ":443"
	}
	if cfg.Listen.HTTP.Address == "" {
		cfg.Listen.HTTP.Address = ":80"
	}
	cfg.Challenges = append(cfg.Challenges[:len(cfg.Challenges):len(cfg.Challenges)], config.Rule{
		Methods: []config.Method{{Type: config.MethodTLSALPN01}, {Type: config.MethodHTTP01}},
	})
}

// wanted are the names of the certificates that the configuration declares now.
func (k *Keeper) wanted() map[string][]string {
	cfg := k.config.Load()
	names := make(map[string][]string, len(cfg.Certificates))
	for _, c := range cfg.Certificates {
		names[c.Name] = c.Names
	}
	return names
}

func orDefault[N int | time.Duration](n, standard N) N {
	if n <= 0 {
		return standard
	}
	return n
}
