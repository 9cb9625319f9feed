package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"github.com/certkeep/certkeep/internal/params"
	"github.com/certkeep/certkeep/internal/plan"
)

// searching is the search for Diffie-Hellman parameters that a pass has under
// way: one at a time, for it takes a core. It runs beside the certificates'
// workers, which it holds up in nothing. Its fields belong to the pass.
type searching struct {
	waiting []plan.Step // due, each for another certificate
	under   string      // the certificate it is for; "" where none is under way
	tried   map[string]bool
	ready   map[string]*plan.DHParams // found while a worker, who may not know, was under way
	done    chan searched
}

// searched is what came of a search: one of both is set, or none where it was
// interrupted.
type searched struct {
	step  plan.Step
	found *plan.DHParams
	fault *plan.Fault
}

func newSearching() searching {
	return searching{tried: map[string]bool{}, ready: map[string]*plan.DHParams{}, done: make(chan searched)}
}

// search begins the next search, if none is under way.
func (p *pass) search(ctx context.Context) {
	s := &p.searching
	if s.under != "" || len(s.waiting) == 0 {
		return
	}
	step := s.waiting[0]
	s.waiting = s.waiting[1:]
	s.under = step.Cert
	want, known := p.want(step.Cert), p.world.Known.Cert(step.Cert)
	published, _ := known.Version(known.Published)
	var key string
	if len(published.Pairs) > 0 {
		key = published.Pairs[0].Key
	}
	go func() {
		found, fault := p.engine.search(ctx, step, want.DH.Bits, key)
		s.done <- searched{step, found, fault}
	}()
}

// search looks for a group and stores it. A crash meanwhile loses what was
// searched so far, and nothing else.
func (e *Engine) search(ctx context.Context, step plan.Step, bits int, key string) (*plan.DHParams, *plan.Fault) {
	stage := fmt.Sprintf("searching for Diffie-Hellman parameters of %d bits", bits)
	e.Watch(Progress{Time: time.Now(), Cert: step.Cert, Step: &step, Stage: stage})
	fault := func(err error) (*plan.DHParams, *plan.Fault) {
		return nil, &plan.Fault{Code: plan.CodeDisk, Words: stage + ": " + err.Error(), At: time.Now()}
	}
	found, err := findParams(ctx, bits, key)
	if ctx.Err() != nil {
		return nil, nil // the next run begins anew
	}
	if err == nil {
		err = e.keepParams(context.WithoutCancel(ctx), step.Cert, found)
	}
	if err != nil {
		return fault(err)
	}
	return &found, nil
}

// findParams searches, and names what it found.
func findParams(ctx context.Context, bits int, key string) (plan.DHParams, error) {
	group, err := params.Generate(ctx, bits)
	if err != nil {
		return plan.DHParams{}, err
	}
	text, err := group.PEM()
	if err != nil {
		return plan.DHParams{}, err
	}
	sum := sha256.Sum256(text)
	return plan.DHParams{Bits: bits, PEM: string(text), ID: hex.EncodeToString(sum[:8]), Made: time.Now(), Key: key}, nil
}

// keepParams stores what was found.
func (e *Engine) keepParams(ctx context.Context, cert string, found plan.DHParams) error {
	return e.Store.UpdateCert(ctx, cert, func(k *plan.KnownCert) error {
		if len(k.Versions) > 0 { // else it was forgotten meanwhile
			k.DH = &found
		}
		return nil
	})
}

// found takes note of the end of a search: the certificate is looked at again,
// for its files are to be written.
func (p *pass) found(ctx context.Context, r searched) {
	p.searching.under = ""
	name := r.step.Cert
	if r.found == nil && r.fault == nil {
		return
	}
	p.outcomes = append(p.outcomes, Outcome{Step: r.step, Fault: r.fault})
	p.engine.Watch(Progress{Time: time.Now(), Cert: name, Step: &r.step, Fault: r.fault})
	known, there := p.world.Known.Certs[name]
	switch {
	case r.fault != nil:
		p.searching.tried[name] = true // again the next day, or when asked to look
		p.engine.Log.Error("Diffie-Hellman parameters were searched for in vain", "certificate", name, "error", r.fault.Words)
	case p.running[name]:
		p.searching.ready[name] = r.found
		p.owed[name] = true
		p.next = plan.Sooner(p.next, p.planned.Add(replanEvery))
	case there:
		fresh := ownCopy(name, known)
		fresh.DH = r.found
		p.world.Known.Certs[name] = fresh
		delete(p.started, name)
		p.replan(ctx)
	}
}

// learned gives what a search found to what a worker hands back, and sees
// whether the worker made one due.
func (p *pass) learned(name string) {
	known := p.world.Known.Certs[name]
	if found := p.searching.ready[name]; found != nil && known != nil {
		known.DH = found
	}
	delete(p.searching.ready, name)
	if want := p.want(name); want.DH.Bits > 0 {
		now := time.Now()
		for _, step := range plan.Cert(now, p.world, want) {
			p.expect(now, step)
		}
	}
}

// searches takes the searches out of steps that are due; each is begun once.
func (p *pass) searches(now time.Time, steps []plan.Step) []plan.Step {
	p.searching.waiting = nil
	if !slices.ContainsFunc(steps, func(s plan.Step) bool { return s.Kind == plan.KindParams }) {
		return steps // as nearly always: no copy of many
	}
	rest := steps[:0:0]
	for _, step := range steps {
		if step.Kind != plan.KindParams {
			rest = append(rest, step)
		} else {
			p.expect(now, step)
		}
	}
	return rest
}

// expect queues a step that is a search, due, and not queued yet.
func (p *pass) expect(now time.Time, step plan.Step) {
	s := &p.searching
	queued := func(q plan.Step) bool { return q.Cert == step.Cert }
	if step.Kind == plan.KindParams && step.Due(now) && step.Cert != s.under && !s.tried[step.Cert] &&
		p.only.allows(step.Kind) && !slices.ContainsFunc(s.waiting, queued) {
		s.waiting = append(s.waiting, step)
	}
}
