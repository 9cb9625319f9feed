package engine

import (
	"context"
	"fmt"
	"slices"

	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/deploy"
	"github.com/certkeep/certkeep/internal/handover"
	"github.com/certkeep/certkeep/internal/plan"
)

// Book says in a helper what the names mean that it was told: by the config and
// by what is stored. The state is that of another user, who may write there what
// he likes; so no path, owner or command is taken from it.
type Book struct {
	engine *Engine
}

// NewBook reads by an Engine that was made with Helps, and that has a config.
func NewBook(e *Engine) Book { return Book{engine: e} }

// Close closes the state.
func (b Book) Close() error { return b.engine.Store.Close() }

var _ handover.Book = Book{}

// worker is one that reads: it knows a certificate, and is never run.
func (b Book) worker(ctx context.Context, cert string) (*worker, error) {
	w := &worker{engine: b.engine, parts: b.engine.current(), node: b.engine.Store.Node()}
	i := slices.IndexFunc(w.parts.wanted.Certs, func(c plan.WantedCert) bool { return c.Name == cert })
	if i < 0 || w.parts.cfg.Certificate(cert) == nil {
		return nil, fmt.Errorf("the config has no certificate %q", cert)
	}
	w.want = w.parts.wanted.Certs[i]
	var err error
	if w.known, err = b.engine.Store.KnownCert(ctx, cert); err != nil {
		return nil, err
	}
	if w.want.Keys != "" {
		if w.keys, err = b.engine.Store.KnownKeys(ctx, w.want.Keys); err != nil {
			return nil, err
		}
	}
	return w, nil
}

// Job implements [handover.Book].
func (b Book) Job(ctx context.Context, q handover.Job) (deploy.Job, *plan.Fault) {
	w, err := b.worker(ctx, q.Cert)
	if err != nil {
		fault := newFault(plan.CodeHelper, plan.BlameAdmin, fmt.Sprintf("install %s (target %s): the helper: %v", q.Cert, q.Target, err))
		return deploy.Job{}, &fault
	}
	job, err := w.jobOf(ctx, q)
	if err != nil {
		fault := w.targetFault(err)
		if sealed := sealedFault(err); sealed != nil {
			fault = sealed
		}
		return deploy.Job{}, fault
	}
	return job, nil
}

// jobOf is the installation that some names mean.
func (w *worker) jobOf(ctx context.Context, q handover.Job) (deploy.Job, error) {
	_, companion := w.want.Companion(q.Target)
	switch {
	case companion && q.Spare:
		return w.spareStapleJob(), nil
	case companion:
		return w.companionJob(ctx, plan.Step{Target: q.Target, Version: q.Version})
	}
	target, err := w.target(ctx, q.Target)
	if err != nil {
		return deploy.Job{}, err
	}
	if q.Spare {
		content, err := w.placeholderFor(ctx, target)
		return deploy.Job{Target: target, Content: content}, err
	}
	version, there := w.known.Version(q.Version)
	if !there {
		return deploy.Job{}, fmt.Errorf("no version %q of %s is stored", q.Version, q.Cert)
	}
	content, err := w.content(ctx, q.Version)
	if err != nil {
		return deploy.Job{}, err
	}
	w.roots(target, version, content) // what is missing whoever asks tells
	job := deploy.Job{Target: target, Content: content}
	if fact := w.known.Targets[q.Target]; fact.Spare != nil {
		job.Ours = fact.Files
	}
	return job, nil
}

// Installed implements [handover.Book]: the stored files as far as they lie where
// the config has files of the target.
func (b Book) Installed(ctx context.Context, t handover.Target) (deploy.Target, []plan.File, error) {
	w, err := b.worker(ctx, t.Cert)
	if err != nil {
		return deploy.Target{}, nil, err
	}
	paths, target := map[string]bool{}, deploy.Target{Cert: t.Cert, Name: t.Name}
	if _, companion := w.want.Companion(t.Name); companion {
		for _, path := range companionPaths(w.parts.cfg, w.parts.cfg.Certificate(t.Cert), t.Name) {
			paths[path] = true
		}
	} else {
		if target, err = w.lockedTarget(t.Name); err != nil {
			return target, nil, err
		}
		files, err := target.HookFiles()
		if err != nil {
			return target, nil, err
		}
		for _, f := range files {
			paths[f.Path] = true
		}
	}
	files := slices.DeleteFunc(slices.Clone(w.known.Targets[t.Name].Files), func(f plan.File) bool { return !paths[f.Path] })
	return target, files, nil
}

// companionPaths are all files that a companion may have.
func companionPaths(cfg *config.Config, cert *config.Certificate, name string) []string {
	var paths []string
	if name == plan.CompanionHPKP {
		for _, server := range cert.HPKP.Servers() {
			paths = append(paths, cfg.HPKPFile(cert, server))
		}
		return paths
	}
	for _, keyType := range cert.KeyTypes {
		if name == plan.CompanionOCSP {
			paths = append(paths, cfg.OCSPFile(cert, keyType))
			continue
		}
		for _, log := range cert.SCT.Logs {
			paths = append(paths, cfg.SCTFile(cert, keyType, log))
		}
	}
	return paths
}
