// Package engine carries out what plan decides. It loads what is wanted and
// known, asks plan for the steps that follow, does those that are due, and
// commits what came of them as facts; then it plans again. It decides nothing.
//
// New makes an Engine, Configure gives it a config, Apply runs until nothing
// is due, and Run does so for ever. One Engine holds the store; what it knows
// in memory is therefore what the store holds.
package engine

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/deploy"
	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/network"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/store"
)

// Options are what an Engine is made of.
type Options struct {
	Store     *store.Store // opened as holder
	Disk      durable.Disk
	Network   network.Network // the machine's where nil
	Log       *slog.Logger
	UserAgent string
	// Hosted is set where a program has the ports of challenges itself and
	// passes on what it is asked there; see AnswerHTTP and AnswerTLS.
	Hosted bool
	// Helps is set in a process that installs for another one, whatever the
	// config says of helpers; see Book.
	Helps bool
	// AgreeTerms is asked where the config accepts no terms of service; nil
	// refuses. It may block on a terminal.
	AgreeTerms func(issuer, url string) error
	// Passphrase gets the passphrase of a certificate's private key from a
	// person: how is one of config's ways to ask. One question is asked at a
	// time; nil asks nobody.
	Passphrase func(ctx context.Context, cert, how string) ([]byte, error)
	// Watch is called with every event, and with the progress of steps, from
	// many goroutines; it must be quick.
	Watch func(Progress)
	// Asked is called with every request to a CA: status is that of HTTP, 0
	// where there was no answer. It must be quick; nil counts nothing.
	Asked func(issuer, method string, status int, took time.Duration)
	// Conditions are what a person must know that no fact tells of, only the
	// process around the engine: people are told of them as of all others. It
	// must be quick; nil knows none. See Stirred.
	Conditions func() []plan.Problem
}

// asked is Asked for one issuer.
func (o Options) asked(issuer string) func(method string, status int, took time.Duration) {
	if o.Asked == nil {
		return nil
	}
	return func(method string, status int, took time.Duration) { o.Asked(issuer, method, status, took) }
}

// Progress is what a watcher sees: an event that goes into the history, or
// where a certificate's current step stands.
type Progress struct {
	Time  time.Time
	Cert  string
	Step  *plan.Step   // the step that Stage speaks of; also set at its end
	Stage string       // what is being done, in words; "" at the end of a step
	Fault *plan.Fault  // at the end of a step: how it failed; nil when it succeeded
	Event *store.Event // set where something happened
}

// Engine carries out steps. Its methods may be called at the same time.
type Engine struct {
	Options

	wake     chan struct{} // holds one request to look at the store afresh
	stirred  chan struct{} // likewise, at what people are to be told
	settling chan settled  // to the pass in Run
	reseal   chan struct{} // holds one request to look whether all secrets are sealed

	mu    sync.Mutex // guards what follows
	parts *parts     // made from the current config; replaced as a whole

	certs     *nameLocks      // held by whoever works on a certificate's records
	forgotten map[string]bool // by name, until the pass has taken note; guarded by mu
	installs  *installQueue
	names     *nameLocks
	inspector *deploy.Inspector
	standing  standing

	passphrases passphrases
	untold      untold
}

// New makes an Engine that has no config yet.
func New(o Options) *Engine {
	e := &Engine{Options: o, wake: make(chan struct{}, 1), stirred: make(chan struct{}, 1), settling: make(chan settled), reseal: make(chan struct{}, 1), names: newNameLocks(), certs: newNameLocks(), forgotten: map[string]bool{}, inspector: deploy.NewInspector()}
	if e.Network == nil {
		e.Network = network.OS{}
	}
	if e.Watch == nil {
		e.Watch = func(Progress) {}
	}
	e.installs = newInstallQueue(func(p Progress) { e.Watch(p) }, e.Log)
	return e
}

// Configure takes over a config. All that can fail is done before anything is
// replaced; what did not change keeps its connections, listeners and orders.
func (e *Engine) Configure(cfg *config.Config) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	next, err := newParts(cfg, e.parts, e.Options)
	if err != nil {
		return err
	}
	e.parts = next
	e.Wake()
	return nil
}

// Wake makes Run look at the store and the plan again, now.
func (e *Engine) Wake() {
	select {
	case e.wake <- struct{}{}:
	default: // a request is waiting already
	}
}

// Recover finishes what a killed process left half done on this node's disk.
// It is called once, before the first pass.
func (e *Engine) Recover(ctx context.Context) error {
	e.housekeeping(ctx, false)
	recovered, err := e.current().deployer.Recover(ctx)
	for _, r := range recovered {
		words := "an interrupted installation was undone"
		if r.Forward {
			words = "an interrupted installation was finished"
		}
		e.emit(ctx, store.Event{Kind: store.EventInstalled, Cert: r.Cert, Target: r.Target, Version: r.Version, Words: words, Fault: r.Fault})
	}
	return err
}

func (e *Engine) current() *parts {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.parts
}

// Ask stores a person's wish for certificates and wakes the engine; version is
// that of a restore, and of a renewal the issuer to be asked, "" for any. It
// returns once the wish survives a crash. Its error is a *FaultError; the wish
// for other certificates may be stored then.
func (e *Engine) Ask(ctx context.Context, kind plan.AskKind, names []string, version string) error {
	ask := plan.Ask{At: time.Now(), Version: version}
	var failed []error
	if kind == plan.AskRollover {
		names, failed = e.askRollover(ctx, names, version)
		kind, ask.Version = plan.AskRenew, ""
	} else if kind == plan.AskRenew {
		ask.Version, ask.Issuer = "", version
	}
	for _, name := range names {
		err := e.Store.UpdateCert(ctx, name, func(k *plan.KnownCert) error {
			if k.Asks == nil {
				k.Asks = map[plan.AskKind]plan.Ask{}
			}
			k.Asks[kind] = ask
			return nil
		})
		if err != nil {
			failed = append(failed, err)
		}
	}
	e.Wake()
	if len(failed) == 0 {
		return nil
	}
	fault, _ := faultOf(failed[0])
	fault.Words = "store what was asked for: " + fault.Words
	for _, err := range failed[1:min(len(failed), 5)] {
		fault.Detail = append(fault.Detail, err.Error())
	}
	return &FaultError{Fault: fault, Err: errors.Join(failed...)}
}

// Wanted is what the config in force asks for. It is shared, and never changed.
func (e *Engine) Wanted() plan.Wanted {
	wanted := e.current().wanted
	wanted.Node = e.Store.Node()
	return wanted
}

// World is what plan looks at, read from the store.
func (e *Engine) World(ctx context.Context) (plan.World, error) {
	known, err := e.Store.Known(ctx)
	if err != nil {
		return plan.World{}, err
	}
	known.Issuers = e.standing.merge(known.Issuers)
	wanted := e.Wanted()
	return plan.World{Wanted: wanted, Known: known, Unclaimed: plan.Unclaimed(wanted, known)}, nil
}
