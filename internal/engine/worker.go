package engine

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"sync/atomic"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/store"
)

// worker sees one certificate through all of its steps that are due, one
// after another, planning again after each. Its fields belong to its goroutine.
type worker struct {
	engine   *Engine
	parts    *parts // of the config it was started under
	want     plan.WantedCert
	node     string
	known    *plan.KnownCert
	keys     *plan.KnownKeys // those that it is issued on; nil without
	banned   map[string]plan.Ban
	lane     string
	leave    func(lane string) // gives the CA's slot back before the worker ends
	only     Only
	allowed  map[plan.Kind]bool // orders that the paced plan let through
	tried    map[string]bool
	step     plan.Step // the one under way
	told     bool      // its failure is in history and log
	adopted  bool      // the last adoption found something
	altered  bool      // the last inspection did
	held     bool      // an order is due and left to the plan of all certificates
	asking   asking
	emitted  atomic.Bool // something was added to the history
	outcomes []Outcome
	gone     taken
	orphans  []*plan.KnownCert // see plan.Unclaimed
	beside   plan.Known        // of the certificates whose TLSA records stand at the same names
	installs installer
}

func (p *pass) worker(name, lane string, steps []plan.Step) *worker {
	w := &worker{
		engine: p.engine, parts: p.engine.current(), want: p.want(name), node: p.world.Wanted.Node,
		known: ownCopy(name, p.world.Known.Certs[name]), banned: p.world.Known.Banned, lane: lane, only: p.only,
		allowed: map[plan.Kind]bool{}, tried: map[string]bool{},
	}
	if w.want.Keys != "" {
		w.keys = p.world.Known.KeysOf(w.want.Keys)
	}
	for _, s := range steps {
		w.allowed[s.Kind] = true
	}
	w.beside, w.orphans = p.beside(w.want), p.world.Unclaimed
	w.installs = p.installer()
	w.leave = func(lane string) { p.freed <- lane }
	return w
}

// ownCopy lets a worker change what the planning goroutine goes on reading.
func ownCopy(name string, k *plan.KnownCert) *plan.KnownCert {
	if k == nil {
		return &plan.KnownCert{Name: name}
	}
	own := *k
	own.Targets = maps.Clone(k.Targets)
	own.Vacant = maps.Clone(k.Vacant)
	return &own
}

// run does step after step until none is due. What it returns is the
// certificate as the store now knows it.
func (w *worker) run(ctx context.Context) finished {
	if unlock, err := w.engine.lockCert(ctx, w.want.Name); err == nil {
		defer unlock()
		w.work(ctx)
	}
	w.leaveLane()
	return finished{unit: w.want.Name, known: w.known, banned: w.banned, outcomes: w.outcomes, stuck: w.stuck(), held: w.held || w.asking.refused}
}

// work does the steps.
func (w *worker) work(ctx context.Context) {
	for ctx.Err() == nil {
		step, ok := w.next()
		if !ok {
			break
		}
		if step.Issuer == "" && step.Kind != plan.KindAdopt && !(w.lane == statementsLane && step.Kind.AsksOthers()) {
			w.leaveLane()
		}
		w.tried[w.key(step)] = true
		w.step, w.told = step, false
		fault := w.do(ctx, step)
		w.tellFault(ctx, step, fault)
		w.outcomes = append(w.outcomes, Outcome{Step: step, Fault: fault})
		w.engine.Watch(Progress{Time: time.Now(), Cert: w.want.Name, Step: &step, Fault: fault})
		if fault == nil && w.unchanged(step) {
			continue
		}
		if err := w.refresh(ctx); err != nil {
			w.engine.Log.Error("cannot read the certificate's record", "certificate", w.want.Name, "error", err)
			break
		}
	}
	w.trim(context.WithoutCancel(ctx))
}

// tellFault records a failure that the step did not record by itself: what
// could not be stored, on a full disk, is shown nowhere else.
func (w *worker) tellFault(ctx context.Context, s plan.Step, fault *plan.Fault) {
	if fault == nil || w.told {
		return
	}
	w.emit(context.WithoutCancel(ctx), store.Event{
		Kind: store.EventErrored, KeyType: s.KeyType, Target: s.Target, Issuer: s.Issuer, Words: fault.Words, Detail: fault.Detail, Fault: fault,
	})
}

// stuck reports whether a step that was tried is due again already.
func (w *worker) stuck() bool {
	now := time.Now()
	for _, s := range w.plan(now) {
		if s.Due(now) && w.tried[w.key(s)] {
			return true
		}
	}
	return false
}

// plan makes the certificate's own plan.
func (w *worker) plan(now time.Time) []plan.Step { return plan.Cert(now, w.world(), w.want) }

// world is what the certificate's own plan looks at.
func (w *worker) world() plan.World {
	all := plan.World{
		Wanted:    plan.Wanted{Node: w.node, Limits: w.parts.wanted.Limits},
		Known:     plan.Known{Certs: w.beside.Certs, Issuers: w.engine.standing.all(), Banned: w.banned, Keys: map[string]*plan.KnownKeys{}},
		Unclaimed: w.orphans,
	}
	maps.Copy(all.Known.Keys, w.beside.Keys)
	all.Known.Keys[w.want.Keys] = w.keys
	return all.Around(w.want, w.known)
}

