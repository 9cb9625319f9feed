package engine

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"time"

	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/deploy"
	"github.com/certkeep/certkeep/internal/keys"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/service"
)

// install brings the files of the keys to their places, together with those of
// the certificates on them: one journal has all, so that nobody is left with a
// key beside another certificate. Facts are stored afterwards, for each
// certificate as of any installation; a crash before that compares, finds
// nothing to write, and tells the services once more.
func (w *keyWorker) install(ctx context.Context, s plan.Step) *plan.Fault {
	stands, fault := w.lookBefore(ctx, s)
	if !stands && fault == nil || ctx.Err() != nil {
		return nil // the plan looks again
	}
	members := w.members(s)
	with := map[string]had{}
	if fault != nil {
		return w.installed(context.WithoutCancel(ctx), s, members, deploy.Target{}, deploy.Result{Fault: fault}, with)
	}
	job, err := w.job(ctx, s, members, with)
	if ctx.Err() != nil {
		return nil // interrupted, perhaps while a person was asked
	}
	if err != nil {
		fault, _ := faultOf(err)
		return w.installed(context.WithoutCancel(ctx), s, members, job.Target, deploy.Result{Fault: &fault}, with)
	}
	result := w.installWith(ctx, job, members)
	if result.Fault != nil && ctx.Err() != nil {
		return nil // interrupted: the next run compares, and goes on
	}
	if result.Fault != nil && result.Fault.Code == plan.CodeKeyLost && len(members) == 1 {
		return members[0].brokenVersion(ctx, members[0].known.Published, errors.New(result.Fault.Words)) // its key does not fit
	}
	return w.installed(context.WithoutCancel(ctx), s, members, job.Target, result, with)
}

// installWith carries out an installation, and brings the companions of its
// certificates to their places by the same batch.
func (w *keyWorker) installWith(ctx context.Context, job deploy.Job, members []*worker) deploy.Result {
	now, jobs := time.Now(), []deploy.Job{job}
	with := make([][]beside, len(members))
	for i, m := range members {
		if !m.isShared() {
			continue // its files, and what belongs to them, are installed by themselves
		}
		with[i] = m.companionsDue(ctx, plan.CompanionsWithKeys(now, m.world(), m.want))
		for _, b := range with[i] {
			jobs = append(jobs, b.job)
		}
	}
	results := w.installs.install(ctx, jobs...)
	rest := results[1:]
	for i, m := range members {
		m.companionsDone(ctx, with[i], rest[:len(with[i])])
		rest, w.outcomes = rest[len(with[i]):], append(w.outcomes, m.outcomes...)
	}
	return results[0]
}

// members are the workers of the certificates that a step is about.
func (w *keyWorker) members(s plan.Step) []*worker {
	var members []*worker
	for _, cert := range w.world.Wanted.Certs {
		if slices.Contains(s.Certs, cert.Name) {
			members = append(members, w.member(cert))
		}
	}
	return members
}

// job is the installation of all that is switched together. It notes what the
// files of each certificate hold, and lack.
func (w *keyWorker) job(ctx context.Context, s plan.Step, members []*worker, lacks map[string]had) (deploy.Job, error) {
	job := deploy.Job{Target: w.parts.keyTarget(w.want), Content: deploy.Content{Version: s.Version}}
	if err := w.protect(ctx, &job.Target); err != nil {
		return job, err
	}
	told := w.known().Shared.Version == plan.KeysVersion(w.want.KeyTypes, w.known()) && w.known().Shared.State == plan.TargetReloaded
	for _, m := range members {
		content, err := m.content(ctx, m.known.Published)
		if _, told := errors.AsType[*FaultError](err); err != nil && !told && ctx.Err() == nil {
			fault := m.brokenVersion(ctx, m.known.Published, err) // another one takes its place
			return job, &FaultError{Fault: *fault, Err: err}
		}
		if err != nil {
			return job, err
		}
		target, err := m.sharedTarget(ctx)
		if err != nil {
			return job, err
		}
		for i := range content.Pairs {
			content.Pairs[i].Cert, content.Pairs[i].Params = m.want.Name, &target.Params
		}
		version, _ := m.known.Version(m.known.Published)
		lacks[m.want.Name] = had{dh: m.ownDH(target), lacks: m.roots(target, version, content)}
		job.Content.Pairs = append(job.Content.Pairs, content.Pairs...)
		for _, f := range target.Files {
			f.Cert = m.want.Name
			job.Target.Files = append(job.Target.Files, f)
		}
		job.Target.Services = addServices(job.Target.Services, target.Services)
		fact := m.known.Targets[config.DefaultTarget]
		if fact.Spare != nil {
			job.Ours = append(job.Ours, fact.Files...)
		}
		told = told && fact.State == plan.TargetReloaded && fact.Version == m.known.Published
	}
	job.Told = told
	job.Content.Pairs = append(job.Content.Pairs, w.alone(ctx, job.Content)...)
	return job, ctx.Err()
}

