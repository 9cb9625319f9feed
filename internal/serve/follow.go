package serve

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

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
		s.note(ctx, record, wanted[name], func() []string { return wantedNow()[name] })
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
	s.note(ctx, known, namesNow(), namesNow)
	return nil
}

// note takes over what is published of one certificate. What cannot be read is
// tried again: nobody says so when it can be. What was served of it stays
// meanwhile. s.taking is held.
func (s *Shelf) note(ctx context.Context, known *plan.KnownCert, names []string, namesNow func() []string) {
	before := s.late[known.Name]
	if before != nil {
		before.timer.Stop()
		delete(s.late, known.Name)
	}
	if known.Damage == "" && s.take(ctx, known.Name, names, known) {
		return
	}
	next := &late{pause: firstAgain}
	if before != nil {
		next.pause = min(2*before.pause, lastAgain)
	}
	next.timer = time.AfterFunc(next.pause, func() {
		if err := s.Changed(ctx, known.Name, namesNow); err != nil && ctx.Err() == nil {
			s.log.Error("what is published cannot be read", "certificate", known.Name, "error", err)
		}
	})
	s.late[known.Name] = next
}

// How long it takes until what could not be read is tried again.
const (
	firstAgain = 5 * time.Second
	lastAgain  = 10 * time.Minute
)

// late is a certificate that is to be read again.
type late struct {
	pause time.Duration
	timer *time.Timer
}

// take notes what is published now. What is in memory is exchanged for it,
// once it has been read: handshakes see the one or the other. It reports
// whether that could be read. s.taking is held.
func (s *Shelf) take(ctx context.Context, name string, names []string, known *plan.KnownCert) bool {
	next := summarize(known)
	if next.version == "" {
		next.names = names
	}
	s.mu.Lock()
	e := s.entries[name]
	if e == nil && len(next.names) == 0 {
		s.mu.Unlock()
		return true
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
		return s.exchange(ctx, e, next)
	}
	return true
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

// exchange reads a certificate that is in memory anew, and reports whether it
// could, or there is none. One that cannot be read leaves the old one where it
// is.
func (s *Shelf) exchange(ctx context.Context, e *entry, next summary) bool {
	e.turn <- struct{}{}
	defer func() { <-e.turn }()
	on, err := s.read(ctx, next)
	if err != nil {
		s.log.Error("the certificate that is served stays; the new one cannot be read", "certificate", e.cert, "error", err)
		return errors.Is(err, ErrNotYet)
	}
	s.put(e, on)
	return true
}

// drop forgets a certificate.
func (s *Shelf) drop(e *entry) {
	s.mu.Lock()
	s.reindex(e, e.summary.names, nil)
	delete(s.entries, e.cert)
	s.mu.Unlock()
	s.memory.remove(e)
}
