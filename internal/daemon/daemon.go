// Package daemon is the process behind `certkeep run`: it holds the state,
// keeps the engine running, listens to signals and to the control socket, and
// tells the supervisor how far it is. Run is the function to call first; Hold
// is how every other command gets at the state: as its holder, or as a client
// of the daemon that holds it.
//
// What it promises: a start or a reload asks no CA and does not fail because a
// network is down; a config that is refused leaves the old one in force; an
// end saves the step under way and takes seconds; and however the process
// dies, the next one finds the state free.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/engine"
	"github.com/certkeep/certkeep/internal/network"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/status"
	"github.com/certkeep/certkeep/internal/status/metrics"
	"github.com/certkeep/certkeep/internal/store"
)

// endMayTake is how long steps under way may take to be saved at the end.
const endMayTake = 30 * time.Second

// Options are what a daemon is made of.
type Options struct {
	// Load reads the config, at the start and at each reload.
	Load func() (*config.Config, []config.Warning, error)
	Disk durable.Disk
	Log  *slog.Logger
	// Relog is called with each config that is taken over.
	Relog     func(config.Log)
	UserAgent string
	Build     status.Build
	// Signals are SIGHUP (reload) and SIGALRM (look now). What ends the
	// process ends the context of Run.
	Signals <-chan os.Signal
	// Passphrase makes what gets passphrases of private keys from whoever
	// started the process, for the certificates of its first config; nil asks
	// nobody.
	Passphrase func(*config.Config) func(ctx context.Context, cert, how string) ([]byte, error)
	// Network has the sockets that a service manager handed over.
	Network network.Handed
	ReadyFD int // s6: a newline is written there once, and it is closed; 0 for none
	// Embedded is called with the engine where the process is another
	// program's: the supervisor is not told anything then, and that program has
	// the ports of challenges; see engine.Options.Hosted.
	Embedded func(*engine.Engine)
	// Counters count what the process does; nil are the daemon's own. A program
	// that shows them itself keeps them from one Run to the next.
	Counters *metrics.Counters
}

// ErrNotSaved says that the end was not waited for.
var ErrNotSaved = errors.New("ended before the steps under way were saved; the next start goes on from what was saved last")

// daemon is the running process.
type daemon struct {
	Options
	log    *slog.Logger
	store  *store.Store
	engine *engine.Engine
	notify notifier
	page   *statusPage
	porch  porch
	given  *givenWatch

	reloads    chan chan error // asked over the socket; answered by the loop
	background sync.WaitGroup

	mu      sync.Mutex // guards what follows
	cfg     *config.Config
	refused *plan.Problem // the last reload, when its config was refused
}

// Run holds the state and keeps everything converged until a signal or ctx
// ends it. While another daemon holds the state its error is a
// *store.HeldError, at once; another command is waited for.
func Run(ctx context.Context, o Options) error {
	d := &daemon{Options: o, log: o.Log, notify: newNotifier(o.Log, o.ReadyFD, o.Embedded == nil), reloads: make(chan chan error)}
	cfg, err := d.load()
	if err != nil {
		return err
	}
	d.Relog(cfg.Log)
	d.store, err = d.hold(ctx, cfg)
	if err != nil && ctx.Err() != nil {
		d.log.Info("ended while it waited for the state", "because", context.Cause(ctx).Error())
		return nil
	}
	if err != nil {
		return err
	}
	remove, err := WritePID(d.Disk, cfg.PIDFile)
	if err != nil {
		d.log.Warn("nobody finds the process by its file", "error", err)
	}
	err = d.serve(ctx, cfg)
	return errors.Join(err, remove(), d.store.Close())
}

// hold takes the state's lock.
func (d *daemon) hold(ctx context.Context, cfg *config.Config) (*store.Store, error) {
	s, client, err := Hold(ctx, cfg, d.Disk, func(held *store.HeldError) { d.log.Info("waiting for the state", "error", held) })
	if err != nil {
		return nil, err
	}
	if client == nil {
		return s, nil
	}
	if err := client.Close(); err != nil {
		d.log.Debug("close the connection to the other daemon", "error", err)
	}
	return nil, client.held
}

// serve runs the engine, the control socket and the loop.
func (d *daemon) serve(ctx context.Context, cfg *config.Config) error {
	running, stop := context.WithCancel(ctx)
	defer stop()
	desk := newDesk()
	d.page = newStatusPage(running, d)
	d.porch.d = d
	options := engine.Options{Store: d.store, Disk: d.Disk, Network: d.Network, Log: d.log, UserAgent: d.UserAgent, Hosted: d.Embedded != nil, Asked: d.page.counters.Request, Conditions: d.problems}
	options.Watch = func(p engine.Progress) {
		desk.watch(p)
		d.page.watch(p)
	}
	if d.Passphrase != nil {
		options.Passphrase = d.Passphrase(cfg)
	}
	d.engine = engine.New(options)
	if err := d.engine.Configure(cfg); err != nil {
		return fmt.Errorf("take over the config: %w", err)
	}
	d.setConfig(cfg)
	if d.Embedded != nil {
		d.Embedded(d.engine)
	}
	if err := d.engine.Recover(ctx); err != nil {
		// What is left undone is a fact on the disk: each installation
		// meets it again, and says so.
		d.log.Error("could not finish what a former process left half done", "error", err)
	}
	socket, err := listen(ctx, d.store.Dir(), d.Disk, func(uid uint32) { d.log.Warn("refused a connection to the control socket", "uid", uid) })
	if err != nil {
		return err
	}
	server := newServer(running, d, desk)
	d.background.Go(func() {
		if err := server.http.Serve(socket); !errors.Is(err, http.ErrServerClosed) {
			d.log.Error("the control socket failed; other commands cannot ask this process", "error", err)
		}
	})
	d.page.follow(cfg)
	d.porch.follow(ctx, cfg)
	d.given = newGivenWatch(d)
	defer d.given.end()
	d.given.follow(cfg)
	ended := make(chan error, 1)
	go func() { ended <- d.engine.Run(running) }()
	for _, address := range d.Network.Addresses() {
		d.log.Info("a socket was handed over", "at", address)
	}
	d.log.Info("running", "state", d.store.Dir(), "node", d.store.Node(), "certificates", len(cfg.Certificates))
	d.notify.ready(keeping(cfg))
	err = d.loop(ctx, ended)
	d.notify.stopping()
	stop()
	return errors.Join(err, d.finish(running, server, ended))
}

