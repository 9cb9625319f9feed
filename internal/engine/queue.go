package engine

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/certkeep/certkeep/internal/deploy"
	"github.com/certkeep/certkeep/internal/handover"
)

// installQueue gathers installations that share services, so that one reload
// covers all that were written before it: while a batch is carried out, the
// next one fills up. Batches of different services do not wait for each other
// here.
type installQueue struct {
	mu       sync.Mutex // guards what follows
	pending  map[string][]*installJob
	draining map[string]bool
	pace     handover.Pace
	watch    func(Progress)
	log      *slog.Logger
}

// installJob is one target to be brought up to date.
type installJob struct {
	places handover.Installer
	job    deploy.Job
	result chan deploy.Result
}

func newInstallQueue(watch func(Progress), log *slog.Logger) *installQueue {
	return &installQueue{pending: map[string][]*installJob{}, draining: map[string]bool{}, watch: watch, log: log}
}

// install brings one target up to date together with others that wait for the
// same services, and returns what came of this one. When ctx ends nothing more
// is written, and services are still told of what was, if that is quick.
func (q *installQueue) install(ctx context.Context, to handover.Installer, job deploy.Job) deploy.Result {
	return q.installAll(ctx, to, []deploy.Job{job})[0]
}

// installAll is install for several targets at once, in one batch.
func (q *installQueue) installAll(ctx context.Context, to handover.Installer, jobs []deploy.Job) []deploy.Result {
	waiting := make([]*installJob, len(jobs))
	key := serviceKey(jobs)
	q.mu.Lock()
	for i, job := range jobs {
		waiting[i] = &installJob{places: to, job: job, result: make(chan deploy.Result, 1)}
		q.pending[key] = append(q.pending[key], waiting[i])
	}
	if !q.draining[key] {
		q.draining[key] = true
		go q.drain(ctx, key)
	}
	q.mu.Unlock()
	results := make([]deploy.Result, len(jobs))
	for i := range waiting {
		results[i] = <-waiting[i].result
	}
	return results
}

// serviceKey is what jobs have in common with others that one batch may carry
// out.
func serviceKey(jobs []deploy.Job) string {
	services := deploy.Services(jobs)
	if len(services) == 0 {
		return "target " + jobs[0].Target.Cert + " " + jobs[0].Target.Name // nothing to share
	}
	var names []string
	for _, s := range services {
		names = append(names, s.Name)
	}
	return "services " + strings.Join(names, " ")
}

// drain carries out batch after batch until nobody waits.
func (q *installQueue) drain(ctx context.Context, key string) {
	for {
		q.mu.Lock()
		batch := q.pending[key]
		delete(q.pending, key)
		if len(batch) == 0 {
			delete(q.draining, key)
			q.mu.Unlock()
			return
		}
		q.mu.Unlock()
		q.carryOut(ctx, batch)
	}
}

// carryOut installs a batch when it is the turn of all its services.
func (q *installQueue) carryOut(ctx context.Context, batch []*installJob) {
	jobs := make([]deploy.Job, len(batch))
	for i, w := range batch {
		jobs[i] = w.job
	}
	told := q.pace.Turn(ctx, jobs, func(service string, until time.Time) { q.waits(jobs, service, until) })
	results := batch[0].places.Batch(ctx, jobs)
	told(results)
	for i, w := range batch {
		w.result <- results[i]
	}
}

// waits tells that jobs wait until a service may be told again.
func (q *installQueue) waits(jobs []deploy.Job, service string, until time.Time) {
	words := fmt.Sprintf("waiting until %s to tell %s (its min_interval)", until.Format(time.TimeOnly), service)
	for _, job := range jobs {
		q.watch(Progress{Time: time.Now(), Cert: job.Target.Cert, Stage: words})
	}
	q.log.Info("waiting for the least time between two reloads", "service", service, "until", until, "installations", len(jobs))
}
