package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/netutil"

	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/engine"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/status"
	"github.com/certkeep/certkeep/internal/status/metrics"
	"github.com/certkeep/certkeep/internal/status/web"
)

// Bounds of who asks for the status.
const (
	statusConns   = 128
	statusHeader  = 16 << 10
	statusAsks    = 10 * time.Second // to send a request
	statusAnswers = 2 * time.Minute  // to take the answer: metrics of many certificates
	statusIdle    = time.Minute
	statusRetry   = 30 * time.Second // until a port that was taken is tried again
)

// statusPage shows how everything is, where the config in force says. It asks
// the engine for nothing, so it goes on while the engine hangs.
type statusPage struct {
	d         *daemon
	counters  *metrics.Counters
	snapshots *status.Snapshots
	ctx       context.Context // ends with the process
	wanted    atomic.Pointer[plan.Wanted]
	problem   atomic.Pointer[plan.Problem] // nil where the page is shown, or not to be

	mu      sync.Mutex // guards what follows; held while the page is opened
	cfg     *config.Config
	issuers map[string]string // URLs of directories
	server  *http.Server      // nil where nothing listens
	at      config.StatusListener
	shown   *atomic.Pointer[http.Handler] // by the server
	tried   time.Time
}

// newStatusPage makes one that listens nowhere yet.
func newStatusPage(ctx context.Context, d *daemon) *statusPage {
	p := &statusPage{d: d, ctx: ctx, counters: d.Counters}
	if p.counters == nil {
		p.counters = &metrics.Counters{}
	}
	p.wanted.Store(&plan.Wanted{})
	p.snapshots = status.NewSnapshots(ctx, status.Source{
		Read: p.read,
		Again: func(ctx context.Context, was plan.World, changed []string) (plan.World, error) {
			known, err := d.store.Again(ctx, was.Known, changed)
			return plan.World{Wanted: was.Wanted, Known: known}, err
		},
		Problems: d.problems,
		Events:   status.History(d.store),
	})
	return p
}

// read is all that is wanted and known.
func (p *statusPage) read(ctx context.Context) (plan.World, error) {
	known, err := p.d.store.Known(ctx)
	return plan.World{Wanted: *p.wanted.Load(), Known: known}, err
}

// watch takes note of what the engine does.
func (p *statusPage) watch(e engine.Progress) {
	switch {
	case e.Event != nil:
		p.counters.Event(string(e.Event.Kind))
	case e.Step != nil && e.Stage == "":
		p.counters.Step(string(e.Step.Kind), e.Fault != nil)
	default:
		return // a stage: nothing was stored
	}
	p.snapshots.Changed(e.Cert)
	if e.Step != nil && e.Step.Keys != "" {
		p.snapshots.Reset() // of several certificates
	}
}

// follow takes over a config that the engine has: what it says of the page, and
// what is wanted.
// That there can be no page is a problem for a person, and no failure.
func (p *statusPage) follow(cfg *config.Config) {
	wanted := p.d.engine.Wanted()
	p.wanted.Store(&wanted)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cfg, p.issuers = cfg, cfg.Directories()
	p.counters.Forget(func(issuer string) bool { return p.issuers[issuer] != "" })
	p.snapshots.Reset()
	p.show()
}

// again tries once more what failed.
func (p *statusPage) again() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.problem.Load() != nil && time.Since(p.tried) >= statusRetry {
		p.show()
	}
}

// show does what the config says. The caller holds mu.
func (p *statusPage) show() {
	p.tried = time.Now()
	err := p.listen()
	if err == nil {
		if p.problem.Swap(nil) != nil {
			p.d.engine.Stirred()
		}
		return
	}
	if p.problem.Load() == nil {
		p.d.log.Warn("the status page cannot be shown", "error", err)
	}
	p.problem.Store(&plan.Problem{
		Code: plan.CodeStatusPage, Severity: plan.Warning, Since: p.tried.UTC(),
		Words: fmt.Sprintf("the status page cannot be shown at %s: %v", p.cfg.Listen.Status.Address, err), Remedy: plan.CodeStatusPage.Remedy(),
	})
	p.d.engine.Stirred()
}

// listen opens what the config names, unless it is open, and closes what it
// names no more. The caller holds mu.
func (p *statusPage) listen() error {
	next := p.cfg.Listen.Status
	moved := next.Address != p.at.Address || next.Group != p.at.Group
	if p.server != nil && (moved || next.Token == "" && p.at.Token != "" && next.Open()) {
		p.close()
	}
	if next.Address == "" || p.d.Embedded != nil {
		return nil // a program that embeds this one shows what it likes, where it likes
	}
	handler, err := p.handler(next)
	if err != nil {
		p.close() // who could not be asked for the token must not be let in by the old one
		return err
	}
	if p.server != nil {
		p.shown.Store(&handler)
		p.at = next
		return nil
	}
	l, err := p.open(next)
	if err != nil {
		return err
	}
	shown := &atomic.Pointer[http.Handler]{}
	shown.Store(&handler)
	server := newStatusServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*shown.Load()).ServeHTTP(w, r) }), p.d.log)
	p.server, p.shown, p.at = server, shown, next
	p.d.log.Info("the status is shown", "at", next.Address)
	p.d.background.Go(func() {
		if err := server.Serve(netutil.LimitListener(l, statusConns)); !errors.Is(err, http.ErrServerClosed) {
			p.d.log.Error("the status page ended by itself", "error", err)
		}
	})
	return nil
}

// newStatusServer bounds what every visitor may take.
func newStatusServer(handler http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: statusAsks, ReadTimeout: statusAsks, WriteTimeout: statusAnswers, IdleTimeout: statusIdle,
		MaxHeaderBytes: statusHeader, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// open takes the address.
func (p *statusPage) open(at config.StatusListener) (net.Listener, error) {
	if path := at.Socket(); path != "" {
		return listenStatus(p.ctx, path, at.Group, p.d.Disk)
	}
	return p.d.Network.Listen(p.ctx, "tcp", at.Address)
}

// handler is what answers, made for a config.
func (p *statusPage) handler(at config.StatusListener) (http.Handler, error) {
	token, err := at.ReadToken()
	if err != nil {
		return nil, err
	}
	return web.New(web.Options{
		Snapshots: p.snapshots, Build: p.d.Build, Counters: p.counters,
		Hosts: at.Hosts, Token: token, Directories: p.issuers, Email: p.cfg.Email, Emails: p.cfg.Emails(), Declared: p.cfg.Declared, Log: p.d.log,
	}), nil
}

// close ends what listens. The caller holds mu.
func (p *statusPage) close() {
	if p.server == nil {
		return
	}
	if err := p.server.Close(); err != nil {
		p.d.log.Debug("close the status page", "error", err)
	}
	p.server = nil
}

// end closes the page when the process ends.
func (p *statusPage) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.close()
}

// problems are what a person must know of the page. It waits for nothing.
func (p *statusPage) problems() []plan.Problem {
	if now := p.problem.Load(); now != nil {
		return []plan.Problem{*now}
	}
	return nil
}
