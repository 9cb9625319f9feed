package store

import (
	"context"
	"fmt"
	"sync"

	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/store/backend"
)

// banRecord is one key that is never used again.
type banRecord struct {
	header
	Key string `json:"key"` // its fingerprint
	plan.Ban
}

// bannedFolder is the folder of the keys that are never used again.
const bannedFolder = "banned"

// Banned returns the keys that are never used again, by fingerprint. A record
// that cannot be read bans its key all the same: its name says which.
func (s *Store) Banned(ctx context.Context) (map[string]plan.Ban, error) {
	banned := map[string]plan.Ban{}
	var mu sync.Mutex // guards banned
	err := s.backend.Scan(ctx, bannedFolder, func(entry backend.Entry, err error) error {
		var r banRecord
		if err == nil {
			err = decode(entry.Key, entry.Value, &r)
		}
		if err != nil {
			r = banRecord{}
		}
		mu.Lock()
		defer mu.Unlock()
		banned[lastName(entry.Key)] = r.Ban
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read which keys are banned: %w", err)
	}
	return banned, nil
}

// Ban bans a key for ever: it stays banned when all that used it is forgotten.
// It is stored before anything is replaced or revoked for it, and is itself
// what asks for that: a crash right after it loses nothing.
func (s *Store) Ban(ctx context.Context, fingerprint string, ban plan.Ban) error {
	ban.At = ban.At.UTC()
	return update(ctx, s, change[*banRecord]{
		key:     keyOf(bannedFolder, fingerprint),
		rebuild: true,
		fresh:   func() *banRecord { return &banRecord{} },
		apply: func(r *banRecord) error {
			r.Key, r.Ban = fingerprint, ban
			return nil
		},
	})
}
