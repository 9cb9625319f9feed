package status

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
)

// Source is where snapshots come from. Its functions read and change nothing;
// they may block as long as a disk does.
type Source struct {
	// Read reads everything.
	Read func(ctx context.Context) (plan.World, error)
	// Again reads everything where only some certificates may have changed.
	// Nil where nobody calls Changed: then all is read from time to time.
	Again func(ctx context.Context, was plan.World, changed []string) (plan.World, error)
	// Problems are the conditions that only the process knows; it must not
	// block. Nil where there are none.
	Problems func() []plan.Problem
	// Events lists what happened to a certificate, oldest first.
	Events func(ctx context.Context, cert string) ([]Event, error)
}

// How old a snapshot may be, and how long somebody who asks waits for a newer
// one. What all takes is measured: who asks every second must not keep a
// machine with a hundred thousand certificates busy with reading.
const (
	leastAge   = time.Second
	weighEvery = 10 * time.Second
	readEvery  = 5 * time.Second  // where nobody says what changed
	readAnyhow = 10 * time.Minute // where somebody does
	share      = 20               // of the time at most one part is spent on each
	patience   = time.Second
	firstTime  = 30 * time.Second // nothing can be shown instead
)

// ErrNothingYet says that nothing was read yet.
var ErrNothingYet = errors.New("the state was not read yet")

// Snapshots reads how everything is when somebody asks, and only then. While
// a reading hangs it gives the last one.
type Snapshots struct {
	source Source
	ctx    context.Context // ends what is under way

	mu      sync.Mutex // guards what follows
	last    *Snapshot
	err     error         // of the last reading
	reading chan struct{} // closed when the reading under way ends; nil where there is none
	began   time.Time     // when it did
	all     bool          // everything must be read afresh
	changed map[string]bool
	read    time.Time     // when everything was read
	cost    time.Duration // of reading everything
	weight  time.Duration // of making all rows
}

// NewSnapshots makes snapshots of a source until ctx ends.
func NewSnapshots(ctx context.Context, source Source) *Snapshots {
	if source.Problems == nil {
		source.Problems = func() []plan.Problem { return nil }
	}
	return &Snapshots{source: source, ctx: ctx, all: true, changed: map[string]bool{}}
}

// Changed says that something of a certificate changed. It is quick.
func (s *Snapshots) Changed(cert string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last != nil || s.reading != nil {
		s.changed[cert] = true
	}
}

// Reset says that anything may have changed, as the config.
func (s *Snapshots) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = true
}

// Events lists what happened to a certificate, oldest first.
func (s *Snapshots) Events(ctx context.Context, cert string) ([]Event, error) {
	if s.source.Events == nil {
		return nil, nil
	}
	return s.source.Events(ctx, cert)
}

// Now returns how everything is. A reading that is due is waited for, for a
// second at most: then the last one is returned, and its Trouble says so.
func (s *Snapshots) Now(ctx context.Context) (*Snapshot, error) {
	s.mu.Lock()
	if s.reading == nil && s.due(time.Now()) {
		s.reading, s.began = make(chan struct{}), time.Now()
		go s.renew(s.last, s.all, s.changed)
		s.all, s.changed = false, map[string]bool{}
	}
	reading, wait := s.reading, patience
	if s.last == nil {
		wait = firstTime
	}
	s.mu.Unlock()
	if reading != nil {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-reading:
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	return s.latest()
}

// latest is the last snapshot, with what is known besides.
func (s *Snapshots) latest() (*Snapshot, error) {
	problems := s.source.Problems() // it may hold locks of its own
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last == nil {
		return nil, errors.Join(ErrNothingYet, s.err)
	}
	now := *s.last
	now.Process = problems
	switch {
	case s.err != nil:
		now.Trouble = "the state cannot be read: " + s.err.Error()
	case s.reading != nil && time.Since(s.began) >= patience:
		now.Trouble = fmt.Sprintf("the state is being read since %s without an end", s.began.UTC().Format("15:04:05 MST"))
	}
	return &now, nil
}

// due reports whether something is to be read or weighed. The caller holds mu.
func (s *Snapshots) due(now time.Time) bool {
	if s.last == nil {
		return true
	}
	age := now.Sub(s.last.At)
	switch {
	case age >= 0 && age < leastAge:
		return false
	case s.all, s.err != nil, len(s.changed) > 0:
		return true
	}
	return s.readDue(now) || s.weighDue(now)
}

// readDue reports whether everything is to be read. The caller holds mu.
func (s *Snapshots) readDue(now time.Time) bool {
	every := readEvery
	if s.source.Again != nil {
		every = readAnyhow
	}
	return now.Sub(s.read).Abs() >= max(every, share*s.cost)
}

func (s *Snapshots) weighDue(now time.Time) bool {
	return now.Sub(s.last.Weighed).Abs() >= max(min(weighEvery, share*s.weight+leastAge), share*s.weight)
}

// renew makes the next snapshot.
func (s *Snapshots) renew(last *Snapshot, all bool, changed map[string]bool) {
	began := time.Now()
	s.mu.Lock()
	all = all || last == nil || s.source.Again == nil && len(changed) > 0 || s.readDue(began) || s.err != nil
	afresh := all || s.weighDue(began)
	s.mu.Unlock()
	var world plan.World
	var err error
	switch {
	case all:
		world, err = s.source.Read(s.ctx)
	case len(changed) > 0:
		world, err = s.source.Again(s.ctx, last.world, slices.Sorted(maps.Keys(changed)))
	default:
		world = last.world
	}
	read := time.Now()
	var next *Snapshot
	if err == nil {
		before := last
		if afresh {
			before = nil
		}
		next = weigh(read, began, world, before, changed)
		slices.Sort(next.Leftover)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.reading)
	s.reading, s.err = nil, err
	if err != nil {
		s.all = true
		return
	}
	s.last = next
	if all {
		s.read, s.cost = began, read.Sub(began)
	}
	if afresh {
		s.weight = time.Since(read)
	}
}
