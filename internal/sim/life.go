package sim

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/engine"
	"github.com/certkeep/certkeep/internal/faultfs"
	"github.com/certkeep/certkeep/internal/store"
)

// The ways in which a process ends.
const (
	endStop  = "stop"
	endKill  = "kill"
	endPower = "power cut"
)

// life is one run of the process.
type life struct {
	number int
	start  time.Time     // of the world
	end    time.Time     // at the latest
	clock  time.Duration // the world's clock minus this machine's
	how    string
	victim string    // the certificate at whose change of the disk it is killed
	die    int       // the how-manieth of these; 0: never
	calm   bool      // the last one: nothing goes wrong any more
	next   time.Time // when the machine runs again
}

// calmMonth is how long nothing goes wrong at the end.
const calmMonth = 45 * day

// live lives from dawn to dusk, and then a calm month in which everything has
// to come right. It returns how many lives it took.
func (w *world) live(t *testing.T) int {
	dusk := dawn().Add(time.Duration(w.Years * float64(365*day)))
	events := w.schedule(dusk)
	at, n := dawn(), 0
	for ; at.Before(dusk); n++ {
		l := w.nextLife(n, at, dusk)
		events = w.run(t, l, events)
		if at = l.next; w.seen() {
			return n + 1
		}
	}
	at = at.Add(time.Hour)
	w.run(t, &life{number: n, start: at, end: at.Add(calmMonth), how: endStop, calm: true}, events)
	return n + 1
}

// seen reports whether the breach was seen with which the history ends.
func (w *world) seen() bool { return w.Until != "" && w.judge.says(w.Until) }

// nextLife draws how the process lives next.
func (w *world) nextLife(n int, at, dusk time.Time) *life {
	dice := w.chance.of("life", n)
	l := &life{number: n, start: at, end: at.Add(between(dice, 2*time.Hour, 60*day))}
	if l.end.After(dusk) {
		l.end = dusk
	}
	l.how = pick(dice, []string{endStop, endStop, endKill, endKill, endPower})
	if l.how != endStop {
		l.victim, l.die = pick(dice, w.people).name, 1+dice.IntN(45)
	}
	switch dice.IntN(10) {
	case 0:
		l.clock = time.Duration(dice.Int64N(int64(18*time.Minute))) - 9*time.Minute
	case 1:
		l.clock = between(dice, time.Hour, 10*365*day)
		if dice.IntN(2) == 0 {
			l.clock = -l.clock
		}
		if soon := at.Add(between(dice, time.Hour, 2*day)); soon.Before(l.end) {
			l.end = soon // somebody sets it right
		}
	}
	return l
}

// run is one life within a bubble of its own. It returns the events that are
// still to come.
func (w *world) run(t *testing.T, l *life, events []event) []event {
	downtime := between(w.chance.of("downtime", l.number), 10*time.Second, 2*day)
	synctest.Test(t, func(t *testing.T) {
		w.mu.Lock()
		w.offset = l.clock
		w.mu.Unlock()
		time.Sleep(time.Until(l.start.Add(-l.clock)))
		w.note("life %d begins: until %s, then %s (at change %d of %s), clock off by %v", l.number, l.end.Format(time.DateTime), l.how, l.die, l.victim, -l.clock)
		if l.calm { // what would end after dusk ends now
			for _, e := range events {
				e.do(nil)
			}
			events = nil
		}
		p := w.begin(t, l)
		events = p.through(events)
		p.finish()
		if l.clock != 0 {
			w.mu.Lock()
			w.upsets = append(w.upsets, upset{from: l.start, to: time.Now().Add(w.offset), clock: true})
			w.mu.Unlock()
		}
		l.next = w.now().Add(downtime)
	})
	return events
}

// process is a running engine, and what the world has around it.
type process struct {
	*world
	life    *life
	wire    *wire
	disk    *disk
	store   *store.Store
	engine  *engine.Engine
	cancel  context.CancelFunc
	ctx     context.Context
	ended   chan error
	servers []*http.Server // CAs, who is told, and the log
	served  chan struct{}  // closed when the web server ended
	unzone  func()         // ends the name server
}

// begin starts the process on whatever the last one left.
func (w *world) begin(t *testing.T, l *life) *process {
	p := &process{world: w, life: l, wire: newWire(), ended: make(chan error, 1), served: make(chan struct{})}
	p.ctx, p.cancel = context.WithCancel(t.Context())
	w.judge.newLife()
	for _, name := range caNames() {
		w.gates[name].newLife(l.number, l.calm)
		var front http.Handler = w.gates[name]
		if w.Mutation.CA != nil {
			front = w.Mutation.CA(w.gates, name, front)
		}
		p.serve(name+".test:80", w.untouched(name, front))
	}
	listener, err := p.wire.Listen(p.ctx, "tcp", "127.0.0.1:443")
	w.must(err)
	go func() {
		w.web.serve(listener)
		close(p.served)
	}()
	w.phone.newLife(l.calm)
	p.serve(phoneAddress, w.phone)
	w.paper.newLife(l.calm)
	p.serve(paperAddress, w.paper)
	names, err := p.wire.Listen(p.ctx, "tcp", zoneServer)
	w.must(err)
	p.unzone = w.zone.serve(names, l.calm)
	w.mu.Lock()
	w.current = p.wire
	w.mu.Unlock()
	p.open(t)
	return p
}

