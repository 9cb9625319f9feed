package serve

import (
	"context"
	"fmt"
	"slices"

	"github.com/certkeep/certkeep/internal/plan"
)

// Refresh reads what is published of all certificates, and forgets those of
// which nothing is known. wantedNow tells the names of those that are asked for,
// by certificate: they are found before they are there. Of several calls the
// last one goes by what was wanted last.
func (s *Shelf) Refresh(ctx context.Context, wantedNow func() map[string][]string) error {
	s.taking.Lock()
	defer s.taking.Unlock()
	wanted := wantedNow()
	known, err := s.store.Known(ctx)
	if err != nil {
		return fmt.Errorf("read what is published: %w", err)
	}
	for name, record := range known.Certs {
		if record.Damage == "" { // what is served of a damaged one stays
			s.take(ctx, name, wanted[name], record)
		}
	}
	for name, names := range wanted {
		if known.Certs[name] == nil {
			s.take(ctx, name, names, &plan.KnownCert{Name: name})
		}
	}
	s.mu.RLock()
	var gone []*entry
	for name, e := range s.entries {
		if _, asked := wanted[name]; known.Certs[name] == nil && !asked {
			gone = append(gone, e)
		}
	}
	s.mu.RUnlock()
	for _, e := range gone {
		s.drop(e)
	}
	return nil
}

// Changed reads what is published of one certificate. namesNow tells the names
// that it is wanted for.
func (s *Shelf) Changed(ctx context.Context, name string, namesNow func() []string) error {
	s.taking.Lock()
	defer s.taking.Unlock()
	known, err := s.store.KnownCert(ctx, name)
	if err != nil {
		return fmt.Errorf("read what is published of %s: %w", name, err)
	}
	if known.Damage != "" {
		return nil
	}
	s.take(ctx, name, namesNow(), known)
	return nil
}

// take notes what is published now. What is in memory is exchanged for it,
// once it has been read: handshakes see the one or the other. s.taking is held.
func (s *Shelf) take(ctx context.Context, name string, names []string, known *plan.KnownCert) {
	next := summarize(known)
	if next.version == "" {
		next.names = names
	}
	s.mu.Lock()
	e := s.entries[name]
	if e == nil && len(next.names) == 0 {
		s.mu.Unlock()
		return
	}
	if e == nil {
		e = newEntry(name)
		s.entries[name] = e
	}
	old := e.summary
	e.summary = next
	s.reindex(e, old.names, next.names)
	s.mu.Unlock()
	if on := e.shown.Load(); on != nil && !next.same(on.of) {
		s.exchange(ctx, e, next)
	}
}

// reindex moves an entry from its old names to the new ones; s.mu is held.
func (s *Shelf) reindex(e *entry, old, names []string) {
	for _, name := range old {
		if !slices.Contains(names, name) {
			s.index.remove(lower(name), e)
		}
	}
	for _, name := range names {
		s.index.add(lower(name), e)
	}
}

// exchange reads a certificate that is in memory anew. One that cannot be
// read leaves the old one where it is.
func (s *Shelf) exchange(ctx context.Context, e *entry, next summary) {
	e.turn <- struct{}{}
	defer func() { <-e.turn }()
	on, err := s.read(ctx, next)
	if err != nil {
		s.log.Error("the certificate that is served stays; the new one cannot be read", "certificate", e.cert, "error", err)
		return
	}
	s.put(e, on)
}

// drop forgets a certificate.
func (s *Shelf) drop(e *entry) {
	s.mu.Lock()
	s.reindex(e, e.summary.names, nil)
	delete(s.entries, e.cert)
	s.mu.Unlock()
	s.memory.remove(e)
}
