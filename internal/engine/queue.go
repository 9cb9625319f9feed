package engine

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/certkeep/certkeep/internal/deploy"
	"github.com/certkeep/certkeep/internal/handover"
	"github.com/certkeep/certkeep/internal/service"
)

// installQueue gathers installations that share services, so that one reload
// covers all that were written before it: while a batch is carried out, the
// next one fills up. Batches of different services do not wait for each other
// here.
type installQueue struct {
	mu       sync.Mutex // guards what follows
	pending  map[string][]*installJob
	draining map[string]bool
	services map[string]*serviceTurn
}

// installJob is one target to be brought up to date.
type installJob struct {
	places handover.Installer
	job    deploy.Job
	result chan deploy.Result
}

// serviceTurn lets batches that share a service take turns, and keeps the
// least time between two reloads.
type serviceTurn struct {
	mu   sync.Mutex
	next time.Time // earliest next reload; guarded by mu
}

func newInstallQueue() *installQueue {
	return &installQueue{pending: map[string][]*installJob{}, draining: map[string]bool{}, services: map[string]*serviceTurn{}}
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
	services := sortedServices(jobs)
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
	services := sortedServices(jobs)
	turns := q.turns(services)
	for _, t := range turns { // in the order of names: no two batches wait for each other
		t.mu.Lock()
		wait(ctx, time.Until(t.next)) // the least time between two reloads
	}
	results := batch[0].places.Batch(ctx, jobs)
	for i, t := range turns {
		t.next = time.Now().Add(services[i].MinInterval)
		t.mu.Unlock()
	}
	for i, w := range batch {
		w.result <- results[i]
	}
}

// turns are those of the services, in their order.
func (q *installQueue) turns(services []service.Service) []*serviceTurn {
	q.mu.Lock()
	defer q.mu.Unlock()
	turns := make([]*serviceTurn, len(services))
	for i, s := range services {
		if q.services[s.Name] == nil {
			q.services[s.Name] = &serviceTurn{}
		}
		turns[i] = q.services[s.Name]
	}
	return turns
}

// sortedServices are the services of jobs by name, each once.
func sortedServices(jobs []deploy.Job) []service.Service {
	var services []service.Service
	for _, job := range jobs {
		services = append(services, job.Target.Services...)
	}
	slices.SortFunc(services, func(a, b service.Service) int { return strings.Compare(a.Name, b.Name) })
	return slices.CompactFunc(services, func(a, b service.Service) bool { return a.Name == b.Name })
}
