package engine

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/deploy"
	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/plan"
)

// StandIn puts placeholders, and what stands in for OCSP responses, where files of
// some certificates are missing, before a server is to read them. Nobody is told
// and no fact is stored: the state may be sealed, elsewhere, or a daemon's that
// does not know these certificates yet. Whoever walks the corridor next finds
// placeholders that no fact tells of, and tells their services, as it does
// after a crash. What is there, be it expired, stays. ask asks a person for a
// passphrase.
//
// A daemon that knows one of the certificates may install it at the same moment:
// then this looked first and renames last, which the daemon's next look mends.
func StandIn(ctx context.Context, cfg *config.Config, names []string, ask func(ctx context.Context, cert, how string) ([]byte, error)) error {
	e := New(Options{Disk: durable.OS{}, Log: slog.New(slog.DiscardHandler), Passphrase: ask})
	if err := e.Configure(cfg); err != nil {
		return err
	}
	var jobs []deploy.Job
	var failed []error
	for _, name := range names {
		w := &worker{engine: e, parts: e.current(), known: &plan.KnownCert{}}
		i := slices.IndexFunc(w.parts.wanted.Certs, func(c plan.WantedCert) bool { return c.Name == name })
		if i < 0 {
			continue // names that are only kept proven
		}
		w.want = w.parts.wanted.Certs[i]
		more, err := w.standIns(ctx)
		if err != nil {
			failed = append(failed, err)
			continue
		}
		jobs = append(jobs, more...)
	}
	if len(jobs) > 0 {
		for _, r := range e.current().places.Batch(ctx, jobs) {
			if r.Fault != nil && !r.Written { // a helper tests services, which may lack other files
				failed = append(failed, &FaultError{Fault: *r.Fault})
			}
		}
	}
	return errors.Join(failed...)
}

// standIns are the installations that StandIn makes for a certificate.
func (w *worker) standIns(ctx context.Context) ([]deploy.Job, error) {
	var jobs []deploy.Job
	if cert := w.parts.cfg.Certificate(w.want.Name); cert.OCSP != nil && cert.OCSP.On {
		if job := w.spareStapleJob(); len(job.Target.Plain) > 0 {
			jobs = append(jobs, job)
		}
	}
	for _, want := range w.want.Targets {
		if want.Shared {
			continue // its placeholder is on keys that are stored, and comes with their files
		}
		target, err := w.target(ctx, want.Name)
		if err != nil {
			return nil, err
		}
		if lacks, err := deploy.Lacks(target); err != nil || !lacks {
			if err != nil {
				return nil, err
			}
			continue
		}
		content, err := deploy.PlaceholderFor(target, w.want.Names, time.Now())
		if err != nil {
			return nil, err
		}
		target.Services = nil // the server is told when it has what it is to read
		jobs = append(jobs, deploy.Job{Target: target, Content: content, Spare: true})
	}
	return jobs, nil
}
