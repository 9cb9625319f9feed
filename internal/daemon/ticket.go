package daemon

import (
	"crypto/rand"
	"errors"
	"sync"
	"time"

	"github.com/certkeep/certkeep/internal/engine"
)

const (
	maxTickets = 256
	maxLines   = 8192             // kept for a reader that lags behind
	keepEnded  = 30 * time.Second // a ticket that nobody reads
)

// errBusy says that too many asks are under way.
var errBusy = errors.New("too many requests are under way; try again later")

// desk hands out tickets and passes on what the engine tells to those whose
// certificates it is about.
type desk struct {
	mu      sync.Mutex // guards tickets
	tickets map[string]*ticket
}

func newDesk() *desk { return &desk{tickets: map[string]*ticket{}} }

// ticket gathers the progress of one ask.
type ticket struct {
	id    string
	names map[string]bool // all when empty

	mu      sync.Mutex // guards what follows
	lines   []Line     // not read yet
	dropped int
	failed  bool
	ended   time.Time
	more    chan struct{} // holds one note that something changed
}

// open makes a ticket for an ask about names. It gathers from now on, so that
// nothing is missed between the ask and its first reader.
func (d *desk) open(names []string, now time.Time) (*ticket, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for id, t := range d.tickets {
		if t.stale(now) {
			delete(d.tickets, id)
		}
	}
	if len(d.tickets) >= maxTickets {
		return nil, errBusy
	}
	t := &ticket{id: rand.Text(), names: make(map[string]bool, len(names)), more: make(chan struct{}, 1)}
	for _, n := range names {
		t.names[n] = true
	}
	d.tickets[t.id] = t
	return t, nil
}

// find returns the ticket with an id.
func (d *desk) find(id string) *ticket {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.tickets[id]
}

// drop forgets a ticket.
func (d *desk) drop(t *ticket) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.tickets, t.id)
}

// watch is the engine's watcher.
func (d *desk) watch(p engine.Progress) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, t := range d.tickets {
		if len(t.names) == 0 || t.names[p.Cert] {
			t.add(lineOf(p))
		}
	}
}

// add appends a line. Where a reader lags too far behind, stages are left out
// first: what ended and what failed is never lost from the result.
func (t *ticket) add(l Line) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.ended.IsZero() {
		return
	}
	t.failed = t.failed || l.Fault != nil
	if len(t.lines) >= maxLines {
		t.dropped++
	} else {
		t.lines = append(t.lines, l)
	}
	t.note()
}

// end closes the ticket: the next line that is read is the last.
func (t *ticket) end(why string, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.ended.IsZero() {
		return
	}
	t.ended = now
	t.lines = append(t.lines, Line{Time: now, Ended: &Ended{Failed: t.failed, Dropped: t.dropped, Why: why}})
	t.note()
}

// take returns the lines that nobody has read yet.
func (t *ticket) take() []Line {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := t.lines
	t.lines = nil
	return lines
}

// note wakes the reader. The caller holds mu.
func (t *ticket) note() {
	select {
	case t.more <- struct{}{}:
	default: // a note lies there already
	}
}

func (t *ticket) stale(now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return !t.ended.IsZero() && now.Sub(t.ended) > keepEnded
}
