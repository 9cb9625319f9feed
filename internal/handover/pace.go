package handover

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/certkeep/certkeep/internal/deploy"
	"github.com/certkeep/certkeep/internal/plan"
)

// Pace lets batches that share a service take turns, and keeps the least time
// between two reloads of it. Its zero value keeps those that services have; its
// methods may be called at the same time.
type Pace struct {
	// Least is for services that have none, or a shorter one.
	Least time.Duration

	mu    sync.Mutex // guards what follows
	turns map[string]*turn
}

// turn is that of one service.
type turn struct {
	mu   sync.Mutex
	next time.Time // earliest next reload; guarded by mu
}

// Turn returns when it is the turn of all services of some jobs, or ctx ends. It
// calls waits, which may be nil, for a service that has to be left alone until
// then. What it returns is called once, with what came of the jobs.
func (p *Pace) Turn(ctx context.Context, jobs []deploy.Job, waits func(service string, until time.Time)) (done func([]deploy.Result)) {
	services := deploy.Services(jobs)
	turns := make([]*turn, len(services))
	for i, s := range services { // in the order of names: no two batches wait for each other
		turns[i] = p.of(s.Name)
		turns[i].mu.Lock()
		if left := time.Until(turns[i].next); left > 0 && ctx.Err() == nil {
			if waits != nil {
				waits(s.Name, turns[i].next)
			}
			select {
			case <-time.After(left):
			case <-ctx.Done():
			}
		}
	}
	return func(results []deploy.Result) {
		for i, t := range turns {
			if told(services[i].Name, jobs, results) {
				t.next = time.Now().Add(max(services[i].MinInterval, p.Least))
			}
			t.mu.Unlock()
		}
	}
}

// of is the turn of a service.
func (p *Pace) of(service string) *turn {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.turns == nil {
		p.turns = map[string]*turn{}
	}
	if p.turns[service] == nil {
		p.turns[service] = &turn{}
	}
	return p.turns[service]
}

// told reports whether a service was told, or may have been where it failed.
func told(service string, jobs []deploy.Job, results []deploy.Result) bool {
	for i, r := range results {
		failed := r.Fault != nil && (r.Fault.Code == plan.CodeServiceReload || r.Fault.Code == plan.CodeRolledBack)
		if slices.Contains(r.Reloaded, service) || failed && jobs[i].Target.Tells(service) {
			return true
		}
	}
	return false
}
