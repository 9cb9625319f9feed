package certkeep

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/serve"
)

// What strangers may cost who ask for names.
const (
	deciders     = 32          // OnDemand is called so often at once
	refusedFor   = time.Minute // it is not called again for a name that it refused
	refusedNames = 10_000      // so many of these are remembered
	askedAgain   = 24 * time.Hour
)

// The reasons why a name gets no certificate on demand.
var (
	// ErrRefused says that OnDemand refused the name a moment ago.
	ErrRefused = errors.New("the name was refused")
	// ErrNotAllowed is for OnDemand to wrap: the name is not to be kept. Only an
	// error that wraps it ends the renewal of a name that has a certificate.
	ErrNotAllowed = errors.New("the name is not allowed")
	// ErrElsewhere says that another process has the state: it orders what its
	// configuration declares, and nothing on demand.
	ErrElsewhere = errors.New("another process has the state, and orders nothing on demand")
)

// demand is what visitors ask for beyond the configuration.
type demand struct {
	keeper *Keeper
	slots  chan struct{} // who may call OnDemand

	mu      sync.Mutex           // guards what follows
	allowed map[string]bool      // names that are wanted
	asking  map[string]chan bool // names about which OnDemand is asked; closed at its end
	refused map[string]time.Time // until when
	news    chan struct{}        // closed when something was published, and replaced
}

func newDemand(k *Keeper) *demand {
	return &demand{
		keeper: k, slots: make(chan struct{}, deciders), allowed: map[string]bool{},
		asking: map[string]chan bool{}, refused: map[string]time.Time{}, news: make(chan struct{}),
	}
}

