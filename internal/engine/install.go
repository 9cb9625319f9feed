package engine

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/certkeep/certkeep/internal/chain"
	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/deploy"
	"github.com/certkeep/certkeep/internal/keys"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/store"
)

// install brings the published version to a target and tells its services. A
// crash before its fact is stored leaves the target behind: installing again
// changes no byte that is right already, and tells the services once more.
func (w *worker) install(ctx context.Context, s plan.Step) *plan.Fault {
	if fault, done := w.stillLacks(ctx, s); done {
		return fault
	}
	target, err := w.target(ctx, s.Target)
	if err != nil {
		return w.hindered(ctx, s, w.targetFault(err))
	}
	content, err := w.content(ctx, s.Version)
	if fault, ok := errors.AsType[*FaultError](err); ok {
		return w.hindered(ctx, s, &fault.Fault)
	}
	if fault := sealedFault(err); fault != nil {
		return w.hindered(ctx, s, fault)
	}
	if err != nil {
		return w.brokenVersion(ctx, s.Version, err)
	}
	version, _ := w.known.Version(s.Version)
	lacks := w.roots(target, version, content)
	w.stage("installing on " + w.node + " (" + s.Target + ")")
	fact := w.known.Targets[s.Target]
	told := fact.Version == s.Version && fact.Config == w.wantedTarget(s.Target).Config && fact.State != plan.TargetWritten && fact.State != plan.TargetPending
	with := w.companionsDue(ctx, w.plan(time.Now()))
	jobs := []deploy.Job{{Target: target, Content: content, Told: told, Staged: s.Staged}}
	if fact.Spare != nil {
		jobs[0].Ours = fact.Files
	}
	for _, b := range with {
		jobs = append(jobs, b.job)
	}
	results := w.installs.install(ctx, jobs...)
	w.companionsDone(ctx, with, results[1:])
	result := results[0]
	if result.Fault != nil && ctx.Err() != nil {
		return nil // interrupted: the next run compares, and goes on
	}
	if result.Fault != nil && result.Fault.Code == plan.CodeKeyLost {
		return w.brokenVersion(ctx, s.Version, errors.New(result.Fault.Words)) // its key does not fit
	}
	if result.Fault == nil && w.arrived(s, result) {
		w.reloadZones(ctx)
	}
	if err := w.installed(context.WithoutCancel(ctx), s, result, had{dh: w.ownDH(target), lacks: lacks}); err != nil {
		return w.fault(plan.CodeDisk, "store what was installed: "+err.Error(), nil)
	}
	return result.Fault
}

// hindered stores why an installation could not even begin.
func (w *worker) hindered(ctx context.Context, s plan.Step, fault *plan.Fault) *plan.Fault {
	if ctx.Err() != nil {
		return nil // interrupted, perhaps while a person was asked
	}
	if err := w.installed(context.WithoutCancel(ctx), s, deploy.Result{Fault: fault}, had{}); err != nil {
		return w.fault(plan.CodeDisk, "store what was installed: "+err.Error(), nil)
	}
	return fault
}

// had is what the files of an installation hold, and lack.
type had struct {
	dh    string
	lacks *plan.Fault
}