// alone are the primary keys that no certificate is on, of those kinds that none
// asks for now: their files change with all others. Else a key that was given up
// would lie there and be followed as one that somebody put there. One that cannot
// be read holds up no certificate.
func (w *keyWorker) alone(ctx context.Context, content deploy.Content) []deploy.Pair {
	var alone []deploy.Pair
	for _, keyType := range w.want.KeyTypes {
		set := w.known().Keys[keyType]
		if !set.Primary.Usable() || slices.ContainsFunc(content.Pairs, func(p deploy.Pair) bool { return p.KeyType == keyType }) {
			continue
		}
		pair := deploy.Pair{KeyType: keyType, Alone: true}
		var err error
		if pair.Key, err = w.engine.keyText(ctx, set.Primary); err == nil {
			pair.Next, pair.Previous, err = w.engine.otherKeys(ctx, set)
		}
		if err != nil {
			w.engine.Log.Warn("a key that no certificate is on for now cannot be read, and its files stay as they are", "keys", w.want.Name, "key_type", keyType, "error", err)
			continue
		}
		alone = append(alone, pair)
	}
	return alone
}

// keyTarget is the files of keys alone. Those that are provided are read, and
// never written.
func (p *parts) keyTarget(want plan.WantedKeys) deploy.Target {
	target := deploy.Target{Suffixes: deploy.Suffixes{RSA: p.cfg.Suffixes.RSA, ECDSA: p.cfg.Suffixes.ECDSA}, Cert: want.Name, Name: config.SharedTarget, Layout: deploy.LayoutFiles, KeyTypes: want.KeyTypes, Archive: p.archive(want.Name)}
	for _, f := range p.cfg.KeyFiles(want.Name, want.KeyTypes) {
		if want.Provided && slices.Contains(f.Content, config.PartKey) {
			continue
		}
		target.Files = addFile(target.Files, fileOf(f))
	}
	return target
}

// archive is where copies are kept of what is replaced, where the config has an
// archive by keys; else "".
func (p *parts) archive(keys string) string {
	if p.cfg.Keep.ArchiveDirectory == "" {
		return ""
	}
	return filepath.Join(p.cfg.Keep.ArchiveDirectory, keys)
}

// sharedTarget is that target of a certificate which is switched with the
// files of its keys; without files where it has none.
func (w *worker) sharedTarget(ctx context.Context) (deploy.Target, error) {
	if !w.isShared() {
		return deploy.Target{}, nil
	}
	return w.target(ctx, config.DefaultTarget)
}

// protect reads the passphrase of the keys.
func (w *keyWorker) protect(ctx context.Context, target *deploy.Target) error {
	p := w.parts.cfg.Keys[w.want.Name].Passphrase
	text, err := w.engine.passphrase(ctx, &config.Certificate{Name: w.want.Name, Settings: config.Settings{Passphrase: p}})
	target.Passphrase, target.KDF = deploy.Password(text), p.KDF
	return err
}

// addServices adds those that are not there yet.
func addServices(all, more []service.Service) []service.Service {
	for _, s := range more {
		if !slices.ContainsFunc(all, func(t service.Service) bool { return t.Name == s.Name }) {
			all = append(all, s)
		}
	}
	return all
}

// otherKeys are the keys beside the primary one, in PEM; nil where there are
// none.
func (e *Engine) otherKeys(ctx context.Context, set plan.KeySet) (next, previous []byte, err error) {
	if next, err = e.keyText(ctx, set.Next); err != nil {
		return nil, nil, err
	}
	previous, err = e.keyText(ctx, set.Previous)
	return next, previous, err
}

