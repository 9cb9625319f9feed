package deploy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/service"
)

// Job is a content to bring to a target.
type Job struct {
	Target  Target
	Content Content
	// Told says that the target's services are known to have read these very
	// files. Nothing is reloaded then unless something has to be written.
	Told bool
	// Staged says that the target's services are not to be told: they read the
	// files when somebody restarts them. They are checked all the same.
	Staged bool
	// Spare says that the files stand in for those of a certificate that comes
	// later. A service whose check passes without them is not told; one that finds
	// them there already is, for nobody knows whether it was. They take the
	// place of no certificate, whoever asks for that.
	Spare bool
	// Ours are plain files, or those of a placeholder, as they were written
	// last: no copy of them is kept once others are in their place.
	Ours []plan.File
}

// Result is what became of a job.
type Result struct {
	Cert, Target, Version string

	Files      []plan.File // as the content makes them
	Written    bool        // Files are in place
	Changed    bool        // something was written for it
	Wrote      []string    // paths of those Files that were not as they are to be, and now are
	Reloaded   []string    // services that were told
	Stopped    []string    // services that do not run: nothing to tell
	RolledBack bool        // a service did not take the files; what was there before is back
	Fault      *plan.Fault // nil when the content is in place and its services know
	Untidy     error       // leftovers of earlier versions could not be removed; no harm is done
}

// Batch brings contents to targets. Those that share services are activated
// together: each service is checked before anything is written, checked again
// after, and reloaded once. Results stand in the order of the jobs.
//
// A service that refuses its configuration already before gets nothing, unless
// the missing files of a target may be the cause: these are written first.
//
// When a check or reload fails after writing, everything is put back as it was
// and the services are told again; then the jobs are tried in ever smaller
// groups until the bad one is alone, so that it blocks no other. Where nothing
// worked before (a first installation) the new files stay, unless the services
// are sound without them.
//
// Once files are switched, the end of ctx does not keep their services from
// being told.
func (d *Deployer) Batch(ctx context.Context, jobs []Job) []Result {
	defer d.locks.acquire(lockNames(jobs))()
	results := make([]Result, len(jobs))
	b := batch{Deployer: d, ctx: ctx, claimed: map[string]string{}}
	var works []*work
	for i, job := range jobs {
		w := &work{job: job, result: &results[i]}
		w.result.Cert, w.result.Target, w.result.Version = job.Target.Cert, job.Target.Name, job.Content.Version
		if err := b.prepare(w); err != nil {
			w.fail(err)
		} else if len(w.ops) > 0 || !job.Told {
			works = append(works, w)
		}
	}
	for _, group := range components(works) {
		b.group(group)
	}
	for i := range results {
		if results[i].Written {
			remember(results[i].Files)
		}
	}
	for _, w := range works {
		if w.applied && w.result.Fault == nil {
			w.result.Untidy = errors.Join(d.tidy(w.image, w.previous), d.forgetCopies(w))
		}
	}
	return results
}

// lockNames are the locks on all that jobs touch.
func lockNames(jobs []Job) []string {
	var names []string
	for _, job := range jobs {
		names = append(names, lockOf(job.Target.Cert, job.Target.Name))
		for _, s := range job.Target.Services {
			names = append(names, "service "+s.Name)
		}
	}
	return names
}

// Services are the services of jobs by name, each once.
func Services(jobs []Job) []service.Service {
	var services []service.Service
	for _, job := range jobs {
		services = append(services, job.Target.Services...)
	}
	slices.SortFunc(services, func(a, b service.Service) int { return strings.Compare(a.Name, b.Name) })
	return slices.CompactFunc(services, func(a, b service.Service) bool { return a.Name == b.Name })
}

// batch is one call of Batch.
type batch struct {
	*Deployer
	ctx     context.Context
	claimed map[string]string // whose a path is, in this batch
}

// work is a job on its way.
type work struct {
	job      Job
	result   *Result
	image    Image
	have     State
	ops      []Op // what has to be done to the files; empty when they are right
	previous string
	worked   bool // something was served before, and is put back if need be
	complete bool // all files were there before, be it a placeholder
	silent   bool // its services need not be told

	change   change            // made when first written
	archived bool              // change is made
	replaced map[string]Node   // files, by path
	kept     map[string]string // their copies
	applied  bool              // its switches are done
}

func (w *work) fail(err error) { w.result.Fault = faultOf(w.job.Target, err) }

// prepare finds out what has to be done. It writes nothing but what an
// interrupted installation left to do.
func (b *batch) prepare(w *work) (err error) {
	w.job.Target = w.job.Target.filled(w.job.Content)
	t := w.job.Target
	if err := b.ctx.Err(); err != nil {
		return context.Cause(b.ctx)
	}
	if w.image, err = Render(t, w.job.Content); err != nil {
		return err
	}
	w.result.Files = w.image.Facts()
	for _, f := range w.image.Files {
		if other, taken := b.claimed[f.name]; taken {
			return fmt.Errorf("%s is a file of %s too", f.name, other)
		}
		b.claimed[f.name] = fmt.Sprintf("%s (target %s)", t.Cert, t.Name)
	}
	if err := b.recoverTarget(t); err != nil {
		return err
	}
	if w.have, err = survey(w.image); err != nil {
		return err
	}
	if w.ops, err = Plan(w.image, w.have); err != nil {
		return err
	}
	if w.job.Spare && len(w.ops) > 0 {
		if err := mayStandIn(t); err != nil {
			return err
		}
	}
	w.previous = w.have.Link.Link
	w.result.Written = len(w.ops) == 0
	w.worked, w.complete, err = served(t)
	return err
}