// installed stores and tells what became of an installation.
func (w *worker) installed(ctx context.Context, s plan.Step, r deploy.Result, with had) error {
	if r.Untidy != nil {
		w.engine.Log.Warn("leftovers of earlier versions could not be removed", "certificate", w.want.Name, "target", s.Target, "error", r.Untidy)
	}
	now, want := time.Now(), w.wantedTarget(s.Target)
	jitter := w.roll(now, "install "+s.Target)
	arrived := w.arrived(s, r)
	var hooks []string
	if arrived && r.Fault == nil {
		hooks = w.fileHooks(ctx, w.known.Targets[s.Target], s.Target, r)
	}
	err := w.engine.Store.UpdateTargets(ctx, w.want.Name, func(targets map[string]plan.Target) error {
		t := targets[s.Target]
		if r.Fault != nil {
			t = refusedTarget(t, s, r, want, now, jitter)
			if r.RolledBack {
				t.Hooks = w.addHooks(slices.Clone(t.Hooks), store.EventRolledBack)
			}
			targets[s.Target] = t
			return nil
		}
		t.Version, t.State, t.Config, t.Files, t.At = s.Version, plan.TargetReloaded, want.Config, r.Files, now
		t.Reloaded, t.Altered, t.Refused, t.Spare, t.Tries = r.Reloaded, nil, nil, nil, plan.Tries{}
		t.DH, t.Lacks = with.dh, with.lacks
		t.Awaits = nil
		if s.Staged && len(r.Reloaded) == 0 {
			t.State, t.Awaits = plan.TargetWritten, &plan.Restart{Since: now, Serves: s.Serves}
		}
		t.Keys = w.keysWords(want)
		t.Hooks = withHooks(w.pendingHooks(s.Kind, t.Hooks, r, arrived), hooks)
		targets[s.Target] = t
		return nil
	})
	if err != nil {
		return err
	}
	w.tellInstalled(ctx, s, r, arrived)
	return nil
}

// arrived reports whether files came to the target: now, or by a process that
// was killed before it stored that, be it that what was altered came back. What
// was adopted was there before.
func (w *worker) arrived(s plan.Step, r deploy.Result) bool {
	fact := w.known.Targets[s.Target]
	if v, ok := w.known.Version(s.Version); ok && v.Adopted && fact.Version == "" {
		return r.Changed
	}
	same := func(a, b plan.File) bool { return a.Path == b.Path && a.SHA256 == b.SHA256 }
	return r.Changed || len(fact.Altered) > 0 || !slices.EqualFunc(fact.Files, r.Files, same)
}

// refusedTarget remembers an installation that failed, and when to try again:
// a day later where a service would not take the files.
func refusedTarget(t plan.Target, s plan.Step, r deploy.Result, want plan.WantedTarget, now time.Time, jitter float64) plan.Target {
	if t.Refused == nil || t.Refused.Version != s.Version || t.Refused.Config != want.Config {
		t.Tries = plan.Tries{}
	}
	t.Tries = t.Tries.Begin(now, jitter).Failed(now, *r.Fault, time.Time{})
	if r.RolledBack {
		t.Tries.NotBefore = now.Add(plan.Backoff(4, jitter))
	}
	t.Refused = &plan.Refused{Version: s.Version, Config: want.Config, RolledBack: r.RolledBack}
	if t.State == "" || t.Version == "" {
		t.State = plan.TargetPending
	}
	return t
}

// tellInstalled puts what happened at a target into the history.
func (w *worker) tellInstalled(ctx context.Context, s plan.Step, r deploy.Result, arrived bool) {
	event := store.Event{Target: s.Target, Version: s.Version}
	if s.Kind.WritesCompanion() {
		event = store.Event{} // what it names is nothing that people know
	}
	if r.Fault != nil {
		event.Kind, event.Words, event.Detail, event.Fault = store.EventErrored, r.Fault.Words, r.Fault.Detail, r.Fault
		if r.RolledBack {
			event.Kind = store.EventRolledBack
		}
		w.emit(ctx, event)
		return
	}
	if arrived {
		told := arrivals(s.Kind)
		event.Kind, event.Words = told.events[len(told.events)-1], told.what+" are in place; why: "+s.Reason.Words
		w.emit(ctx, event)
	}
	for _, name := range r.Reloaded {
		event.Kind, event.Words = store.EventReloaded, name+" was told to read its files again"
		w.emit(ctx, event)
	}
	for _, name := range r.Stopped {
		w.engine.Log.Warn("the service does not run; it finds its files when it starts", "certificate", w.want.Name, "service", name)
	}
}

