package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/certkeep/certkeep/internal/deploy"
	"github.com/certkeep/certkeep/internal/handover"
	"github.com/certkeep/certkeep/internal/keys"
	"github.com/certkeep/certkeep/internal/plan"
)

// Book says in a helper what the names mean that it was told: by the config and
// by what is stored. The state is that of another user, who may write there what
// he likes; so no path, owner or command is taken from it, and nothing is
// installed where he could lead root elsewhere.
type Book struct {
	engine *Engine
	user   int
}

// NewBook reads by an Engine that was made with Helps, and that has a config, for
// a Certkeep that runs as user.
func NewBook(e *Engine, user int) Book { return Book{engine: e, user: user} }

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
	for _, v := range w.known.Versions {
		if err := knownKinds(v.KeyTypes()); err != nil {
			return nil, err
		}
	}
	if w.want.Keys != "" {
		if w.keys, err = b.engine.Store.KnownKeys(ctx, w.want.Keys); err != nil {
			return nil, err
		}
	}
	return w, nil
}

// knownKinds refuses kinds of key that there are not: they become parts of paths
// where a version has nothing of what is wanted.
func knownKinds(keyTypes []string) error {
	for _, keyType := range keyTypes {
		if _, err := keys.ParseType(keyType); err != nil {
			return fmt.Errorf("the state is not Certkeep's: it has keys of the kind %.40q", keyType)
		}
	}
	return nil
}

// Job implements [handover.Book].
func (b Book) Job(ctx context.Context, q handover.Job) (deploy.Job, *plan.Fault) {
	w, err := b.worker(ctx, q.Cert)
	if err != nil {
		fault := newFault(plan.CodeHelper, plan.BlameAdmin, fmt.Sprintf("install %s (target %s): the helper: %v", q.Cert, q.Target, err))
		return deploy.Job{}, &fault
	}
	job, err := w.jobOf(ctx, q)
	if err == nil {
		err = b.keepsOutOfFiles(job.Target)
	}
	if err != nil {
		fault := w.targetFault(err)
		if sealed := sealedFault(err); sealed != nil {
			fault = sealed
		}
		return deploy.Job{}, fault
	}
	return job, nil
}

// keepsOutOfFiles is keepsOutOf for the files that a target has now.
func (b Book) keepsOutOfFiles(t deploy.Target) error {
	paths, err := pathsOf(t)
	if err != nil {
		return err
	}
	return b.keepsOutOf(t, paths)
}

// jobOf is the installation that some names mean.
func (w *worker) jobOf(ctx context.Context, q handover.Job) (deploy.Job, error) {
	_, companion := w.want.Companion(q.Target)
	switch {
	case companion && q.Spare:
		if cert := w.parts.cfg.Certificate(w.want.Name); q.Target != plan.CompanionOCSP || cert.OCSP == nil {
			return deploy.Job{}, fmt.Errorf("nothing stands in for %s", q.Target)
		}
		job := w.spareStapleJob()
		if len(job.Target.Plain) == 0 {
			return job, errors.New("no staple is missing")
		}
		return job, nil
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
	if !there || q.Version == deploy.PlaceholderVersion { // with its name would come its mark
		return deploy.Job{}, fmt.Errorf("no version %q of %s is stored", q.Version, q.Cert)
	}
	content, err := w.content(ctx, q.Version)
	if err != nil {
		return deploy.Job{}, err
	}
	for _, p := range content.Pairs {
		if err := knownKinds([]string{p.KeyType}); err != nil {
			return deploy.Job{}, err
		}
	}
	w.roots(target, version, content) // what is missing whoever asks tells
	job := deploy.Job{Target: target, Content: content}
	if fact := w.known.Targets[q.Target]; fact.Spare != nil {
		job.Ours = fact.Files
	}
	return job, nil
}

// Installed implements [handover.Book]: the stored files as far as they lie where
// the config has files of the target, for any kinds of key that versions have.
func (b Book) Installed(ctx context.Context, cert, name string) (deploy.Target, []plan.File, []string, error) {
	w, err := b.worker(ctx, cert)
	if err != nil {
		return deploy.Target{}, nil, nil, err
	}
	target, allowed, err := w.mayLie(name)
	if err == nil {
		err = b.keepsOutOf(target, allowed)
	}
	if err != nil {
		return target, nil, nil, err
	}
	var files []plan.File
	var others []string
	for _, f := range w.known.Targets[name].Files {
		if slices.Contains(allowed, f.Path) {
			files = append(files, f)
		} else {
			others = append(others, f.Path) // not even looked at: who asks must not learn what there is
		}
	}
	return target, files, others, nil
}
