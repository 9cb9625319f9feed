package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
)

// Search is a search for Diffie-Hellman parameters apart from any pass, for a
// process that ends: Find takes long and needs nothing, so that nobody waits
// for it, and Keep stores what was found by an engine that holds the state.
type Search struct {
	Cert string
	Bits int
	key  string // fingerprint of the key that is published
}

// Searches are those that are due.
func Searches(now time.Time, w plan.World) []Search {
	var all []Search
	for _, want := range w.Wanted.Certs {
		if want.DH.Bits == 0 {
			continue
		}
		for _, step := range plan.Cert(now, w, want) {
			if step.Kind == plan.KindParams && step.Due(now) {
				known := w.Known.Cert(want.Name)
				published, _ := known.Version(known.Published)
				all = append(all, Search{Cert: want.Name, Bits: want.DH.Bits, key: published.Pairs[0].Key})
			}
		}
	}
	return all
}

// Find searches. It ends early with ctx's cause.
func (s Search) Find(ctx context.Context) (plan.DHParams, error) {
	found, err := findParams(ctx, s.Bits, s.key)
	if err != nil {
		return found, fmt.Errorf("search for Diffie-Hellman parameters of %d bits: %w", s.Bits, err)
	}
	return found, nil
}

// Keep stores what a search found, unless none is due any more: somebody else
// found others meanwhile, or the config wants none.
func (e *Engine) Keep(ctx context.Context, s Search, found plan.DHParams) error {
	world, err := e.World(ctx)
	if err != nil {
		return err
	}
	for _, due := range Searches(time.Now(), world) {
		if due == s {
			return e.keepParams(ctx, s.Cert, found)
		}
	}
	return nil
}