// targetFault is why a target cannot be dealt with.
func (w *worker) targetFault(err error) *plan.Fault {
	if known, ok := errors.AsType[*FaultError](err); ok {
		return &known.Fault
	}
	return w.fault(plan.CodeDeploy, err.Error(), nil)
}

// target is a target of the config in deploy's terms, with all that is needed
// to write it.
func (w *worker) target(ctx context.Context, name string) (deploy.Target, error) {
	target, err := w.lockedTarget(name)
	if err != nil || w.parts.helped {
		return target, err // the helper reads what only root may
	}
	cert := w.parts.cfg.Certificate(w.want.Name)
	target.Params, err = w.parts.params(cert, target, w.known.DH)
	if err != nil {
		return target, err
	}
	return target, w.engine.unlock(ctx, cert, configured(cert, name), &target)
}

// configured is a target of a certificate; one without a name where there is
// none.
func configured(cert *config.Certificate, name string) config.Target {
	if cert == nil { // names that are kept proven have no certificate
		return config.Target{}
	}
	for _, t := range cert.Targets() {
		if t.Name == name {
			return t
		}
	}
	return config.Target{}
}

// lockedTarget is a target without its secrets: enough to speak of its files.
func (w *worker) lockedTarget(name string) (deploy.Target, error) {
	cert := w.parts.cfg.Certificate(w.want.Name)
	t := configured(cert, name)
	if t.Name == "" {
		return deploy.Target{}, fmt.Errorf("the config has no target %s of %s", name, w.want.Name)
	}
	return w.parts.target(cert, t)
}

// notRead stands for passwords that are not needed.
const notRead deploy.Password = "(not read)"

// target maps a target of the config to deploy's, without its secrets.
func (p *parts) target(cert *config.Certificate, t config.Target) (deploy.Target, error) {
	target := deploy.Target{
		Cert: cert.Name, Name: t.Name, Layout: deploy.Layout(t.Layout), Base: t.Path, Owner: t.Owner, Group: t.Group,
		Suffixes: deploy.Suffixes{RSA: p.cfg.Suffixes.RSA, ECDSA: p.cfg.Suffixes.ECDSA}, Archive: p.archive(cmp.Or(p.cfg.KeysOf(cert), cert.Name)),
	}
	for _, k := range cert.KeyTypes {
		target.KeyTypes = append(target.KeyTypes, string(k))
	}
	for _, f := range t.Files {
		target.Files = addFile(target.Files, fileOf(f))
	}
	for _, name := range cert.Services {
		target.Services = append(target.Services, p.cfg.Services[name])
	}
	if cert.CSR != nil && cert.CSR.KeyFile == "" && cert.CSR.Problem == "" {
		csr, err := x509.ParseCertificateRequest(cert.CSR.DER)
		if err != nil {
			return target, fmt.Errorf("%s: %w", cert.CSR.File, err)
		}
		target.Public = csr.PublicKey
	}
	return target, nil
}

// fileOf maps a file of the config to deploy's. Of which key types there are
// files depends on what is installed, so deploy says.
func fileOf(f config.File) deploy.File {
	file := deploy.File{Path: f.Path, Mode: f.Mode, Owner: f.Owner, Group: f.Group}
	switch {
	case f.Pattern != "":
		file.Path = f.Pattern
	case !f.Plain:
		file.KeyType = string(f.KeyType)
	}
	for _, part := range f.Content {
		file.Content = append(file.Content, deploy.Part(part))
	}
	if !f.Password.IsZero() {
		file.Password = notRead
	}
	return file
}

// wantedTarget is the plan's view of a target.
func (w *worker) wantedTarget(name string) plan.WantedTarget {
	if c, ok := w.want.Companion(name); ok {
		return c
	}
	i := slices.IndexFunc(w.want.Targets, func(t plan.WantedTarget) bool { return t.Name == name })
	if i < 0 {
		return plan.WantedTarget{Name: name}
	}
	return w.want.Targets[i]
}

