package engine

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/certkeep/certkeep/internal/challenge"
	"github.com/certkeep/certkeep/internal/deploy"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/store"
)

// pendingHooks are the hooks to run after an installation: those left over,
// and those of what has happened now.
func (w *worker) pendingHooks(kind plan.Kind, left []string, r deploy.Result, arrived bool) []string {
	var events []store.EventKind
	if arrived {
		events = append(events, arrivals(kind).events...)
	}
	if len(r.Reloaded) > 0 {
		events = append(events, store.EventReloaded)
	}
	return w.addHooks(left, events...)
}

// addHooks adds the configured hooks of events to those still to run.
func (w *worker) addHooks(left []string, events ...store.EventKind) []string {
	var all []store.EventKind
	for _, event := range events {
		all = append(append(all, event), acmebotEvents(event)...)
	}
	for _, event := range all {
		if _, configured := w.hookOf(string(event)); configured {
			left = withHooks(left, []string{string(event)})
		}
	}
	return left
}

// withHooks adds hooks to those still to run, each once.
func withHooks(left, hooks []string) []string {
	for _, hook := range hooks {
		if !slices.Contains(left, hook) {
			left = append(left, hook)
		}
	}
	return left
}

// queueHooks remembers the hooks of events that are not an installation's. They
// run as steps of the certificate's first target. Without a configured hook
// nothing is written.
func (w *worker) queueHooks(ctx context.Context, events ...store.EventKind) {
	w.queuePending(ctx, w.addHooks(nil, events...))
}

// queuePending remembers hooks to run.
func (w *worker) queuePending(ctx context.Context, hooks []string) {
	if len(w.want.Targets) == 0 || len(hooks) == 0 {
		return
	}
	first := w.want.Targets[0].Name
	err := w.engine.Store.UpdateTargets(ctx, w.want.Name, func(targets map[string]plan.Target) error {
		t := targets[first]
		t.Hooks = withHooks(slices.Clone(t.Hooks), hooks)
		targets[first] = t
		return nil
	})
	if err != nil {
		w.engine.Log.Error("cannot store that a hook is to run", "certificate", w.want.Name, "hooks", hooks, "error", err)
	}
}

// hook runs a hook that is still to run. A crash after it succeeded and
// before that is stored runs it again: hooks are told that they may be.
func (w *worker) hook(ctx context.Context, s plan.Step) *plan.Fault {
	fact := w.known.Targets[s.Target]
	var err error
	if h, ok := w.hookOf(s.Hook); ok {
		w.stage("running the hook of " + h.Event)
		err = runEach(ctx, h, w.payloads(s.Hook, s.Target, fact.HookTries[s.Hook].Count+1))
	} // else it was taken out of the config: nothing is left to run
	if ctx.Err() != nil {
		return nil // run again by the next run
	}
	var fault *plan.Fault
	if failed, ok := errors.AsType[*deploy.HookError](err); ok {
		f := failed.Fault(time.Now())
		fault = &f
	}
	now := time.Now()
	jitter := w.roll(now, "hook "+s.Hook)
	storeErr := w.engine.Store.UpdateTargets(context.WithoutCancel(ctx), w.want.Name, func(targets map[string]plan.Target) error {
		t := targets[s.Target]
		if fault != nil {
			t = t.HookFailed(s.Hook, now, jitter, *fault)
		} else {
			t = t.HookDone(s.Hook)
			if plan.EventOf(s.Hook) == plan.HookExpiring {
				t.Warned = now
			}
		}
		targets[s.Target] = t
		return nil
	})
	if storeErr != nil {
		return w.fault(plan.CodeDisk, "store that the hook ran: "+storeErr.Error(), nil)
	}
	if fault != nil {
		w.emit(ctx, store.Event{Kind: store.EventErrored, Target: s.Target, Words: fault.Words, Detail: fault.Detail, Fault: fault})
	}
	return fault
}

// hookOf is the configured hook of an event, or of one that was remembered.
func (w *worker) hookOf(pending string) (deploy.Hook, bool) {
	event := plan.EventOf(pending)
	h, ok := w.parts.cfg.HookOf(w.want.Name, event)
	return deploy.Hook{
		Event: event, Args: h.Command.Args, Shell: h.Command.Shell, Directory: h.Directory, User: h.User, Timeout: h.Timeout, Arguments: h.Arguments,
	}, ok
}

