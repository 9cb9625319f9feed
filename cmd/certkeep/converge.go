package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/daemon"
	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/engine"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/status"
	"github.com/certkeep/certkeep/internal/store"
)

// wish is what a writing command wants done.
type wish struct {
	ask     plan.AskKind // "" only looks at what is due
	names   []string     // checked; none means all
	version string       // of a restore
	issuer  string       // of a renewal; "" leaves it to the list
	only    engine.Only
	revoke  engine.RevokeWish // of a revocation
	also    []string          // certificates that a revocation reaches beyond its names
	strict  *bool             // whether warnings make the exit code; nil leaves it to the config
	// sparing leaves out what nobody needs to hear where nobody looks on:
	// that there was nothing to do, and the warnings of the config beside it.
	sparing  bool
	warnings []config.Warning // to be shown beside a result
	metrics  string           // file to leave metrics in; "" is the config's
}

// holding is the state as a writing command gets it: one of both is set.
type holding struct {
	store  *store.Store
	client *daemon.Client
	remove func() error // of the file with the process id
}

// hold gets at the state: as its holder, or through the daemon that holds it.
func (a *app) hold(ctx context.Context, cfg *config.Config) (holding, error) {
	s, client, err := daemon.Hold(ctx, cfg, durable.OS{}, func(held *store.HeldError) {
		a.ui.say("%s; waiting for it to end", held)
	})
	state := holding{store: s, client: client}
	if err != nil || s == nil {
		return state, err
	}
	if state.remove, err = daemon.WritePID(durable.OS{}, cfg.PIDFile); err != nil {
		a.ui.say("warning: %v", err)
	}
	return state, nil
}

func (h holding) close() error {
	if h.client != nil {
		return h.client.Close()
	}
	return errors.Join(h.remove(), h.store.Close())
}

// converge carries out a wish, here or by the daemon, and tells how it went.
func (a *app) converge(ctx context.Context, cfg *config.Config, w wish) error {
	_, _, err := a.carryOut(ctx, cfg, w)
	return err
}

// carryOut is converge. It returns the world as it is afterwards, and whether
// it was this process that saw to it.
func (a *app) carryOut(ctx context.Context, cfg *config.Config, w wish) (after plan.World, here bool, err error) {
	state, err := a.hold(ctx, cfg)
	if err != nil {
		return after, false, err
	}
	defer func() { err = errors.Join(err, state.close()) }()
	r := &recorder{ui: a.ui}
	stop := a.ui.startLive()
	failed := false
	if here = state.client == nil; !here {
		failed, err = a.convergeThere(ctx, state.client, w, r)
		if err == nil {
			after, err = world(ctx, cfg)
		}
	} else {
		after, failed, err = a.convergeHere(ctx, cfg, state.store, w, r)
	}
	stop()
	if err != nil {
		return after, here, err
	}
	o := outcomeOf(after, w, r.done(), failed)
	if strict := cmp.Or(w.strict, &cfg.WarningExitCode); *strict && o.ExitCode == exitOK && o.State != status.OK {
		o.ExitCode = exitFailed
	}
	if err := leaveMetrics(cmp.Or(w.metrics, cfg.Metrics), after, o); err != nil {
		a.ui.say("%s %v", a.ui.painter(a.ui.stderr)(red, "error:"), err)
		o.ExitCode = cmp.Or(o.ExitCode, status.ExitFailed)
	}
	text := a.describeOutcome(o, w)
	if !w.sparing || o.eventful() {
		a.warn(w.warnings)
		a.tellHeldUp(after, w)
	} else if !a.json {
		return after, here, nil
	}
	if a.json {
		err = a.ui.printJSON(o)
	} else {
		a.ui.print(text)
	}
	return after, here, errors.Join(err, exitWith(o.ExitCode))
}

// convergeHere runs the engine in this process, which holds the state. It
// returns the world as it is afterwards.
func (a *app) convergeHere(ctx context.Context, cfg *config.Config, s *store.Store, w wish, r *recorder) (plan.World, bool, error) {
	e, err := a.engine(ctx, cfg, s, w.names, r.watch)
	if err != nil {
		return plan.World{}, false, err
	}
	switch w.ask {
	case "":
	case plan.AskRevoke:
		err = e.Revoke(ctx, w.names, w.revoke)
	default:
		err = e.Ask(ctx, w.ask, w.all(cfg), cmp.Or(w.version, w.issuer))
	}
	if err != nil {
		return plan.World{}, false, err
	}
	w.only.NoSearch = true // see searchParams
	report, err := e.Apply(ctx, append(slices.Clip(w.names), w.also...), w.only)
	r.take(report.Done)
	return report.World, report.Failed, err
}