// content reads a version with its private keys. That they fit together is
// proven where it is installed.
func (w *worker) content(ctx context.Context, id string) (deploy.Content, error) {
	content, err := w.chains(ctx, id)
	if err != nil {
		return deploy.Content{}, err
	}
	version, _ := w.known.Version(id)
	for i, p := range content.Pairs {
		pair, _ := version.Pair(p.KeyType)
		if content.Pairs[i].Key, err = w.privateKey(ctx, pair.Key); err != nil {
			return deploy.Content{}, err
		}
		if w.keys != nil {
			if content.Pairs[i].Next, content.Pairs[i].Previous, err = w.engine.otherKeys(ctx, w.keys.Keys[p.KeyType]); err != nil {
				return deploy.Content{}, err
			}
		}
	}
	return content, nil
}

// chains reads a version without its private keys.
func (w *worker) chains(ctx context.Context, id string) (deploy.Content, error) {
	record, err := w.engine.Store.Version(ctx, w.want.Name, id)
	if err != nil {
		return deploy.Content{}, err
	}
	content := deploy.Content{Version: id}
	for _, p := range record.Version.Pairs {
		leaf, rest, err := chain.Split([]byte(record.Chains[p.KeyType]))
		if err != nil {
			return deploy.Content{}, err
		}
		content.Pairs = append(content.Pairs, deploy.Pair{KeyType: p.KeyType, Leaf: leaf, Rest: rest})
	}
	return content, nil
}

// privateKey is a private key in PEM: the stored one, or the one beside the
// administrator's CSR; nil where it is held elsewhere.
func (w *worker) privateKey(ctx context.Context, fingerprint string) ([]byte, error) {
	if csr := w.parts.cfg.Certificate(w.want.Name).CSR; csr != nil {
		if csr.KeyFile == "" || w.parts.helped {
			return nil, nil
		}
		return w.keyOfCSR(ctx, w.parts.cfg.Certificate(w.want.Name))
	}
	key, err := w.engine.Store.Key(ctx, fingerprint)
	if err != nil {
		return nil, err
	}
	return keys.Marshal(key)
}

// placeholder puts a self-signed pair where a service needs files to start.
func (w *worker) placeholder(ctx context.Context, s plan.Step) *plan.Fault {
	target, err := w.target(ctx, s.Target)
	if err != nil {
		return w.targetFault(err)
	}
	w.known.Vacant[s.Target] = false // done, or not to be tried again in this run
	content, err := w.placeholderFor(ctx, target)
	if err != nil {
		return w.targetFault(err)
	}
	if fault := w.spareStaples(ctx); fault != nil {
		return fault
	}
	result := w.engine.installs.install(ctx, w.parts.places, deploy.Job{Target: target, Content: content, Spare: true})
	if result.Fault != nil && !w.parts.lacksOthers(result, target.Services) {
		return result.Fault
	}
	return w.spared(ctx, s.Target, result.Files, result.Changed)
}

// spared stores and tells that a placeholder was installed, or that one was found
// and its services told. A crash before it leaves a placeholder that is found.
func (w *worker) spared(ctx context.Context, target string, files []plan.File, put bool) *plan.Fault {
	err := w.engine.Store.UpdateTargets(context.WithoutCancel(ctx), w.want.Name, func(targets map[string]plan.Target) error {
		t := targets[target]
		t.State, t.Files, t.Spare = plan.TargetPending, files, &plan.Placeholder{At: time.Now()}
		targets[target] = t
		return nil
	})
	if err != nil {
		return w.fault(plan.CodeDisk, "store that a placeholder was installed: "+err.Error(), nil)
	}
	words, services := "placeholder installed, so that %s can start", strings.Join(w.wantedTarget(target).Services, ", ")
	if !put {
		words = "a placeholder was there already; told to read it, where it runs: %s"
	}
	w.emit(ctx, store.Event{Kind: store.EventInstalled, Target: target, Words: fmt.Sprintf(words, services)})
	return nil
}