// leaveLane lets another certificate ask the CA while this one is installed.
func (w *worker) leaveLane() {
	if w.leave != nil {
		w.leave(w.lane)
		w.leave = nil
	}
}

// next is the first step that is due and was not tried by this worker.
func (w *worker) next() (plan.Step, bool) {
	now := time.Now()
	w.held = false
	for _, s := range w.plan(now) {
		switch {
		case s.Kind == plan.KindParams: // of the pass, beside the workers
		case !s.Due(now), w.tried[w.key(s)], !w.only.allows(s.Kind):
		case s.Kind == plan.KindIssue && !s.Urgent && !s.Asked && !w.allowed[s.Kind]:
			w.held = true // spread by the plan over all certificates: it may be this one's turn
		default:
			return s, true
		}
	}
	s, ok := plan.Gathered(now, w.world(), w.want)
	return s, ok && !w.tried[w.key(s)] && w.only.allows(s.Kind)
}

// key tells steps apart, so that one that changes no fact is not repeated.
// What a person asks for meanwhile is a step of its own: it is done once more.
func (w *worker) key(s plan.Step) string {
	var asked time.Time
	if s.Asked {
		for _, a := range w.known.Asks {
			if a.At.After(asked) {
				asked = a.At
			}
		}
	}
	what := []string{string(s.Kind), s.KeyType, s.Target, s.Version, s.Hook, s.Log, s.Issuer, s.Key, s.From, strings.Join(s.Names, " "), s.Name, strings.Join(s.Records, " ")}
	return fmt.Sprintf("%s|%d", strings.Join(what, "|"), asked.UnixNano())
}

// unchanged reports whether a step that succeeded stored nothing.
func (w *worker) unchanged(s plan.Step) bool {
	switch s.Kind {
	case plan.KindAdopt:
		return s.Reason.Code != plan.ReasonDamaged && !w.adopted
	case plan.KindInspect:
		return !w.altered
	}
	return false
}

// refresh reads the certificate's facts again.
func (w *worker) refresh(ctx context.Context) error {
	// A step that was cancelled has stored how far it came; reading that must
	// not be cancelled with it.
	fresh, err := w.engine.freshCert(context.WithoutCancel(ctx), w.want.Name, w.known)
	if err != nil {
		return err
	}
	w.known = fresh
	if w.want.Keys != "" {
		if err := w.refreshKeys(ctx); err != nil {
			return err
		}
	}
	if w.banned, err = w.engine.Store.Banned(context.WithoutCancel(ctx)); err != nil {
		return err
	}
	return w.refreshBeside(ctx)
}

// do carries out one step. The fault it returns has been stored already where
// a later pass must know it.
func (w *worker) do(ctx context.Context, s plan.Step) *plan.Fault {
	switch s.Kind {
	case plan.KindAdopt:
		return w.adopt(ctx, s)
	case plan.KindTakeOver:
		return w.inherit(ctx, s)
	case plan.KindIssue, plan.KindResume:
		return w.issue(ctx, s)
	case plan.KindPublish:
		return w.publish(ctx, s)
	case plan.KindSpare:
		return w.placeholder(ctx, s)
	case plan.KindInstall:
		return w.install(ctx, s)
	case plan.KindHook:
		return w.hook(ctx, s)
	case plan.KindVerify:
		return w.verify(ctx, s)
	case plan.KindInspect:
		return w.inspect(ctx)
	case plan.KindAdvice:
		return w.advice(ctx, s)
	case plan.KindRevoke:
		return w.revoke(ctx, s)
	case plan.KindWithdraw:
		return w.withdraw(ctx, s)
	case plan.KindAuthorize:
		return w.authorize(ctx, s)
	case plan.KindAside:
		return w.setAside(ctx, s)
	case plan.KindReadmit:
		return w.readmit(ctx, s)
	case plan.KindOCSP:
		return w.ocsp(ctx, s)
	case plan.KindCRL:
		return w.lookUp(ctx, s)
	case plan.KindSCT:
		return w.sct(ctx, s)
	case plan.KindOCSPFile, plan.KindSCTFile, plan.KindHPKP:
		return w.companion(ctx, s)
	case plan.KindCleanUp:
		return w.cleanUp(ctx, s)
	case plan.KindPrune:
		return w.prune(ctx, s)
	case plan.KindAnswer:
		return w.answer(ctx, s)
	case plan.KindContact:
		return w.contact(ctx, s)
	case plan.KindTakeIn:
		return w.takeIn(ctx, s)
	case plan.KindLookTLSA:
		return w.lookTLSA(ctx, s)
	case plan.KindTLSA:
		return w.publishTLSA(ctx, s)
	}
	return w.fault(plan.CodeUnexpected, "no way to carry out a step of kind "+string(s.Kind), nil)
}

// fault makes a fact of a failure.
func (w *worker) fault(code plan.Code, words string, detail []string) *plan.Fault {
	return &plan.Fault{Code: code, Words: words, Detail: detail, At: time.Now()}
}