// group brings jobs that share services to their targets.
func (b *batch) group(works []*work) {
	services := servicesOf(works)
	broken := b.check(services)
	if broken == nil {
		for _, w := range works {
			w.silent = w.job.Spare && !w.complete
		}
		b.attempt(works, true)
		return
	}
	lacking, rest := partition(works, func(w *work) bool { return !w.complete })
	if len(lacking) > 0 {
		b.attempt(lacking, false)
		if broken = b.check(services); broken == nil {
			b.attempt(rest, true)
			return
		}
	}
	broken.Before = true
	hit, sound := partition(rest, func(w *work) bool { return w.uses(broken.Service) })
	for _, w := range hit {
		w.fail(broken)
	}
	for _, group := range components(sound) {
		b.group(group)
	}
}

// attempt writes jobs and activates them, and deals with a refusal. Sound says
// that all their services' checks passed before.
func (b *batch) attempt(works []*work, sound bool) {
	if len(works) == 0 {
		return
	}
	var written []*work
	for _, w := range works {
		if err := b.write(w); err != nil {
			w.fail(err)
		} else {
			written = append(written, w)
		}
	}
	services := servicesOf(written)
	outcome := b.activate(services, servicesOf(telling(written)))
	if outcome.refused == nil {
		for _, w := range written {
			w.succeed(outcome)
		}
		return
	}
	undone, rest := b.putBack(written, sound)
	again := len(undone) > 0 && b.soundAgain(services, outcome)
	if again && len(written) > 1 {
		half := len(rest) / 2
		b.attempt(rest[:half], true)
		b.attempt(rest[half:], true)
		return
	}
	if !again {
		undone = b.putForth(undone)
	}
	for _, w := range written {
		w.refuse(outcome.refused, slices.Contains(undone, w))
	}
}

// write brings a job's files to their places.
func (b *batch) write(w *work) error {
	w.result.Fault, w.result.RolledBack = nil, false
	if w.applied || len(w.ops) == 0 {
		return b.syncInPlace(w.image)
	}
	if err := b.ctx.Err(); err != nil {
		return context.Cause(b.ctx)
	}
	if !w.archived {
		t := w.job.Target
		w.replaced = replaced(w.image, w.have, w.ops)
		kept, err := b.archive(t, w.job.Content.Version, w.image, w.replaced)
		if err != nil {
			return err
		}
		w.kept = kept
		w.change, w.archived = newChange(t, w.job.Content.Version, w.ops, kept), true
	}
	if err := b.apply(w.change); err != nil {
		return err
	}
	w.applied, w.result.Written, w.result.Changed = true, true, true
	w.result.Wrote = w.image.unfit(w.have)
	return nil
}

// syncInPlace makes durable what was found in place: a sync may have failed
// earlier, or a kill have come before it. Where a folder is switched it is the
// symlink's own name that counts.
func (b *batch) syncInPlace(image Image) error {
	var paths []Op
	for _, f := range image.Facts() {
		paths = append(paths, Op{Path: f.Path})
	}
	if image.Link != "" {
		paths = append(paths, Op{Path: image.Link})
	}
	return b.syncDirs(paths, func(op Op) string { return op.Path })
}

// putBack undoes what was written: all of it where the services were sound
// before, else what replaced something that worked. Rest are the jobs for
// which nothing went wrong in doing so.
func (b *batch) putBack(written []*work, sound bool) (undone, rest []*work) {
	for _, w := range written {
		if w.applied && (sound || w.worked) {
			if err := b.undo(w.change); err != nil {
				w.fail(err)
				continue
			}
			w.applied, w.result.Written, w.result.Wrote = false, false, nil
			undone = append(undone, w)
		}
		rest = append(rest, w)
	}
	return undone, rest
}

// putForth writes those jobs once more before which nothing worked: their
// services are in trouble without them too. It returns the others.
func (b *batch) putForth(undone []*work) (others []*work) {
	for _, w := range undone {
		if w.worked {
			others = append(others, w)
		} else if err := b.write(w); err != nil {
			w.fail(err)
		}
	}
	return others
}

func (w *work) succeed(o outcome) {
	for _, s := range w.job.Target.Services {
		switch {
		case slices.Contains(o.reloaded, s.Name):
			w.result.Reloaded = append(w.result.Reloaded, s.Name)
		case !w.job.Staged && !w.silent:
			w.result.Stopped = append(w.result.Stopped, s.Name)
		}
	}
}

// refuse records that a service did not take the files.
func (w *work) refuse(by *ServiceError, undone bool) {
	if w.result.Fault != nil {
		return // putting back failed, which says more
	}
	w.fail(by)
	if w.result.RolledBack = undone; undone {
		w.result.Fault.Code = plan.CodeRolledBack
	}
}

func (w *work) uses(name string) bool { return w.job.Target.Tells(name) }

// Tells reports whether a service is one of the target's.
func (t Target) Tells(name string) bool {
	return slices.ContainsFunc(t.Services, func(s service.Service) bool { return s.Name == name })
}
