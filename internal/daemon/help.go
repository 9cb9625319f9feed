package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/user"
	"path/filepath"
	"strconv"
	"time"

	"github.com/certkeep/certkeep/internal/command"
	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/deploy"
	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/engine"
	"github.com/certkeep/certkeep/internal/handover"
	"github.com/certkeep/certkeep/internal/socket"
	"github.com/certkeep/certkeep/internal/store"
)

// ErrNoHelper says that the config wants no helper.
var ErrNoHelper = errors.New("the config names no helper")

// pruneEvery is how often a helper drops what it keeps no longer.
const pruneEvery = 24 * time.Hour

// leastPause is between two reloads of a service by a helper: who asks it is not
// to keep a service busy with nothing else.
const leastPause = 3 * time.Second

// Help installs files, as `helper` of the config says, for a Certkeep that runs
// as another user, until ctx ends. What a former process left half done is
// finished or undone before anybody is answered. Of the options it takes Load,
// Disk, Log, Relog, UserAgent and ReadyFD.
func Help(ctx context.Context, o Options) (err error) {
	notify := newNotifier(o.Log, o.ReadyFD, true)
	cfg, _, err := o.Load()
	if err != nil {
		return err
	}
	if !cfg.Helper.On() {
		return ErrNoHelper
	}
	to := cfg.Log
	to.File = "" // that file is the user's, and what is in its place may be, too
	o.Relog(to)
	uid, err := uidOf(cfg.Helper.User)
	if err != nil {
		return err
	}
	lock, err := o.holdHelperState(cfg.Helper.State)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	deployer, err := o.helperDeployer(ctx, cfg, uid)
	if err != nil {
		return err
	}
	l, err := o.helperSocket(ctx, cfg.Helper, uid)
	if err != nil {
		return fmt.Errorf("make the helper's socket: %w", err)
	}
	server := &handover.Server{Installer: deployer, Open: o.openBook, Log: o.Log, Pace: handover.Pace{Least: leastPause}}
	ended := make(chan error, 1)
	running, stop := context.WithCancel(ctx)
	defer stop()
	go func() { ended <- server.Serve(running, l) }()
	o.Log.Info("helping", "user", cfg.Helper.User, "socket", cfg.Helper.Socket)
	notify.ready("Installing for " + cfg.Helper.User)
	prune := time.NewTicker(pruneEvery)
	defer prune.Stop()
	for {
		select {
		case <-prune.C:
			o.pruneAgain(deployer)
		case <-ctx.Done():
			o.Log.Info("ending", "because", context.Cause(ctx).Error())
			notify.stopping()
			return <-ended
		case err := <-ended:
			return err
		}
	}
}

// helperDeployer is what installs, after it finished what was interrupted.
func (o Options) helperDeployer(ctx context.Context, cfg *config.Config, uid int) (*deploy.Deployer, error) {
	d := deploy.New(deploy.Options{State: cfg.Helper.State, Disk: o.Disk, KeepsOutOf: uid})
	recovered, err := d.Recover(ctx)
	for _, r := range recovered {
		o.Log.Info("an interrupted installation was finished or undone", "certificate", r.Cert, "target", r.Target, "version", r.Version, "finished", r.Forward)
		if r.Fault != nil {
			o.Log.Warn("not all of it could be", "certificate", r.Cert, "target", r.Target, "error", r.Fault.Words)
		}
	}
	if err != nil {
		return nil, err
	}
	o.prune(d, cfg)
	return d, nil
}

// pruneAgain is prune by the config as it is now.
func (o Options) pruneAgain(d *deploy.Deployer) {
	cfg, _, err := o.Load()
	if err != nil {
		o.Log.Warn("cannot read the config", "error", err)
		return
	}
	o.prune(d, cfg)
}

// prune drops replaced files that are kept no longer. An archive of the config's is
// left alone where others could lead root elsewhere by a symlink in it.
func (o Options) prune(d *deploy.Deployer, cfg *config.Config) {
	archive := cfg.Keep.ArchiveDirectory
	if archive != "" {
		where, words, hint, err := command.ExposedWay(archive)
		if words != "" {
			o.Log.Warn("nothing is pruned in the archive of replaced files", "folder", where, "because", words, "remedy", hint)
		}
		if words != "" || err != nil { // there may be none yet
			archive = ""
		}
	}
	if err := d.PruneArchive(time.Now(), cfg.Keep.Archive, archive); err != nil {
		o.Log.Warn("cannot prune the archive of replaced files", "error", err)
	}
}

// helperSocket listens for the user that the config names, and for root.
func (o Options) helperSocket(ctx context.Context, h config.Helper, uid int) (net.Listener, error) {
	open := durable.Attr{Mode: 0o755, UID: -1, GID: -1}
	if err := o.Disk.Mkdir(filepath.Dir(h.Socket), open); err != nil {
		return nil, err
	}
	l, err := socket.Listen(ctx, h.Socket, socket.Access{UID: uid, GID: -1, Mode: 0o600}, o.Disk)
	if err != nil {
		return nil, err
	}
	return &socket.Guard{
		UnixListener: l,
		May:          func(peer uint32) bool { return peer == 0 || int(peer) == uid },
		Refuse:       func(peer uint32) { o.Log.Warn("refused a connection to the helper", "uid", peer) },
	}, nil
}

// uidOf is the number of a user.
func uidOf(name string) (int, error) {
	who, err := user.Lookup(name)
	if err != nil {
		return 0, err
	}
	uid, err := strconv.Atoi(who.Uid)
	if err != nil {
		return 0, fmt.Errorf("user %s has the number %q", name, who.Uid)
	}
	return uid, nil
}

// openBook reads the config, and opens the state for reading.
func (o Options) openBook(ctx context.Context) (handover.Book, error) {
	cfg, _, err := o.Load()
	if err != nil {
		return nil, err
	}
	s, err := store.OpenSealed(ctx, store.Options{Path: cfg.State, Disk: o.Disk, Node: cfg.Node, Keys: cfg.StoreKeys})
	if err != nil {
		return nil, err
	}
	e := engine.New(engine.Options{Store: s, Disk: o.Disk, Log: o.Log, UserAgent: o.UserAgent, Helps: true})
	if err := e.Configure(cfg); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	uid, err := uidOf(cfg.Helper.User)
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return engine.NewBook(e, uid), nil
}