func (e *Engine) keyText(ctx context.Context, k plan.Key) ([]byte, error) {
	if !k.Usable() {
		return nil, nil
	}
	key, err := e.Store.Key(ctx, k.SHA256)
	if err != nil {
		return nil, err
	}
	return keys.Marshal(key)
}

// installed stores and tells what became of an installation: of the files of
// the keys, and for each certificate of its own.
func (w *keyWorker) installed(ctx context.Context, s plan.Step, members []*worker, target deploy.Target, r deploy.Result, with map[string]had) *plan.Fault {
	now := time.Now()
	jitter := spread(now, w.world.Wanted.Node, w.want.Name, "install")
	words := plan.KeysWords(w.want.KeyTypes, w.known())
	own := r
	own.Files = filesAt(r.Files, target.PathsOf(""))
	before := w.known().Shared
	if r.Fault == nil {
		changed := changedIn(before, own)
		keys := slices.ContainsFunc(own.Files, func(f plan.File) bool { return changed(f.Path) })
		w.reloadZones(ctx, members, func(m *worker) bool {
			return keys || m.isShared() && m.arrived(m.ownStep(s), resultAt(r, target.PathsOf(m.want.Name)))
		})
	}
	err := w.engine.Store.UpdateShared(ctx, w.want.Name, func(t *plan.Target) error {
		if r.Fault != nil && s.Cert != "" {
			return nil // the files of the keys stand; what failed is the certificate's
		}
		if r.Fault != nil {
			*t = refusedTarget(*t, s, r, *w.want.Shared, now, jitter)
			return nil
		}
		t.Version, t.State, t.Config, t.Files, t.At = plan.KeysVersion(w.want.KeyTypes, w.known()), plan.TargetReloaded, w.want.Shared.Config, own.Files, now
		t.Keys, t.Altered, t.Refused, t.Tries = words, nil, nil, plan.Tries{}
		return nil
	})
	if err == nil && r.Fault == nil {
		w.queueFiles(ctx, before, target, own)
	}
	for _, m := range members {
		if err == nil && m.isShared() {
			err = m.installed(ctx, m.ownStep(s), resultAt(r, target.PathsOf(m.want.Name)), with[m.want.Name])
		}
	}
	if err != nil {
		return w.fault(plan.CodeDisk, "store what was installed: "+err.Error())
	}
	return r.Fault
}

// ownStep is the installation of a certificate's own files, where a step brings
// those that are shared.
func (w *worker) ownStep(s plan.Step) plan.Step {
	return plan.Step{Kind: plan.KindInstall, Cert: w.want.Name, Target: config.DefaultTarget, Version: w.known.Published, Reason: s.Reason}
}

// isShared reports whether files of the certificate are switched with those of
// its keys.
func (w *worker) isShared() bool {
	return slices.ContainsFunc(w.want.Targets, func(t plan.WantedTarget) bool { return t.Shared })
}

// resultAt is what became of the files at some paths.
func resultAt(r deploy.Result, paths []string) deploy.Result {
	r.Files = filesAt(r.Files, paths)
	return r
}

// filesAt are those of some files that lie at paths.
func filesAt(files []plan.File, paths []string) []plan.File {
	var at []plan.File
	for _, f := range files {
		if slices.Contains(paths, f.Path) {
			at = append(at, f)
		}
	}
	return at
}

// keysWords says which keys beside the primary ones the files of a target hold.
func (w *worker) keysWords(t plan.WantedTarget) string {
	if !t.HoldsKeys || w.keys == nil {
		return ""
	}
	return plan.KeysWords(w.want.KeyTypes, w.keys)
}

// addFile adds a file; one stands for all key types.
func addFile(files []deploy.File, f deploy.File) []deploy.File {
	if slices.ContainsFunc(files, func(g deploy.File) bool { return g.Path == f.Path }) {
		return files
	}
	return append(files, f)
}

// sharedKeyFiles are the files of the primary keys that a certificate shares.
func (p *parts) sharedKeyFiles(want plan.WantedCert) []deploy.File {
	var files []deploy.File
	for _, f := range p.cfg.KeyFiles(want.Keys, want.KeyTypes) {
		if slices.Contains(f.Content, config.PartKey) {
			files = addFile(files, fileOf(f))
		}
	}
	return files
}
