package engine

import (
	"context"
	"crypto"
	"errors"
	"io/fs"
	"slices"
	"time"

	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/deploy"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/service"
)

// placeholderFor makes a placeholder for a target. One that is switched with
// the files of its keys is on these keys.
func (w *worker) placeholderFor(ctx context.Context, target deploy.Target) (deploy.Content, error) {
	if !w.wantedTarget(target.Name).Shared {
		return deploy.PlaceholderFor(target, w.want.Names, time.Now())
	}
	return w.placeholderOn(ctx)
}

// placeholderOn makes a placeholder on the keys that the certificate shares.
func (w *worker) placeholderOn(ctx context.Context) (deploy.Content, error) {
	primary := map[string]crypto.Signer{}
	for _, keyType := range w.want.KeyTypes {
		key, err := w.engine.Store.Key(ctx, w.keys.Primary(keyType))
		if err != nil {
			return deploy.Content{}, err
		}
		primary[keyType] = key
	}
	content, err := deploy.PlaceholderOn(primary, w.want.Names, time.Now())
	for i := range content.Pairs {
		if err == nil {
			content.Pairs[i].Next, content.Pairs[i].Previous, err = w.engine.otherKeys(ctx, w.keys.Keys[content.Pairs[i].KeyType])
		}
	}
	return content, err
}

// lacksOthers reports whether a placeholder is in place, and some service of it
// refuses its configuration while files of other targets are missing there: these
// come next, and the last of them shows what the service says then.
func (p *parts) lacksOthers(r deploy.Result, services []service.Service) bool {
	if !r.Written || r.RolledBack || r.Fault.Code != plan.CodeServiceCheck {
		return false
	}
	for _, cert := range p.cfg.Certificates {
		if !slices.ContainsFunc(services, func(s service.Service) bool { return slices.Contains(cert.Services, s.Name) }) {
			continue
		}
		for _, t := range cert.Targets() {
			target, err := p.target(&cert, t)
			if err != nil {
				continue // its own installation says so
			}
			if vacant, err := deploy.Vacant(target); err == nil && vacant {
				return true
			}
		}
	}
	return false
}

// placeholder puts self-signed certificates on the keys, and the files of these
// keys, where services need them to start. Files of keys that hold anything
// else are left alone, and so are those of the certificates then. A crash
// before the facts are stored leaves placeholders that no fact tells of, and these
// are made again.
func (w *keyWorker) placeholder(ctx context.Context, s plan.Step) *plan.Fault {
	members := w.members(s)
	for _, m := range members {
		m.known.Vacant[config.DefaultTarget] = false // done, or not to be tried again in this run
	}
	before := w.known().References()
	if _, fault, _ := w.look(ctx, s); fault != nil || w.unsettled != nil || !slices.Equal(before, w.known().References()) {
		return fault
	}
	job, err := w.spareJob(ctx, members)
	if err != nil {
		fault, _ := faultOf(err)
		return &fault
	}
	if job.Target.Files == nil {
		return nil
	}
	result := w.engine.installs.install(ctx, w.parts.places, job)
	if result.Fault != nil && !w.parts.lacksOthers(result, job.Target.Services) {
		return result.Fault
	}
	for _, m := range members {
		if fault := m.spared(ctx, config.DefaultTarget, filesAt(result.Files, job.Target.PathsOf(m.want.Name)), result.Changed); fault != nil {
			return fault
		}
	}
	return nil
}

// spareJob is the installation of the placeholders of some certificates. It has
// no files where those of the keys are not ours to write.
func (w *keyWorker) spareJob(ctx context.Context, members []*worker) (deploy.Job, error) {
	job := deploy.Job{Target: w.parts.keyTarget(w.want), Content: deploy.Content{Version: deploy.PlaceholderVersion}, Spare: true}
	if err := w.protect(ctx, &job.Target); err != nil {
		return job, err
	}
	for _, m := range members {
		target, err := m.sharedTarget(ctx)
		if err != nil {
			return job, err
		}
		content, err := m.placeholderOn(ctx)
		if err != nil {
			return job, err
		}
		for i := range content.Pairs {
			content.Pairs[i].Cert, content.Pairs[i].Params = m.want.Name, &target.Params
		}
		job.Content.Pairs = append(job.Content.Pairs, content.Pairs...)
		for _, f := range target.Files {
			f.Cert = m.want.Name
			job.Target.Files = append(job.Target.Files, f)
		}
		job.Target.Services = addServices(job.Target.Services, target.Services)
	}
	if path, ours := w.mayWriteKeys(ctx); !ours {
		w.engine.Log.Warn("no placeholder is installed, for a file of the keys holds something else", "keys", w.want.Name, "file", path)
		job.Target.Files = nil
	}
	return job, nil
}

// mayWriteKeys reports whether each file of the primary keys is missing, or
// holds its key already; else which does not.
func (w *keyWorker) mayWriteKeys(ctx context.Context) (path string, ours bool) {
	for _, f := range w.parts.cfg.KeyFiles(w.want.Name, w.want.KeyTypes) {
		text, _, err := readGuarded(f.Path)
		if errors.Is(err, fs.ErrNotExist) || err == nil && len(text) == 0 {
			continue
		}
		found, err := w.readKey(ctx, f)
		if err != nil || !slices.Contains(w.known().References(), found.fingerprint) {
			return f.Path, false
		}
	}
	return "", true
}
