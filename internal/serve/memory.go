package serve

import "sync"

// memory bounds how many certificates are held. When there is one too many, a
// hand goes round and drops the first that nobody asked for since it came by
// the last time: nearly the one that was not used for longest, and asking for
// one costs nothing.
type memory struct {
	room int

	mu   sync.Mutex // guards what follows
	ring []*entry
	hand int
}

// add takes in an entry that is in memory from now on.
func (m *memory) add(e *entry) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.ring) < m.room {
		m.ring = append(m.ring, e)
		return
	}
	for m.ring[m.hand].used.Swap(false) && m.ring[m.hand] != e {
		m.hand = (m.hand + 1) % len(m.ring)
	}
	m.ring[m.hand].shown.Store(nil)
	m.ring[m.hand] = e
	m.hand = (m.hand + 1) % len(m.ring)
}

// remove drops an entry.
func (m *memory) remove(e *entry) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e.shown.Store(nil)
	for i, other := range m.ring {
		if other == e {
			last := len(m.ring) - 1
			m.ring[i] = m.ring[last]
			m.ring[last] = nil
			m.ring = m.ring[:last]
			if m.hand >= last {
				m.hand = 0
			}
			return
		}
	}
}

// held is how many are in memory.
func (m *memory) held() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.ring)
}
