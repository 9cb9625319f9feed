package sim

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/engine"
	"github.com/certkeep/certkeep/internal/network"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/sim/fakeca"
	"github.com/certkeep/certkeep/internal/store"
)

// fleet is one process with CAs of its own, in one bubble: for what is looked
// at in days and not in years. The caller sets its fields before start.
type fleet struct {
	*testing.T
	dir    string
	config string // but for state and issuers
	wire   *wire
	cas    map[string]*front
	engine *engine.Engine
	store  *store.Store
	stop   func()
}

// front stands before a CA: it counts requests, and answers badly when told to.
type front struct {
	*fakeca.CA
	mu     sync.Mutex // guards what follows
	status int        // answered with, where it is not zero
	asked  int
	limits int // answered with 429
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.asked++
	status := f.status
	f.mu.Unlock()
	if status != 0 && r.Method == http.MethodPost {
		http.Error(w, "out of order", status)
		return
	}
	answer := &noted{ResponseWriter: w}
	f.CA.ServeHTTP(answer, r)
	f.mu.Lock()
	defer f.mu.Unlock()
	if answer.status == http.StatusTooManyRequests {
		f.limits++
	}
}

// noted remembers the status of an answer.
type noted struct {
	http.ResponseWriter
	status int
}

func (n *noted) WriteHeader(status int) {
	n.status = status
	n.ResponseWriter.WriteHeader(status)
}

// refusals is how many requests were refused by the CA's limits.
func (f *front) refusals() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.limits
}

// fail has the CA answer each POST with a status; 0 is as it should be.
func (f *front) fail(status int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.status = status
}

// count is how many requests there were since it was last called.
func (f *front) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	asked := f.asked
	f.asked = 0
	return asked
}

// inFleet runs a test in a bubble. CAs are made of their options, by name.
func inFleet(t *testing.T, cas map[string]fakeca.Options, test func(f *fleet)) {
	t.Helper()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		f := &fleet{T: t, dir: dir, wire: newWire(), cas: map[string]*front{}}
		time.Sleep(20 * 365 * day) // the certificates of test CAs are not of the year 2000
		for name, o := range cas {
			o.Name, o.Now, o.Default = name+".test", time.Now, "classic"
			o.Profiles = profiles()
			if o.Validate == nil {
				o.Validate = func(context.Context, string, string, string, string) error { return nil }
			}
			ca, err := fakeca.New(o)
			f.must(err)
			f.cas[name] = &front{CA: ca}
			f.connect(name)
		}
		test(f)
		if f.stop != nil {
			f.stop()
		}
		f.wire.end()
	})
}

func (f *fleet) must(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

// connect puts a CA where it is reached.
func (f *fleet) connect(name string) func() {
	listener, err := f.wire.Listen(f.Context(), "tcp", name+".test:80")
	f.must(err)
	server := &http.Server{Handler: f.cas[name], ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
	go server.Serve(listener)
	f.Cleanup(func() { server.Close() })
	return func() { server.Close() }
}

// dialled counts connections that were tried.
type dialled struct {
	*wire
	mu    sync.Mutex // guards count
	count int
	dead  bool
}

func (d *dialled) DialContext(ctx context.Context, kind, address string) (net.Conn, error) {
	d.mu.Lock()
	d.count++
	dead := d.dead
	d.mu.Unlock()
	if dead {
		return nil, &net.OpError{Op: "dial", Net: kind, Err: syscall.ECONNREFUSED}
	}
	return d.wire.DialContext(ctx, kind, address)
}

// start runs the daemon with the config that the fleet has.
func (f *fleet) start(on network.Network) {
	f.Helper()
	var err error
	f.store, err = store.Open(f.Context(), f.dir+"/state", durable.NoSync{}, "fleet", store.Holder)
	f.must(err)
	f.engine = engine.New(engine.Options{Store: f.store, Disk: durable.NoSync{}, Network: on, Log: slog.New(slog.DiscardHandler), UserAgent: "certkeep/fleet"})
	f.must(f.engine.Configure(f.load()))
	ctx, cancel := context.WithCancel(f.Context())
	ended := make(chan error, 1)
	go func() { ended <- f.engine.Run(ctx) }()
	f.stop = func() {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			f.Errorf("the engine ended: %v", err)
		}
		f.must(f.store.Close())
		f.stop = nil
	}
}

func (f *fleet) load() *config.Config {
	text := fmt.Sprintf("state: %s/state\naccept_terms: true\nlisten: {http: \":80\", tls: \":443\"}\n%s", f.dir, f.config)
	return parse(strings.ReplaceAll(text, "$DIR", f.dir))
}

// problems are those of the whole fleet, as status would show them.
func (f *fleet) problems() []plan.Problem {
	f.Helper()
	w, err := f.engine.World(f.Context())
	f.must(err)
	return plan.Problems(time.Now(), w)
}
