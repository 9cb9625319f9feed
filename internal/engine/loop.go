package engine

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
)

// Report sums up what Apply did.
type Report struct {
	Done   []Outcome  // steps that were carried out, in the order of their end
	World  plan.World // as it is afterwards
	Failed bool       // some step failed
}

// Outcome is one step and how it ended.
type Outcome struct {
	Step  plan.Step
	Fault *plan.Fault // nil when it succeeded
}

// localLane bounds the certificates worked on that ask no CA.
const localLane = 64

// Apply does all that is due for the named certificates (all when none are
// named) and returns when nothing is left that is due now.
func (e *Engine) Apply(ctx context.Context, names []string, only Only) (Report, error) {
	world, err := e.World(ctx)
	if err != nil {
		return Report{}, err
	}
	e.tidyAbandoned(world.Unclaimed)
	restrict(&world, names)
	p := newPass(e, world, only)
	p.once = true
	p.startGathering()
	err = p.run(ctx)
	e.sealAfter(ctx, &p.world)
	if slices.ContainsFunc(p.outcomes, Outcome.issued) {
		e.housekeeping(ctx, true) // seldom enough to read all keys
	}
	e.tellOnce(ctx)
	return Report{Done: p.outcomes, World: p.world, Failed: p.failed()}, err
}

// Run does what is due whenever it becomes due, until ctx ends. It returns
// once the steps under way have been saved.
func (e *Engine) Run(ctx context.Context) error {
	select {
	case <-e.wake: // the first look sees what was asked for before it
	default:
	}
	world, err := e.World(ctx)
	if err != nil {
		return err
	}
	e.tidyAbandoned(world.Unclaimed)
	daily := time.NewTicker(housekeepDay)
	defer daily.Stop()
	ctx, stop := context.WithCancelCause(ctx)
	var sealing sync.WaitGroup
	defer sealing.Wait()
	defer stop(nil)
	sealing.Go(func() { e.keepSealed(ctx) })
	p := newPass(e, world, Only{})
	p.daily = daily.C
	return p.run(ctx)
}

// Only restricts the kinds of step that are done; the zero value allows all.
type Only struct {
	Kinds []plan.Kind
	// NoSearch leaves out searches for Diffie-Hellman parameters: a pass ends
	// only when a search has ended, and holds the state until then.
	NoSearch bool
}

func (o Only) allows(k plan.Kind) bool {
	return (len(o.Kinds) == 0 || slices.Contains(o.Kinds, k)) && (!o.NoSearch || k != plan.KindParams)
}

// restrict leaves only the named certificates in the world's wishes.
func restrict(w *plan.World, names []string) {
	if len(names) == 0 {
		return
	}
	names = withKeys(w.Wanted, names)
	w.Wanted.Certs = slices.DeleteFunc(slices.Clone(w.Wanted.Certs), func(c plan.WantedCert) bool {
		return !slices.Contains(names, c.Name)
	})
	w.Wanted.Keys = slices.DeleteFunc(slices.Clone(w.Wanted.Keys), func(k plan.WantedKeys) bool {
		return !slices.ContainsFunc(k.Certs, func(c string) bool { return slices.Contains(names, c) })
	})
}

// pass is the loop: plan, start workers, take over what they learned. All
// fields belong to the goroutine in run.
type pass struct {
	engine   *Engine
	world    plan.World
	wanted   map[string]*plan.WantedCert // of world; see want
	keys     map[string]plan.WantedKeys  // by unit
	only     Only
	once     bool
	started  map[string]bool // certificates worked on in this pass, where once
	again    map[string]bool // those of them that were let in a second time
	owed     map[string]bool // units that wait for the next plan of all
	running  map[string]bool // by unit
	passedBy map[string]bool // those of them that the store was read beside
	futile   map[string]bool // steps of keys that were tried in this pass, where once
	lanes    map[string]int  // workers per CA ("" for those that ask none)
	done     chan finished
	freed    chan string // lanes left by workers that go on without their CA
	outcomes []Outcome
	planned  time.Time
	took     time.Duration // to make that plan
	queue    workQueue
	next     time.Time // when something becomes due
	unread   time.Time // when to try again to read the store, which could not be read; zero where it could
	resting  map[string]rest
	daily    <-chan time.Time // housekeeping; nil where once
	waiting  []settled

	searching searching
	telling   telling
	gathering gathering
}

