package deploy

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/certkeep/certkeep/internal/service"
)

// endGrace is how long services may still take once the caller's context has
// ended: enough for a reload, too short for one that hangs.
const endGrace = 5 * time.Second

// linger is a context for telling services: what was switched is to be told
// also when the caller ends meanwhile, but not for ever.
func (b *batch) linger() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(b.ctx))
	stop := context.AfterFunc(b.ctx, func() {
		timer := time.AfterFunc(endGrace, cancel)
		context.AfterFunc(ctx, func() { timer.Stop() })
	})
	return ctx, func() {
		stop()
		cancel()
	}
}

// soundAgain checks services after files were put back, and tells those that
// may have read the new ones. False means that the refusal was not about the
// files: trying them one by one would tell nothing.
func (b *batch) soundAgain(services []service.Service, o outcome) bool {
	if b.check(services) != nil {
		return false
	}
	ctx, done := b.linger()
	defer done()
	for _, s := range services {
		if !slices.Contains(o.asked, s.Name) {
			continue
		}
		if _, err := b.ReloadService(ctx, s); err != nil {
			return false
		}
	}
	return true
}

// outcome is what services said to new files.
type outcome struct {
	asked    []string // services whose reload was attempted
	reloaded []string
	stopped  []string
	refused  *ServiceError
}

// activate checks all services, then reloads those that are to be told.
func (b *batch) activate(services, tell []service.Service) (o outcome) {
	if o.refused = b.check(services); o.refused != nil {
		return o
	}
	ctx, done := b.linger()
	defer done()
	for _, s := range tell {
		o.asked = append(o.asked, s.Name)
		told, err := b.ReloadService(ctx, s)
		if refused, ok := errors.AsType[*ServiceError](err); ok {
			o.refused = refused
			return o
		}
		if told {
			o.reloaded = append(o.reloaded, s.Name)
		} else {
			o.stopped = append(o.stopped, s.Name)
		}
	}
	return o
}

// check returns the first refusal among services.
func (b *batch) check(services []service.Service) *ServiceError {
	ctx, done := b.linger()
	defer done()
	for _, s := range services {
		if refused, ok := errors.AsType[*ServiceError](b.CheckService(ctx, s)); ok {
			return refused
		}
	}
	return nil
}
