package deploy

import (
	"slices"
	"sync"
)

// locks are held by name, several at once.
type locks struct {
	mu   sync.Mutex
	held map[string]chan struct{} // closed when released; guarded by mu
}

// acquire waits for all names and returns what releases them. Names are taken
// in one order, so that no two callers wait for each other.
func (l *locks) acquire(names []string) (release func()) {
	names = slices.Compact(slices.Sorted(slices.Values(names)))
	for _, name := range names {
		l.one(name)
	}
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		for _, name := range names {
			close(l.held[name])
			delete(l.held, name)
		}
	}
}

func (l *locks) one(name string) {
	for {
		l.mu.Lock()
		busy, taken := l.held[name]
		if !taken {
			if l.held == nil {
				l.held = map[string]chan struct{}{}
			}
			l.held[name] = make(chan struct{})
			l.mu.Unlock()
			return
		}
		l.mu.Unlock()
		<-busy
	}
}