// loop waits for signals until ctx ends. Its error is what ended the engine
// before that.
func (d *daemon) loop(ctx context.Context, ended chan error) error {
	beat, stopBeat := d.notify.heartbeat()
	defer stopBeat()
	look := time.NewTicker(clockEvery)
	defer look.Stop()
	clock := newClockWatch()
	for {
		select {
		case <-ctx.Done():
			d.log.Info("ending", "because", context.Cause(ctx).Error())
			return nil
		case err := <-ended:
			ended <- nil
			return fmt.Errorf("the engine ended by itself: %w", err)
		case done := <-d.reloads:
			done <- d.reload()
		case <-beat:
			d.notify.alive()
		case <-d.given.stirred():
			d.given.look()
		case err := <-d.given.failed():
			d.log.Debug("watching files failed; they are looked at all the same", "error", err)
		case <-d.given.settle.C:
			d.given.settled()
		case <-look.C:
			d.given.look()
			d.page.again()
			d.porch.again(ctx)
			if by := clock.stepped(); by != 0 {
				d.log.Info("the clock was set, or the machine has slept; looking at everything now", "by", by.Round(time.Second).String())
				d.engine.Wake()
			}
		case s := <-d.Signals:
			if s == syscall.SIGHUP {
				_ = d.reload() // logged, and a Problem
				continue
			}
			d.log.Info("looking now, as asked by a signal")
			d.engine.Wake()
		}
	}
}

// finish waits for the engine and then ends the socket, so that whoever waits
// there still hears how far it came. The engine's context has ended.
func (d *daemon) finish(running context.Context, server *server, ended <-chan error) error {
	limit := time.NewTimer(endMayTake)
	defer limit.Stop()
	var failed error
	select {
	case err := <-ended:
		if !errors.Is(err, context.Cause(running)) {
			failed = err
		}
	case <-limit.C:
		// Nobody is waited for any more, but the process may go on: that of a
		// program which opens the same again.
		d.page.end()
		d.porch.end()
		if err := server.http.Close(); err != nil {
			d.log.Debug("close the control socket", "error", err)
		}
		return ErrNotSaved
	}
	d.page.end()
	d.porch.end()
	last, cancel := context.WithTimeout(context.Background(), requestMayTake)
	defer cancel()
	if err := server.http.Shutdown(last); err != nil {
		d.log.Debug("a client was cut off", "error", err)
	}
	d.background.Wait()
	d.log.Info("ended")
	return failed
}

// load reads the config and logs its warnings.
func (d *daemon) load() (*config.Config, error) {
	cfg, warnings, err := d.Load()
	for _, w := range warnings {
		d.log.Warn(w.String())
	}
	return cfg, err
}

// reload takes over the config as it is now, or keeps the one in force, says
// why in the log, and keeps saying it as a Problem.
func (d *daemon) reload() error {
	d.notify.reloading()
	cfg, err := d.load()
	if err == nil {
		err = d.takeOver(cfg)
	}
	d.mu.Lock()
	d.refused = nil
	if err != nil {
		d.refused = &plan.Problem{
			Code: plan.CodeConfig, Severity: plan.Warning, Words: "the config was not taken over: " + err.Error(),
			Remedy: plan.CodeConfig.Remedy(), Since: time.Now().UTC(),
		}
	}
	d.mu.Unlock()
	if err != nil {
		d.log.Error("the config was not taken over; the old one stays in force", "error", err)
	} else {
		d.log.Info("the config was taken over", "certificates", len(cfg.Certificates))
	}
	d.notify.ready(keeping(d.config()))
	d.engine.Stirred()
	return err
}

// takeOver replaces the config in force. What belongs to the process as it
// was started cannot be replaced.
func (d *daemon) takeOver(cfg *config.Config) error {
	old := d.config()
	switch {
	case cfg.State != old.State:
		return fmt.Errorf("`state` changed from %s to %s, which needs a restart", old.State, cfg.State)
	case cfg.Node != old.Node:
		return fmt.Errorf("`node` changed from %q to %q, which needs a restart", old.Node, cfg.Node)
	}
	if err := d.engine.UseKeys(context.Background(), cfg.StoreKeys); err != nil {
		return err
	}
	if err := d.engine.Configure(cfg); err != nil {
		return err
	}
	d.setConfig(cfg)
	d.page.follow(cfg)
	d.porch.follow(context.Background(), cfg)
	d.given.follow(cfg)
	d.Relog(cfg.Log)
	return nil
}

func (d *daemon) config() *config.Config {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.cfg
}

func (d *daemon) setConfig(cfg *config.Config) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cfg = cfg
}