// rest keeps a certificate from being worked on again at once when a step
// failed without leaving a fact that says when to try again.
type rest struct {
	until time.Time
	count int
}

// finished is what a worker hands back.
type finished struct {
	unit     string // a certificate's name, or that of keys; see unitOf
	known    *plan.KnownCert
	keys     *plan.KnownKeys
	banned   map[string]plan.Ban
	members  map[string]*plan.KnownCert // that keys have to do with; nobody else worked on them
	outcomes []Outcome
	stuck    bool // a step that was tried is still due
	held     bool // an order was left to the plan of all certificates
}

func newPass(e *Engine, w plan.World, only Only) *pass {
	p := &pass{
		engine: e, world: w, only: only,
		started: map[string]bool{}, again: map[string]bool{}, owed: map[string]bool{}, running: map[string]bool{}, passedBy: map[string]bool{}, lanes: map[string]int{}, resting: map[string]rest{},
		done: make(chan finished), freed: make(chan string), futile: map[string]bool{},
	}
	p.searching = newSearching()
	p.telling = newTelling()
	p.index()
	return p
}

func (p *pass) index() {
	p.indexKeys()
	p.wanted = make(map[string]*plan.WantedCert, len(p.world.Wanted.Certs))
	for i := range p.world.Wanted.Certs {
		p.wanted[p.world.Wanted.Certs[i].Name] = &p.world.Wanted.Certs[i]
	}
}

// want is a certificate as the config asks for it; nothing where it does not.
func (p *pass) want(name string) plan.WantedCert {
	if want := p.wanted[name]; want != nil {
		return *want
	}
	return plan.WantedCert{}
}

func (p *pass) failed() bool {
	return slices.ContainsFunc(p.outcomes, func(o Outcome) bool { return o.Fault != nil })
}

// run loops until nothing is due (once) or ctx ends. Workers that are under
// way when ctx ends see it too, save their step, and are waited for.
func (p *pass) run(ctx context.Context) error {
	p.replan(ctx)
	p.tellSoon()
	for {
		if ctx.Err() == nil {
			p.start(ctx)
			p.search(ctx)
		}
		if ctx.Err() == nil && p.quiet() && (p.owesKeys() || len(p.running) > 0 && len(p.owed) > 0) {
			p.replan(ctx)
			continue
		}
		p.installGathered(ctx)
		p.settle(ctx)
		if len(p.running) == 0 && p.searching.under == "" && !p.telling.under && (ctx.Err() != nil || p.once && p.queue.empty() && len(p.owed) == 0) {
			return context.Cause(ctx)
		}
		p.wait(ctx)
	}
}

// replan plans for all certificates and sorts what is due by certificate.
func (p *pass) replan(ctx context.Context) {
	now := time.Now()
	p.world.Known.Issuers = p.engine.standing.all()
	steps, next := plan.Due(now, p.world)
	p.planned, p.took = now, time.Since(now)
	p.next, p.queue = plan.Sooner(next, p.unread), workQueue{}
	clear(p.owed)
	steps = p.inspectAll(ctx, now, p.searches(now, steps))
	place := map[string]int{}
	var due [][]plan.Step
	for _, s := range steps {
		if !p.only.allows(s.Kind) {
			continue
		}
		unit := unitOf(s)
		if r := p.resting[unit]; r.until.After(now) {
			p.next = plan.Sooner(p.next, r.until)
			continue
		}
		if s.Keys != "" && p.once && p.futile[keyStep(s)] {
			continue
		}
		i, ok := place[unit]
		if !ok {
			i = len(due)
			place[unit] = i
			due = append(due, nil)
		}
		due[i] = append(due[i], s)
	}
	for _, steps := range due {
		p.queue.add(p.laneOf(steps), steps)
	}
}

// laneOf is the CA that the work on a certificate begins with, or is likely
// to: where nothing is found to adopt, an order follows.
func (p *pass) laneOf(steps []plan.Step) string {
	if onlyAsks(steps) {
		return statementsLane
	}
	for _, s := range steps {
		if s.Issuer != "" {
			return s.Issuer
		}
		if issuers := p.want(s.Cert).Issuers; s.Kind == plan.KindAdopt && len(issuers) > 0 {
			return issuers[0]
		}
	}
	return ""
}

