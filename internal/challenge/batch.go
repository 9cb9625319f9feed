package challenge

import (
	"context"
	"slices"
	"strings"
	"sync"
)

// Counted is a Solver that wants to know how many of an order's challenges it
// is asked to answer after this one. It is where Counted returns true.
type Counted interface {
	Counted() bool
}

// batch is the challenges of one order that a Counted solver answers.
type batch struct {
	names []string // with a name twice where its wildcard is asked for too

	mu   sync.Mutex // guards left
	left []Identifier
}

type batchKey struct{}

// InBatch passes on which identifiers of an order Counted solvers are asked to
// prove, so that each Present learns of the others.
func InBatch(ctx context.Context, ids []Identifier) context.Context {
	b := &batch{left: slices.Clone(ids)}
	for _, id := range ids {
		b.names = append(b.names, id.Value)
	}
	slices.Sort(b.names)
	return context.WithValue(ctx, batchKey{}, b)
}

// take counts one identifier off. It returns all names of the batch, separated
// by commas, and how many are left. Outside of a batch each stands alone.
func take(ctx context.Context, id Identifier) (all string, left int) {
	b, ok := ctx.Value(batchKey{}).(*batch)
	if !ok {
		return id.Value, 0
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.left = slices.DeleteFunc(b.left, func(other Identifier) bool { return other == id })
	return strings.Join(b.names, ","), len(b.left)
}