// serve starts a server that ends with the process.
func (p *process) serve(address string, handler http.Handler) {
	listener, err := p.wire.Listen(p.ctx, "tcp", address)
	p.must(err)
	server := &http.Server{Handler: handler, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
	p.servers = append(p.servers, server)
	go server.Serve(listener)
}

// open opens the store and starts the engine.
func (p *process) open(t *testing.T) {
	w := p.world
	rate := w.Disk
	if p.life.calm {
		rate = 0
	}
	var under durable.Disk = durable.NoSync{} // faultfs knows what was synced
	if w.Mutation.Disk != nil {
		under = w.Mutation.Disk(under)
	}
	harm := &mischief{
		chance: w.chance, life: p.life.number, root: w.root, rate: rate, victim: p.life.victim, die: p.life.die, fault: p.diskFault,
		times: map[string]int{}, count: map[string]int{}, quiet: map[string]time.Time{},
	}
	p.disk = &disk{under: faultfs.New(under), wrong: harm.wrong, changed: w.judge.changed, killed: p.die}
	var err error
	cfg := w.load()
	p.store, err = store.OpenSealed(p.ctx, store.Options{Path: cfg.State, Disk: p.disk, Node: cfg.Node, Mode: store.Holder, Keys: cfg.StoreKeys})
	if err != nil {
		if !errors.Is(err, faultfs.ErrFault) {
			w.judge.breach("the state cannot be opened: %v", err)
		}
		p.note("the state could not be opened: %v", err)
		close(p.ended)
		p.cancel() // a supervisor starts the next one
		return
	}
	if known, err := p.store.Known(context.WithoutCancel(p.ctx)); err != nil {
		w.judge.breach("the state cannot be read: %v", err)
	} else {
		for name, k := range known.Certs {
			if k.Damage != "" {
				w.judge.breach("the record of %s is damaged: %s", name, k.Damage)
			}
		}
	}
	w.judge.kept(context.WithoutCancel(p.ctx), p.store)
	p.engine = engine.New(engine.Options{
		Store: p.store, Disk: p.disk, Network: p.wire, Log: slog.New(slog.DiscardHandler), UserAgent: "certkeep/sim",
		Watch: w.watch,
	})
	w.must(p.engine.Configure(cfg))
	if err := p.engine.Recover(p.ctx); err != nil && !errors.Is(err, faultfs.ErrFault) && p.ctx.Err() == nil {
		w.judge.breach("recovery failed: %v", err)
	}
	go func() { p.ended <- p.engine.Run(p.ctx) }()
}

// watch keeps what happens in the trace.
func (w *world) watch(e engine.Progress) {
	switch {
	case e.Event != nil:
		w.note("  %s %s: %s", e.Cert, e.Event.Kind, e.Event.Words)
	case e.Fault != nil:
		w.note("  %s %s failed: %s %s", e.Cert, e.Step.Kind, e.Fault.Words, strings.Join(e.Fault.Detail, "; "))
	}
}

// load reads the config as it is now.
func (w *world) load() *config.Config { return parse(w.config()) }

// parse reads a config for the simulator.
func parse(text string) *config.Config {
	cfg, _, err := config.LoadBytes("sim.yaml", []byte(text))
	if err != nil {
		panic(fmt.Sprintf("the simulator's config: %v", err))
	}
	// A CA is asked over HTTPS only. The wire is private, and years of TLS
	// handshakes are not what is looked into here.
	for name, issuer := range cfg.Issuers {
		issuer.Directory = strings.Replace(issuer.Directory, "https://", "http://", 1)
		cfg.Issuers[name] = issuer
	}
	return cfg
}

// diskFault is a change of the disk that went wrong.
func (p *process) diskFault(kind string) {
	p.fault(kind)
	p.upset(time.Minute)
}

// die is the end of a process that is killed.
func (p *process) die() {
	p.lostRoom()
	go p.wire.end()
	p.cancel()
}

// through lets the world go on until the life ends. It returns the events that
// are still to come.
func (p *process) through(events []event) []event {
	tick := time.NewTicker(time.Hour)
	defer tick.Stop()
	end := time.NewTimer(p.life.end.Sub(p.now()))
	defer end.Stop()
	for {
		var next <-chan time.Time
		if len(events) > 0 {
			next = time.After(max(0, events[0].at.Sub(p.now())))
		}
		select {
		case <-p.ctx.Done():
			return events
		case <-end.C:
			return events
		case <-tick.C:
			p.judge.tick(true)
			p.attend()
			p.proveElsewhere()
			p.phone.look(p)
			if p.seen() {
				return events
			}
		case <-next:
			events[0].do(p.engine)
			events = events[1:]
		}
	}
}

// finish ends the process as its life says.
func (p *process) finish() {
	if p.life.calm {
		p.judge.settled(p)
	}
	if p.life.how != endStop {
		p.die()
	}
	p.cancel()
	if err := <-p.ended; err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, faultfs.ErrFault) {
		p.judge.breach("the engine ended: %v", err)
	}
	p.wire.end()
	for _, server := range p.servers {
		server.Close()
	}
	<-p.served
	p.unzone()
	p.close()
	p.upset(time.Minute)
	if p.life.how == endPower {
		p.fault("power cut")
		p.must(p.disk.powerCut())
		p.web.restart()
		p.judge.powerLost()
	}
	p.judge.tick(false)
}

// close lets go of the state. A process that was killed leaves its note in the
// lock, from which the next one knows.
func (p *process) close() {
	if p.store == nil {
		return
	}
	lock := filepath.Join(p.root, "state", "lock")
	note, err := os.ReadFile(lock)
	p.must(err)
	p.must(p.store.Close())
	if p.life.how != endStop {
		p.must(os.WriteFile(lock, note, 0o600))
	}
}