// room is how many certificates may be worked on at once in a lane.
func (e *Engine) room(lane string) int {
	if lane == "" {
		return localLane
	}
	return max(1, e.current().cfg.Concurrency)
}

// wait sleeps until something happens, and takes note of it.
func (p *pass) wait(ctx context.Context) {
	timer, stop := p.timer()
	defer stop()
	ended := ctx.Done()
	if ctx.Err() != nil {
		ended = nil // workers are winding up
	}
	select {
	case <-ended:
	case f := <-p.done:
		p.take(p.meanwhile(ctx, f))
		if ctx.Err() == nil && p.mayReplan() {
			p.replan(ctx)
		}
	case r := <-p.searching.done:
		p.found(ctx, r)
	case <-p.engine.stirred:
		p.tellSoon()
	case <-p.telling.alarm:
		p.tell(ctx)
	case r := <-p.telling.done:
		p.tellingDone(r)
	case lane := <-p.freed:
		p.lanes[lane]--
	case w := <-p.gathering.joined:
		p.gathering.join(w)
	case <-p.gathering.tooLate():
		p.letGo(ctx)
	case <-p.wake():
		p.reload(ctx)
	case s := <-p.settling():
		p.reload(ctx)
		p.waiting = append(p.waiting, s)
	case <-timer:
		p.lookAgain(ctx)
	case <-p.daily:
		clear(p.searching.tried)
		p.engine.housekeeping(ctx, true)
	}
}

// wake is the engine's wake-up, for passes that go on for ever.
func (p *pass) wake() <-chan struct{} {
	if p.once {
		return nil
	}
	return p.engine.wake
}

// take merges what a worker learned into the world.
func (p *pass) take(f finished) {
	delete(p.running, f.unit)
	p.tellSoon()
	switch {
	case p.engine.wasForgotten(f.unit):
		delete(p.world.Known.Certs, f.unit) // what the worker knew is no more
		p.engine.Wake()
	case f.known != nil:
		p.world.Known.Certs[f.unit] = f.known
	}
	p.learned(f.unit)
	p.outcomes = append(p.outcomes, f.outcomes...)
	if f.held && !p.again[f.unit] {
		p.owed[f.unit] = true
		p.next = plan.Sooner(p.next, p.planned.Add(replanEvery))
	}
	if p.once && p.owed[f.unit] {
		p.again[f.unit] = true
		delete(p.started, f.unit)
	}
	p.takeKeys(f)
	p.takeBans(f)
	if p.once {
		return
	}
	p.outcomes = nil // a daemon's history is in the store
	p.next = plan.Sooner(p.next, p.planned.Add(replanEvery))
	if !f.stuck {
		delete(p.resting, f.unit)
		return
	}
	n := p.resting[f.unit].count + 1
	p.resting[f.unit] = rest{until: time.Now().Add(plan.Backoff(n, 0)), count: n}
}

// reload reads the store and the config's wishes again, keeping what only
// this process knows. Certificates being worked on are taken over as their
// workers end.
func (p *pass) reload(ctx context.Context) {
	fresh, err := p.engine.World(ctx)
	if err != nil {
		p.engine.Log.Error("cannot read the store; going on with what is known", "error", err)
		p.unread = time.Now().Add(readAgainAfter)
		p.next = plan.Sooner(p.next, p.unread)
		return
	}
	for name, k := range fresh.Known.Certs {
		if old := p.world.Known.Certs[name]; old != nil {
			keepTransient(k, old)
			k.Inspected, k.GivenLooked = time.Time{}, time.Time{} // look at files again: somebody asked to look now
		}
	}
	p.unread = time.Time{}
	clear(p.resting)
	clear(p.searching.tried)
	maps.Copy(p.passedBy, p.running)
	p.world = fresh
	p.index()
	p.replan(ctx)
}

// keepTransient carries over what only a running process knows, and what it
// was told and could not store.
func keepTransient(to, from *plan.KnownCert) {
	to.Looked, to.Vacant, to.Inspected = from.Looked, from.Vacant, from.Inspected
	to.GivenLooked, to.GivenNext = from.GivenLooked, from.GivenNext
	for keyType, told := range from.Advice {
		version, _ := to.Version(to.Published)
		pair, _ := version.Pair(keyType)
		if told.Unstored && told.CertID == pair.CertID && told.Asked.After(to.Advice[keyType].Asked) {
			to.Advice = withAdvice(to.Advice, keyType, told)
		}
	}
}
