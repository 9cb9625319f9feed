package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
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
	only    engine.Only
	revoke  engine.RevokeWish // of a revocation
	also    []string          // certificates that a revocation reaches beyond its names
}

// outcome is what a command did and how things are afterwards. Its JSON is
// in docs/json.md.
type outcome struct {
	Time         time.Time            `json:"time"`
	Node         string               `json:"node"`
	State        status.State         `json:"state"`
	ExitCode     int                  `json:"exit_code"`
	Steps        []doneStep           `json:"steps"`
	Certificates []status.Certificate `json:"certificates"`
}

// doneStep is a step that was carried out.
type doneStep struct {
	Kind        plan.Kind   `json:"kind"`
	Certificate string      `json:"certificate"`
	Keys        string      `json:"keys,omitempty"`
	KeyType     string      `json:"key_type,omitempty"`
	Target      string      `json:"target,omitempty"`
	Version     string      `json:"version,omitempty"`
	Issuer      string      `json:"issuer,omitempty"`
	Hook        string      `json:"hook,omitempty"`
	Name        string      `json:"name,omitempty"` // in DNS
	Reason      plan.Reason `json:"reason"`
	Fault       *plan.Fault `json:"fault,omitempty"`
}

// holding is the state as a writing command gets it: one of both is set.
type holding struct {
	store  *store.Store
	client *daemon.Client
}

// hold gets at the state: as its holder, or through the daemon that holds it.
func (a *app) hold(ctx context.Context, cfg *config.Config) (holding, error) {
	s, client, err := daemon.Hold(ctx, cfg, durable.OS{}, func(held *store.HeldError) {
		a.ui.say("%s; waiting for it to end", held)
	})
	return holding{s, client}, err
}

func (h holding) close() error {
	if h.client != nil {
		return h.client.Close()
	}
	return h.store.Close()
}

