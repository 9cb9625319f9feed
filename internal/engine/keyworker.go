package engine

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/certkeep/certkeep/internal/keys"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/store"
)

// keyWorker sees one set of keys through all of its steps that are due. Its
// fields belong to its goroutine.
type keyWorker struct {
	engine *Engine
	parts  *parts
	want   plan.WantedKeys
	world  plan.World // the keys and the certificates on them
	only   Only
	leave  func(lane string)
	tried  map[string]bool
	found  bool // the inspection found something to do
	// unsettled is why a file of the keys was left to somebody who is writing it.
	unsettled error
	closed    error // why a key that somebody put at a file cannot be read
	installs  installer
	outcomes  []Outcome
}

func (p *pass) keyWorker(want plan.WantedKeys) *keyWorker {
	w := &keyWorker{
		engine: p.engine, parts: p.engine.current(), want: want, only: p.only, tried: map[string]bool{}, installs: p.installer(),
		leave: func(lane string) { p.freed <- lane },
		world: plan.World{
			Wanted: plan.Wanted{Node: p.world.Wanted.Node, Keys: []plan.WantedKeys{want}},
			Known: plan.Known{
				Certs: map[string]*plan.KnownCert{}, Issuers: maps.Clone(p.world.Known.Issuers), Banned: p.world.Known.Banned,
				Keys: map[string]*plan.KnownKeys{want.Name: p.world.Known.KeysOf(want.Name)},
			},
		},
	}
	for _, name := range want.Certs {
		if cert := p.wanted[name]; cert != nil {
			w.world.Wanted.Certs = append(w.world.Wanted.Certs, *cert)
			w.world.Known.Certs[name] = ownCopy(name, p.world.Known.Certs[name])
			beside := p.beside(*cert)
			maps.Copy(w.world.Known.Certs, beside.Certs)
			delete(beside.Keys, want.Name)
			maps.Copy(w.world.Known.Keys, beside.Keys)
		}
	}
	return w
}

// known is what is known of the keys.
func (w *keyWorker) known() *plan.KnownKeys { return w.world.Known.KeysOf(w.want.Name) }

// run does step after step until none is due.
func (w *keyWorker) run(ctx context.Context) finished {
	for ctx.Err() == nil {
		step, ok := w.next()
		if !ok {
			break
		}
		w.tried[keyStep(step)] = true
		fault := w.do(ctx, step)
		if step.Kind == plan.KindInspect && fault == nil && !w.found {
			continue // as it was
		}
		w.outcomes = append(w.outcomes, Outcome{Step: step, Fault: fault})
		w.engine.Watch(Progress{Time: time.Now(), Cert: w.first(), Step: &step, Fault: fault})
		if err := w.refresh(ctx); err != nil {
			w.engine.Log.Error("cannot read the record of keys", "keys", w.want.Name, "error", err)
			break
		}
	}
	w.leave("")
	return finished{unit: keyUnit(w.want.Name), keys: w.known(), members: w.knownMembers(), outcomes: w.outcomes, stuck: w.stuck()}
}

// first is the certificate by which people know the keys.
func (w *keyWorker) first() string {
	if len(w.want.Certs) > 0 {
		return w.want.Certs[0]
	}
	return w.want.Name
}

func (w *keyWorker) steps(now time.Time) []plan.Step { return plan.Keys(now, w.world, w.want) }

// next is the first step that is due and was not tried by this worker.
func (w *keyWorker) next() (plan.Step, bool) {
	now := time.Now()
	for _, s := range w.steps(now) {
		if s.Due(now) && !w.tried[keyStep(s)] && w.allows(s.Kind) {
			return s, true
		}
	}
	return plan.Step{}, false
}

// allows reports whether a step may be done. What lies at the files is looked at
// before keys are made.
func (w *keyWorker) allows(kind plan.Kind) bool {
	return w.only.allows(kind) || kind == plan.KindInspect && w.only.allows(plan.KindKeys)
}

// stuck reports whether a step that was tried is due again already.
func (w *keyWorker) stuck() bool {
	now := time.Now()
	return slices.ContainsFunc(w.steps(now), func(s plan.Step) bool { return s.Due(now) && w.tried[keyStep(s)] })
}

// refresh reads what is known of the keys again.
func (w *keyWorker) refresh(ctx context.Context) error {
	fresh, err := w.engine.freshKeys(context.WithoutCancel(ctx), w.want.Name, w.known())
	if err != nil {
		return err
	}
	w.world.Known.Keys[w.want.Name] = fresh
	// An installation stores facts of the certificates on them too: that they
	// are installed, and which hooks are to run.
	for _, cert := range w.world.Wanted.Certs {
		member, err := w.engine.freshCert(context.WithoutCancel(ctx), cert.Name, w.world.Known.Cert(cert.Name))
		if err != nil {
			return err
		}
		w.world.Known.Certs[cert.Name] = member
	}
	return nil
}

