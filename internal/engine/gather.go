package engine

import (
	"context"
	"slices"
	"time"

	"github.com/certkeep/certkeep/internal/deploy"
	"github.com/certkeep/certkeep/internal/handover"
)

// A pass that ends by itself tells each service once: its installations wait
// until whatever else is being done has been done, and come to their places
// together. A crash meanwhile leaves targets behind what is published, as any
// crash before an installation does.

// What a wait for others costs at most: a CA may take very long, and what is
// gathered lies in memory.
const (
	gatherWait = 5 * time.Minute
	gatherMost = 1000
)

// gathered is a worker that waits with what it has to install.
type gathered struct {
	places  handover.Installer
	jobs    []deploy.Job
	results chan []deploy.Result
}

// gathering is what workers of a pass wait with. Its fields belong to the
// goroutine in run.
type gathering struct {
	joined  chan gathered // by workers; nil where nobody waits for others
	waiting []gathered
	late    *time.Timer // runs while somebody waits
}

// startGathering has the installations of the pass wait for each other.
func (p *pass) startGathering() { p.gathering.joined = make(chan gathered) }

// tooLate fires when some installation has waited for long enough.
func (g *gathering) tooLate() <-chan time.Time {
	if g.late == nil {
		return nil
	}
	return g.late.C
}

// join takes note of a worker that waits.
func (g *gathering) join(w gathered) {
	if g.waiting = append(g.waiting, w); g.late == nil {
		g.late = time.NewTimer(gatherWait)
	}
}

// quiet reports whether nothing goes on but waiting.
func (p *pass) quiet() bool { return len(p.running) == len(p.gathering.waiting) }

// installGathered carries out what was gathered once nothing else goes on.
func (p *pass) installGathered(ctx context.Context) {
	if n := len(p.gathering.waiting); n > 0 && (p.quiet() || n >= gatherMost || ctx.Err() != nil) {
		p.letGo(ctx)
	}
}

// letGo carries out what was gathered.
func (p *pass) letGo(ctx context.Context) {
	for _, group := range connected(p.gathering.waiting) {
		go p.engine.installs.installGathered(ctx, group)
	}
	p.gathering.late.Stop()
	p.gathering.late, p.gathering.waiting = nil, nil
}

// installGathered carries out what several workers wait with, in one batch.
func (q *installQueue) installGathered(ctx context.Context, group []gathered) {
	var jobs []deploy.Job
	for _, w := range group {
		jobs = append(jobs, w.jobs...)
	}
	results := q.installAll(ctx, group[0].places, jobs)
	for _, w := range group {
		w.results <- results[:len(w.jobs):len(w.jobs)]
		results = results[len(w.jobs):]
	}
}

// connected splits what was gathered into groups that share no service.
func connected(all []gathered) [][]gathered {
	var groups [][]gathered
	for _, w := range all {
		group := []gathered{w}
		groups = slices.DeleteFunc(groups, func(other []gathered) bool {
			shares := slices.ContainsFunc(other, w.sharesService)
			if shares {
				group = append(group, other...)
			}
			return shares
		})
		groups = append(groups, group)
	}
	return groups
}

// sharesService reports whether two workers tell a service in common.
func (w gathered) sharesService(other gathered) bool {
	for _, s := range deploy.Services(w.jobs) {
		for _, t := range deploy.Services(other.jobs) {
			if s.Name == t.Name {
				return true
			}
		}
	}
	return false
}

// installer brings targets up to date, together with those of other workers.
type installer struct {
	queue  *installQueue
	places handover.Installer
	joined chan<- gathered // nil where nobody waits for others
}

// install brings targets up to date. Their services are told of all of them at
// once.
func (i installer) install(ctx context.Context, jobs ...deploy.Job) []deploy.Result {
	if i.joined == nil || len(deploy.Services(jobs)) == 0 {
		return i.queue.installAll(ctx, i.places, jobs)
	}
	mine := gathered{places: i.places, jobs: jobs, results: make(chan []deploy.Result, 1)}
	i.joined <- mine // the pass takes what comes until its workers have ended
	return <-mine.results
}

// installer is how workers of the pass install.
func (p *pass) installer() installer {
	return installer{queue: p.engine.installs, places: p.engine.current().places, joined: p.gathering.joined}
}