// converge carries out a wish, here or by the daemon, and tells how it went.
func (a *app) converge(ctx context.Context, cfg *config.Config, w wish) (err error) {
	state, err := a.hold(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, state.close()) }()
	r := &recorder{ui: a.ui}
	stop := a.ui.startLive()
	failed := false
	var after plan.World
	if state.client != nil {
		failed, err = a.convergeThere(ctx, state.client, w, r)
		if err == nil {
			after, err = world(ctx, cfg)
		}
	} else {
		after, failed, err = a.convergeHere(ctx, cfg, state.store, w, r)
	}
	stop()
	if err != nil {
		return err
	}
	o := outcomeOf(after, w, r.done(), failed)
	if a.json {
		err = a.ui.printJSON(o)
	} else {
		a.ui.print(a.describeOutcome(o, len(w.names) > 0))
	}
	return errors.Join(err, exitWith(o.ExitCode))
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
		err = e.Ask(ctx, w.ask, w.all(cfg), w.version)
	}
	if err != nil {
		return plan.World{}, false, err
	}
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
	ask := daemon.Ask{Kind: w.ask, Names: w.names, Version: w.version, Reason: w.revoke.Reason, First: w.revoke.First}
	if ask.Kind == "" {
		ask.Kind = plan.AskApply
	}
	a.ui.say("a daemon holds the state and does what was asked for")
	if len(w.only.Kinds) > 0 && w.ask != plan.AskVerify {
		a.ui.say("it does all that is due, not only what --only names")
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
		return &hintedError{code: exitUsage, words: e.Words, hint: "let it reload its config: send it SIGHUP", err: err}
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

// outcomeOf sums up how things are after what was done.
func outcomeOf(after plan.World, w wish, steps []doneStep, failed bool) outcome {
	o := status.Of(time.Now(), after)
	if len(w.names) > 0 {
		o = o.Only(append(slices.Clip(w.names), w.also...))
	}
	return outcome{Time: o.Time, Node: o.Node, State: o.State, ExitCode: o.ExitCode(failed), Steps: steps, Certificates: o.Certificates}
}

// describeOutcome renders what was done for people: a line for each
// certificate that was worked on, and all that is wrong. Who named a
// certificate is not told again to do so.
func (a *app) describeOutcome(o outcome, named bool) string {
	r := renderer{now: o.Time, width: a.ui.width(a.ui.stdout), paint: a.ui.painter(a.ui.stdout)}
	var b strings.Builder
	var rows [][]string
	var waiting []string // after a failure, until nobody asks for them
	well := 0
	for _, c := range o.Certificates {
		words := doneTo(c.Name, o.Steps)
		if c.State == status.OK && words == "" {
			well++
			continue
		}
		if words == "" {
			words = "nothing was due"
			if c.Failure != nil {
				words = "waits after a failure"
				waiting = append(waiting, c.Name)
			}
		}
		rows = append(rows, []string{c.Name, string(c.State), words, r.validity(c)})
	}
	if a.quiet && o.ExitCode == exitOK {
		return ""
	}
	b.WriteString(table(rows))
	for _, c := range o.Certificates {
		if c.Renewal != nil && (c.Renewal.Reason.Code == plan.ReasonFits || c.Renewal.Reason.Code == plan.ReasonRolled) {
			b.WriteString(c.Name + ": " + c.Renewal.Reason.Words + "\n")
		}
		problems := append(notStored(c, o.Steps), c.Problems...)
		if len(problems) > 0 {
			b.WriteString("\n" + r.paint(bold, c.Name) + "\n")
		}
		for _, p := range problems {
			b.WriteString(r.problem(p))
		}
	}
	switch {
	case well > 0 && len(rows) == 0:
		fmt.Fprintf(&b, "nothing to do: %s well\n", areOf(well, "certificate"))
	case well > 0:
		fmt.Fprintf(&b, "%s well, and nothing was due for them\n", areOf(well, "other certificate"))
	}
	if len(waiting) > 0 && !named {
		fmt.Fprintf(&b, "\nMended? Who is named does not wait: certkeep apply %s\n", strings.Join(waiting[:min(len(waiting), 5)], " "))
	}
	return b.String()
}

func areOf(n int, what string) string {
	if n == 1 {
		return "1 " + what + " is"
	}
	return fmt.Sprintf("%d %ss are", n, what)
}

// notStored are the failures that no fact tells of: those of steps that could
// not store them, as on a full disk, and were not made good for since.
func notStored(c status.Certificate, steps []doneStep) []plan.Problem {
	var problems []plan.Problem
	for i, s := range steps {
		if s.Certificate != c.Name || s.Fault == nil {
			continue
		}
		told := func(p plan.Problem) bool { return strings.HasPrefix(p.Words, s.Fault.Words) }
		mended := func(later doneStep) bool {
			return later.Fault == nil && later.Certificate == s.Certificate && later.Kind == s.Kind && later.KeyType == s.KeyType && later.Target == s.Target
		}
		if slices.ContainsFunc(c.Problems, told) || slices.ContainsFunc(problems, told) || slices.ContainsFunc(steps[i+1:], mended) {
			continue
		}
		problems = append(problems, plan.Problem{
			Code: s.Fault.Code, Severity: plan.Warning, Cert: c.Name, Target: s.Target,
			Words: s.Fault.Words, Detail: s.Fault.Detail, Remedy: s.Fault.Code.Remedy(), Since: s.Fault.At,
		})
	}
	return problems
}

// doneTo sums up the steps that were carried out for a certificate. Looks
// are not worth a word, and neither is a search for something to adopt.
func doneTo(cert string, steps []doneStep) string {
	done := map[plan.Kind]string{
		plan.KindIssue: "issued", plan.KindResume: "issued", plan.KindPublish: "published",
		plan.KindInstall: "installed", plan.KindHook: "hooks run", plan.KindVerify: "verified", plan.KindRevoke: "revoked", plan.KindAuthorize: "authorised",
		plan.KindTLSA:   "TLSA records published",
		plan.KindParams: "parameters found",
	}
	var words []string // each where it was done last
	for _, s := range steps {
		word := done[s.Kind]
		if s.Certificate != cert || word == "" {
			continue
		}
		if s.Fault != nil {
			word = string(s.Kind) + " failed"
		}
		words = append(slices.DeleteFunc(words, func(w string) bool { return w == word }), word)
	}
	return strings.Join(words, ", ")
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
