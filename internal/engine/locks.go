package engine

import (
	"context"
	"strings"
	"sync"
)

// nameLocks lets orders of one account for the same set of names run one
// after another: CAs hand out the same order twice (product of RFC 8555
// section 7.4 and their reuse of pending orders).
type nameLocks struct {
	mu   sync.Mutex
	held map[string]chan struct{} // closed when released
}

func newNameLocks() *nameLocks { return &nameLocks{held: map[string]chan struct{}{}} }

// lockCert waits until nobody works on a certificate.
func (e *Engine) lockCert(ctx context.Context, name string) (func(), error) {
	return e.certs.lock(ctx, "", []string{name})
}

// lock waits for the set of names at an issuer, and returns its release.
func (l *nameLocks) lock(ctx context.Context, issuer string, sorted []string) (func(), error) {
	key := issuer + " " + strings.Join(sorted, " ")
	for {
		l.mu.Lock()
		busy, taken := l.held[key]
		if !taken {
			mine := make(chan struct{})
			l.held[key] = mine
			l.mu.Unlock()
			return func() {
				l.mu.Lock()
				delete(l.held, key)
				l.mu.Unlock()
				close(mine)
			}, nil
		}
		l.mu.Unlock()
		select {
		case <-busy:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}