// knownMembers are the certificates on them as they are known now.
func (w *keyWorker) knownMembers() map[string]*plan.KnownCert {
	members := make(map[string]*plan.KnownCert, len(w.world.Wanted.Certs))
	for _, cert := range w.world.Wanted.Certs {
		members[cert.Name] = w.world.Known.Cert(cert.Name)
	}
	return members
}

func (w *keyWorker) do(ctx context.Context, s plan.Step) *plan.Fault {
	switch s.Kind {
	case plan.KindKeys:
		return w.makeKey(ctx, s)
	case plan.KindRoll:
		return w.roll(ctx, s)
	case plan.KindSwitch:
		return w.switchKeys(ctx, s)
	case plan.KindSpare:
		return w.placeholder(ctx, s)
	case plan.KindInstall:
		return w.install(ctx, s)
	case plan.KindWithdraw:
		return w.withdraw(ctx, s)
	case plan.KindInspect:
		return w.inspect(ctx, s)
	}
	return w.fault(plan.CodeUnexpected, "no way to carry out a step of kind "+string(s.Kind))
}

func (w *keyWorker) fault(code plan.Code, words string) *plan.Fault {
	return &plan.Fault{Code: code, Words: words, At: time.Now()}
}

// makeKey makes a key, or takes over the one in use. It is saved before the
// record speaks of it: a crash in between leaves a key that nobody refers to.
func (w *keyWorker) makeKey(ctx context.Context, s plan.Step) *plan.Fault {
	now := time.Now()
	if s.Reason.Code == plan.ReasonDamaged {
		if err := w.engine.Store.RepairKeys(ctx, w.want.Name); err != nil {
			return w.fault(plan.CodeKeysDamaged, err.Error())
		}
		w.engine.Log.Warn("a damaged record of keys was put aside; those in use are taken over", "keys", w.want.Name, "damage", s.Reason.Words)
		return nil
	}
	made := plan.Key{SHA256: s.Key, Made: now}
	if s.Key == "" {
		_, fingerprint, err := w.engine.newKey(ctx, keys.Type(s.KeyType))
		if err != nil {
			return w.failed(ctx, s, now, err)
		}
		made.SHA256 = fingerprint
	} else {
		made.Made = w.usedSince(s.Key, now)
	}
	err := w.engine.Store.UpdateKeys(ctx, w.want.Name, func(k *plan.KnownKeys) error {
		set := k.Keys[s.KeyType]
		switch {
		case s.Next:
			set.Next = made
		case set.Primary.IsZero() && set.Next.SHA256 == made.SHA256:
			set.Primary, set.Next = set.Next, plan.Key{}
			set.Primary.Since = now
		case set.Primary.IsZero():
			set.Primary = made
			set.Primary.Since = made.Made
		}
		k.Keys[s.KeyType], k.Tries = set, plan.Tries{}
		return nil
	})
	if err != nil {
		return w.failed(ctx, s, now, err)
	}
	return nil
}

// usedSince is when the oldest pair on a key was made, as far as is known.
func (w *keyWorker) usedSince(fingerprint string, now time.Time) time.Time {
	since := now
	for _, cert := range w.world.Known.Certs {
		for _, v := range cert.Versions {
			for _, p := range v.Pairs {
				if p.Key == fingerprint && p.Made.Before(since) {
					since = p.Made
				}
			}
		}
	}
	return since
}

// failed stores that keys could not be made, and when to try again.
func (w *keyWorker) failed(ctx context.Context, s plan.Step, now time.Time, cause error) *plan.Fault {
	fault, _ := faultOf(cause)
	fault.Words = "keys " + w.want.Name + ": " + fault.Words
	if ctx.Err() != nil {
		return &fault
	}
	jitter := spread(now, w.world.Wanted.Node, w.want.Name, string(s.Kind)+s.KeyType)
	err := w.engine.Store.UpdateKeys(ctx, w.want.Name, func(k *plan.KnownKeys) error {
		k.Tries = k.Tries.Begin(now, jitter).Failed(now, fault, time.Time{})
		return nil
	})
	if err != nil {
		w.engine.Log.Error("cannot store that keys could not be made", "keys", w.want.Name, "error", err)
	}
	w.emit(ctx, store.Event{Kind: store.EventErrored, KeyType: s.KeyType, Words: fault.Words, Detail: fault.Detail, Fault: &fault})
	return &fault
}

