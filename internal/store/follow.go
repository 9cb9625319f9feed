package store

import (
	"context"
	"iter"
)

// Follow yields the names of certificates whose record changes, by whichever
// process, until ctx ends. "" stands for all: it comes first, and again
// whenever changes may have been missed.
func (s *Store) Follow(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for key, err := range s.backend.Watch(ctx, groupsFolder) {
			name := ""
			if key != "" {
				name = lastName(key)
			}
			if !yield(name, err) || err != nil {
				return
			}
		}
	}
}
