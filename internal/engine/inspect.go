package engine

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/certkeep/certkeep/internal/deploy"
	"github.com/certkeep/certkeep/internal/plan"
)

// inspect looks whether installed files were altered, and stores what was.
func (w *worker) inspect(ctx context.Context) *plan.Fault {
	w.altered = w.engine.inspectQuietly(ctx, w.want, w.known, w.keys)
	return nil
}

// inspectQuietly is an inspection without a step around it. It reports
// whether something needs work now. Where all is well it writes nothing.
func (e *Engine) inspectQuietly(ctx context.Context, want plan.WantedCert, known *plan.KnownCert, keys *plan.KnownKeys) bool {
	known.Inspected = time.Now()
	found := map[string][]string{}
	for _, target := range slices.Concat(want.Targets, want.Companions) {
		fact := known.Targets[target.Name]
		if fact.Version != known.WantedAt(want, keys, target.Name) && fact.Refused == nil {
			continue // to be installed now; what a killed process installed without a fact is nobody else's doing
		}
		altered := e.inspector.Altered(fact.Files)
		if e.current().helped {
			altered = slices.DeleteFunc(altered, deploy.Forbidden)
		}
		if len(altered) > 0 {
			found[target.Name] = altered
		}
	}
	if len(found) == 0 {
		return false
	}
	err := e.Store.UpdateTargets(ctx, want.Name, func(targets map[string]plan.Target) error {
		for name, altered := range found {
			t := targets[name]
			t.Altered = altered
			targets[name] = t
		}
		return nil
	})
	if err != nil {
		e.Log.Error("cannot store which files were altered", "certificate", want.Name, "error", err)
		return false
	}
	for name, altered := range found {
		t := known.Targets[name]
		t.Altered = altered
		known.Targets[name] = t
		e.Log.Warn("installed files were changed by somebody else", "certificate", want.Name, "target", name, "files", altered)
	}
	return true
}

// inspectAll carries out the inspections of certificates for which nothing
// else is due, a few at a time and without a worker each: a pass over many
// certificates costs little more than their stats. It returns the other steps that
// are due, in the place of all.
func (p *pass) inspectAll(ctx context.Context, now time.Time, steps []plan.Step) []plan.Step {
	due := map[string]int{}
	for _, s := range steps {
		if s.Keys == "" {
			due[s.Cert]++
		}
	}
	var alone []string
	rest := slices.DeleteFunc(steps, func(s plan.Step) bool {
		is := s.Kind == plan.KindInspect && s.Keys == "" && due[s.Cert] == 1 && !p.running[s.Cert] && p.only.allows(s.Kind)
		if is {
			alone = append(alone, s.Cert)
		}
		return is
	})
	if len(alone) == 0 {
		return rest
	}
	altered := p.inspect(ctx, alone)
	for _, name := range alone {
		known := p.world.Known.Certs[name]
		p.next = plan.Sooner(p.next, plan.InspectAgain(known.Inspected, name)) // the plan in force speaks of this look only
		// What is altered is installed again, and asks are answered once
		// nothing else is due.
		if slices.Contains(altered, name) || len(known.Asks) > 0 {
			due := plan.Cert(now, p.world, p.want(name))
			rest = append(rest, slices.DeleteFunc(due, func(s plan.Step) bool { return !s.Due(now) })...)
		}
	}
	return rest
}

// inspect looks at the files of certificates in parallel and returns those
// that need work now.
func (p *pass) inspect(ctx context.Context, names []string) []string {
	var wg sync.WaitGroup
	var mu sync.Mutex
	var altered []string
	next := make(chan string)
	for range 2 * runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for name := range next {
				if want := p.want(name); p.engine.inspectQuietly(ctx, want, p.world.Known.Certs[name], p.world.Known.KeysOf(want.Keys)) {
					mu.Lock()
					altered = append(altered, name)
					mu.Unlock()
				}
			}
		})
	}
	for _, name := range names {
		next <- name
	}
	close(next)
	wg.Wait()
	slices.Sort(altered)
	return altered
}