// roll begins a rollover, or gives up the one under way. New keys are saved
// first: a crash in between leaves keys that nobody refers to.
func (w *keyWorker) roll(ctx context.Context, s plan.Step) *plan.Fault {
	now := time.Now()
	to := maps.Clone(s.Roll)
	for keyType, fingerprint := range to {
		if fingerprint != "" {
			continue
		}
		_, made, err := w.engine.newKey(ctx, keys.Type(keyType))
		if err != nil {
			return w.failed(ctx, s, now, err)
		}
		to[keyType] = made
	}
	was := w.known().Rolling
	err := w.engine.Store.UpdateKeys(ctx, w.want.Name, func(k *plan.KnownKeys) error {
		k.Tries = plan.Tries{}
		if s.Reason.Code == plan.ReasonCancelled {
			k.GiveUp(now)
			return nil
		}
		k.Ask, k.Rolling = nil, &plan.Rollover{At: now, Keys: to, Reason: s.Reason, Asked: s.Asked}
		return nil
	})
	if err != nil {
		return w.failed(ctx, s, now, err)
	}
	if s.Reason.Code == plan.ReasonCancelled && was != nil {
		w.emit(ctx, store.Event{Kind: store.EventKeyRollover, Words: "the change of keys was given up; nothing was changed"})
	}
	return nil
}

// switchKeys makes the new keys the primary ones by one write.
func (w *keyWorker) switchKeys(ctx context.Context, s plan.Step) *plan.Fault {
	now := time.Now()
	var changed, before []string
	err := w.engine.Store.UpdateKeys(ctx, w.want.Name, func(k *plan.KnownKeys) error {
		changed, before, k.Tries = nil, k.References(), plan.Tries{} // it works again: the next keys need not wait
		if k.Rolling == nil {
			return nil // the answer of that write was lost
		}
		for keyType, fingerprint := range k.Rolling.Keys {
			if before := k.Primary(keyType); before != "" && before != fingerprint {
				changed = append(changed, keyType)
			}
		}
		k.Switch(now)
		return nil
	})
	if err != nil {
		return w.failed(ctx, s, now, err)
	}
	if err := w.engine.dropKeys(ctx, before, true); err != nil {
		w.engine.Log.Warn("a key of before cannot be deleted; it is tried again daily", "keys", w.want.Name, "error", err)
	}
	if len(changed) == 0 {
		return nil
	}
	slices.Sort(changed)
	w.emit(ctx, store.Event{Kind: store.EventKeyRollover, Words: "keys " + w.want.Name + " changed (" + strings.Join(changed, ", ") + "); why: " + s.Reason.Words})
	for _, cert := range w.world.Wanted.Certs {
		w.member(cert).queueHooks(ctx, store.EventKeyRollover)
	}
	w.queueRolled(ctx, changed)
	return nil
}

// emit records that something happened to the keys, with each certificate on
// them: that is where people look.
func (w *keyWorker) emit(ctx context.Context, ev store.Event) {
	for _, cert := range w.want.Certs {
		ev.Cert = cert
		w.engine.emit(context.WithoutCancel(ctx), ev)
	}
}

// member is a worker for one of the certificates, for what concerns it alone.
func (w *keyWorker) member(cert plan.WantedCert) *worker {
	return &worker{
		engine: w.engine, parts: w.parts, want: cert, node: w.world.Wanted.Node,
		known: w.world.Known.Cert(cert.Name), keys: w.known(), banned: w.world.Known.Banned,
		only: w.only, tried: map[string]bool{}, installs: w.installs,
	}
}

// keyLost takes note that a key cannot be used any more: a rollover follows.
func (e *Engine) keyLost(ctx context.Context, name, fingerprint string, cause error) {
	_, damaged := errors.AsType[*store.DamagedError](cause)
	if !damaged && !errors.Is(cause, store.ErrNotFound) {
		return // it could not be read just now
	}
	err := e.Store.UpdateKeys(ctx, name, func(k *plan.KnownKeys) error {
		for keyType, set := range k.Keys {
			for _, key := range []*plan.Key{&set.Primary, &set.Next} {
				if key.SHA256 == fingerprint {
					key.Lost = cause.Error()
				}
			}
			k.Keys[keyType] = set
		}
		if k.Rolling != nil && slices.Contains(slices.Collect(maps.Values(k.Rolling.Keys)), fingerprint) {
			if k.Rolling.Asked {
				k.Ask = &plan.AskedRollover{At: k.Rolling.At, Force: true}
			}
			k.Rolling = nil // begun again, with another key
		}
		return nil
	})
	if err != nil {
		e.Log.Error("cannot store that a key is lost", "keys", name, "error", err)
	}
}