// payload is what a hook is told.
func (w *worker) payload(event, target string, attempt int) deploy.Payload {
	p := deploy.Payload{Event: event, At: time.Now().UTC(), Certificate: w.want.Name, Names: w.want.Names, Target: target, Attempt: attempt}
	if v, ok := w.known.Version(w.known.Published); ok {
		p.Version, p.NotAfter, p.Issuer = v.ID, v.NotAfter(), v.Pairs[0].Issuer
	}
	p.Fault = lastFault(w.known)
	if target == "" {
		return p // of no files; names that are only kept proven have no certificate either
	}
	if c, ok := w.want.Companion(target); ok {
		p.Services = c.Services
		for _, f := range w.known.Targets[target].Files {
			p.Files = append(p.Files, deploy.HookFile{Path: f.Path, Content: []deploy.Part{}})
		}
		return p
	}
	if t, err := w.lockedTarget(target); err == nil {
		p.Services, p.Lineage = w.wantedTarget(target).Services, t.Lineage()
		if v, ok := w.known.Version(w.known.Published); ok {
			t.KeyTypes = t.Serving(v.KeyTypes())
		}
		if files, err := t.HookFiles(); err == nil {
			p.Files = files
		}
	}
	return p
}

// lastFault is the latest failure that stands: of an order, or to get an OCSP
// response.
func lastFault(k *plan.KnownCert) *plan.Fault {
	var last *plan.Fault
	take := func(t plan.Tries) {
		if t.Fault != nil && (last == nil || t.Fault.At.After(last.At)) {
			last = t.Fault
		}
	}
	for _, tries := range k.Tries {
		take(tries)
	}
	for _, staple := range k.OCSP {
		take(staple.Tries)
	}
	return last
}

// veto runs the hook that may put an order off. Its exit status 1 does, until
// the next look; not when little is left of what is served. A hook that is
// missing or hangs is a failure, no veto.
func (w *worker) veto(ctx context.Context, s plan.Step) (*plan.Fault, bool) {
	event := string(store.EventRenewing)
	h, ok := w.hookOf(event)
	if !ok || s.Kind == plan.KindResume {
		return nil, false
	}
	err := deploy.Run(ctx, h, w.payload(event, "", 1))
	failed, isFailure := errors.AsType[*deploy.HookError](err)
	if !isFailure {
		return nil, false
	}
	fault := failed.Fault(time.Now())
	if !failed.Veto() || s.Urgent {
		w.engine.Log.Warn("the hook does not stop the renewal", "certificate", w.want.Name, "error", failed, "detail", failed.Said)
		return nil, false
	}
	fault.Words = "put off by the hook: " + fault.Words
	return &fault, true
}

// challengeHook tells the hook of an event of a challenge; without one it does
// nothing.
func (w *worker) challengeHook(ctx context.Context, event store.EventKind, c challenge.Challenge) error {
	if h, ok := w.hookOf(string(event)); ok {
		return deploy.Run(ctx, h, w.challengeIs(event, c))
	}
	return nil
}

// answerHook tells acmebot's hook of the same. As there its failure stops
// nothing.
func (w *worker) answerHook(ctx context.Context, event store.EventKind, c challenge.Challenge) {
	name, p, ok := w.challengePayload(w.challengeIs(event, c), event, c)
	if !ok {
		return
	}
	h, _ := w.hookOf(name)
	p.Event = name
	if err := deploy.Run(ctx, h, p); err != nil {
		failed, is := errors.AsType[*deploy.HookError](err)
		if !is {
			failed = &deploy.HookError{}
		}
		w.engine.Log.Warn("a hook failed; the challenge goes on", "certificate", w.want.Name, "hook", name, "error", err, "detail", failed.Said)
	}
}

// challengeIs is what hooks are told of a challenge.
func (w *worker) challengeIs(event store.EventKind, c challenge.Challenge) deploy.Payload {
	p := w.payload(string(event), "", 1)
	p.Challenge = &deploy.HookChallenge{Type: c.Type, Domain: c.Identifier.Value, Token: c.Token, Validation: c.KeyAuthorization}
	if c.Type == challenge.TypeDNS01 {
		p.Challenge.Validation = c.DNSValue()
	}
	return p
}