// engine makes an engine on a state that this process holds, for the named
// certificates or all.
func (a *app) engine(ctx context.Context, cfg *config.Config, s *store.Store, names []string, watch func(engine.Progress)) (*engine.Engine, error) {
	log := newCommandLog(a.ui, a.getenv, cfg.Log, a.verbose, a.quiet).logger()
	e := engine.New(engine.Options{
		Store: s, Disk: durable.OS{}, Log: log, UserAgent: userAgent(), AgreeTerms: a.agreeTerms(ctx),
		Passphrase: a.passphrases(cfg, names).get, Watch: watch,
	})
	if err := e.Configure(cfg); err != nil {
		return nil, fmt.Errorf("take over the config: %w", err)
	}
	if err := e.Recover(ctx); err != nil {
		return nil, fmt.Errorf("finish what a former run left half done: %w", err)
	}
	return e, nil
}

// convergeThere hands the wish to the daemon and follows it.
func (a *app) convergeThere(ctx context.Context, client *daemon.Client, w wish, r *recorder) (bool, error) {
	ask := daemon.Ask{Kind: w.ask, Names: w.names, Version: w.version, Issuer: w.issuer, Reason: w.revoke.Reason, First: w.revoke.First, Withdraw: w.revoke.Withdraw}
	if ask.Kind == "" {
		ask.Kind = plan.AskApply
	}
	a.ui.say("a daemon holds the state and does what was asked for")
	if len(w.only.Kinds) > 0 && w.ask != plan.AskVerify && w.ask != plan.AskRevoke {
		a.ui.say("it does all that is due, not only what --only names")
	}
	if ask.Kind == plan.AskApply {
		// As without a daemon, the config on the disk is meant.
		if err := client.Reload(ctx); err != nil {
			a.ui.say("%s it goes on with the config that it has: %v", a.ui.painter(a.ui.stderr)(yellow, "warning:"), err)
		}
	}
	ended, err := client.Ask(ctx, ask, r.watch)
	if errors.Is(err, daemon.ErrLost) {
		ended, err = daemon.Ended{Why: err.Error()}, nil
	}
	if err != nil {
		return false, outdated(err)
	}
	if ended.Why != "" {
		return false, &hintedError{code: exitUnexpected, words: ended.Why, hint: "look at `certkeep status` in a while"}
	}
	return ended.Failed, nil
}

// outdated gives the hint for a daemon that runs with another config.
func outdated(err error) error {
	if e, ok := errors.AsType[*daemon.RefusedError](err); ok && e.Status == http.StatusNotFound {
		return &hintedError{code: exitUsage, words: e.Words, hint: "let it reload its config: `certkeep apply`, or send it SIGHUP", err: err}
	}
	return err
}

// all is the certificates that an ask names.
func (w wish) all(cfg *config.Config) []string {
	if len(w.names) > 0 {
		return w.names
	}
	return allNames(cfg)
}

func allNames(cfg *config.Config) []string {
	names := make([]string, 0, len(cfg.Certificates))
	for _, c := range cfg.Certificates {
		names = append(names, c.Name)
	}
	return names
}

// recorder notes the steps that end, and shows all progress.
type recorder struct {
	ui *ui

	mu    sync.Mutex // guards steps
	steps []doneStep
}

func (r *recorder) watch(p engine.Progress) {
	if p.Step != nil && p.Stage == "" && p.Event == nil {
		r.mu.Lock()
		r.steps = append(r.steps, doneStepOf(*p.Step, p.Fault))
		r.mu.Unlock()
	}
	r.ui.watch(p)
}

// take replaces what was noted by the engine's own report, which has all.
func (r *recorder) take(all []engine.Outcome) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.steps = nil
	for _, o := range all {
		r.steps = append(r.steps, doneStepOf(o.Step, o.Fault))
	}
}

func (r *recorder) done() []doneStep {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]doneStep{}, r.steps...)
}

func doneStepOf(s plan.Step, fault *plan.Fault) doneStep {
	return doneStep{
		Kind: s.Kind, Certificate: s.Cert, Keys: s.Keys, KeyType: s.KeyType, Target: s.Target, Version: s.Version,
		Issuer: s.Issuer, Hook: s.Hook, Name: s.Name, Reason: s.Reason, Fault: fault,
	}
}

// agreeTerms asks on the terminal whether a CA's terms of service are agreed
// to; elsewhere nobody can.
func (a *app) agreeTerms(ctx context.Context) func(issuer, url string) error {
	if !isTerminal(a.ui.stdin) || !isTerminal(a.ui.stderr) {
		return nil
	}
	var one sync.Mutex // one question at a time
	return func(issuer, url string) error {
		one.Lock()
		defer one.Unlock()
		agreed, err := a.ui.ask(ctx, fmt.Sprintf("%s wants you to agree to its terms of service: %s\nDo you agree?", issuer, url))
		if err == nil && !agreed {
			err = &engine.FaultError{Fault: plan.Fault{
				Code: plan.CodeTerms, Blame: plan.BlameAdmin, At: time.Now(),
				Words: fmt.Sprintf("the terms of service of %s were not agreed to: %s", issuer, url),
			}}
		}
		return err
	}
}