// stored takes over the names that are wanted by what the store says, and
// reports whether they differ from those that were known.
func (d *demand) stored(names []string) (changed bool) {
	wanted := map[string]bool{}
	for _, name := range names {
		if config.CheckDemanded(name) == nil {
			wanted[name] = true
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	changed = !maps.Equal(wanted, d.allowed)
	d.allowed = wanted
	return changed
}

// names are those that are wanted, sorted.
func (d *demand) names() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	names := make([]string, 0, len(d.allowed))
	for name := range d.allowed {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// has reports whether a name is wanted because a visitor asked for it.
func (d *demand) has(name string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.allowed[strings.ToLower(name)]
}

// told wakes all who wait for a certificate.
func (d *demand) told() {
	d.mu.Lock()
	defer d.mu.Unlock()
	close(d.news)
	d.news = make(chan struct{})
}

// get has a certificate ordered for a name, where that is allowed, and waits
// until one that has not ended is there, or ctx ends.
func (d *demand) get(ctx context.Context, hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	name := strings.ToLower(hello.ServerName)
	if err := config.CheckDemanded(name); err != nil {
		return nil, err
	}
	if err := d.allow(ctx, name); err != nil {
		return nil, err
	}
	for {
		d.mu.Lock()
		news := d.news
		d.mu.Unlock()
		certificate, err := d.keeper.shelf.Get(ctx, hello)
		switch {
		case err == nil && !ended(certificate):
			return certificate, nil
		case err != nil && !errors.Is(err, serve.ErrUnknown) && !errors.Is(err, serve.ErrNotYet):
			return nil, err
		}
		select {
		case <-news:
		case <-ctx.Done():
			return nil, fmt.Errorf("its certificate is on its way: %w", context.Cause(ctx))
		}
	}
}

// allow asks OnDemand about a name that is not wanted yet, once for all who
// wait for it, and stores its consent.
func (d *demand) allow(ctx context.Context, name string) error {
	for {
		d.mu.Lock()
		asking := d.asking[name]
		switch {
		case d.allowed[name]:
			d.mu.Unlock()
			return nil
		case time.Now().Before(d.refused[name]):
			d.mu.Unlock()
			return ErrRefused
		case asking == nil:
			mine := make(chan bool)
			d.asking[name] = mine
			d.mu.Unlock()
			return d.decideFor(ctx, name, mine)
		}
		d.mu.Unlock()
		select {
		case <-asking:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// decideFor decides, and wakes all who wait for that at its end.
func (d *demand) decideFor(ctx context.Context, name string, asking chan bool) error {
	defer func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.asking, name)
		close(asking)
	}()
	return d.decide(ctx, name)
}

// call calls OnDemand. One that panics has no clear answer: net/http would go
// on without the visitor, and the review would take the program with it.
func (d *demand) call(ctx context.Context, name string) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("OnDemand panicked: %v", cause)
			d.keeper.log.Error("OnDemand panicked", "name", name, "panic", cause, "stack", string(debug.Stack()))
		}
	}()
	return d.keeper.options.OnDemand(ctx, name)
}

// decide asks OnDemand, and notes what it said.
func (d *demand) decide(ctx context.Context, name string) error {
	e := d.keeper.engine.Load()
	if e == nil {
		return ErrElsewhere
	}
	select {
	case d.slots <- struct{}{}:
		defer func() { <-d.slots }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if err := d.call(ctx, name); err != nil {
		if ctx.Err() == nil {
			d.refuse(name)
		}
		return err
	}
	// Before it is stored: it would be in the way for ever.
	if _, _, err := d.keeper.source([]string{name}).Load(); err != nil {
		d.refuse(name)
		return fmt.Errorf("the configuration does not take the name: %w", err)
	}
	if err := e.Store.Demand(ctx, name); err != nil {
		return err
	}
	d.mu.Lock()
	d.allowed[name] = true
	d.mu.Unlock()
	d.keeper.again()
	return nil
}

// refuse remembers a name that was refused, as long as there is room.
func (d *demand) refuse(name string) {
	now := time.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.refused) >= refusedNames {
		for old, until := range d.refused {
			if now.After(until) {
				delete(d.refused, old)
			}
		}
	}
	if len(d.refused) < refusedNames {
		d.refused[name] = now.Add(refusedFor)
	}
}

// review asks OnDemand again about all names, as soon as this process has the
// state and every day from then on: what it does not allow is not renewed any
// more. Its certificate is shown to its end. The first time it is about the
// names that were stored before: a program that is started daily asks, too.
func (d *demand) review(ctx context.Context) {
	names := d.names()
	for ctx.Err() == nil {
		if d.keeper.engine.Load() == nil {
			pause(ctx, lockEvery) // another process has it, and asks
			continue
		}
		d.reviewAll(ctx, names)
		pause(ctx, askedAgain)
		names = d.names()
	}
}

// reviewAll asks OnDemand again about names. An answer that is no clear one,
// such as that of a database which is down, changes nothing.
func (d *demand) reviewAll(ctx context.Context, names []string) {
	unclear, example, last := 0, "", error(nil)
	for _, name := range names {
		if err := d.reviewOne(ctx, name); err != nil && ctx.Err() == nil {
			unclear, example, last = unclear+1, name, err
		}
	}
	if unclear > 0 {
		// Once for all: that database is down for each of the names.
		d.keeper.log.Error("whether names that visitors asked for are still allowed could not be told; they are kept", "names", unclear, "such as", example, "error", last)
	}
}

// reviewOne asks OnDemand again about one name. Its error says why there was no
// clear answer.
func (d *demand) reviewOne(ctx context.Context, name string) error {
	e := d.keeper.engine.Load()
	if e == nil || ctx.Err() != nil {
		return nil
	}
	bounded, cancel := context.WithTimeout(ctx, orDefault(d.keeper.options.Wait, DefaultWait))
	defer cancel()
	why := d.call(bounded, name)
	if !errors.Is(why, ErrNotAllowed) {
		return why
	}
	if err := e.Store.Undemand(ctx, name); err != nil {
		d.keeper.log.Error("a name that is no longer allowed stays", "name", name, "error", err)
		return nil
	}
	d.mu.Lock()
	delete(d.allowed, name)
	d.mu.Unlock()
	d.keeper.log.Info("a name that visitors asked for is not kept any more", "name", name, "because", why.Error())
	d.keeper.again()
	return nil
}
