package store

import (
	"context"
	"sync"

	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/store/backend"
)

// channelRecord is what a node remembers of a channel by which people are
// told.
type channelRecord struct {
	header
	Channel string `json:"channel"`
	plan.KnownChannel
}

// channelsFolder is the folder of a node's channels.
func channelsFolder(node string) string { return keyOf(nodesFolder, node, "channels") }

// channels returns what this node remembers of its channels. A record that
// cannot be read is as if there was none: what stands is told again.
func (s *Store) channels(ctx context.Context) (map[string]plan.KnownChannel, error) {
	if s.node == "" {
		return nil, nil
	}
	channels := map[string]plan.KnownChannel{}
	var mu sync.Mutex // guards channels
	err := s.backend.Scan(ctx, channelsFolder(s.node), func(entry backend.Entry, err error) error {
		var r channelRecord
		if err == nil {
			err = decode(entry.Key, entry.Value, &r)
		}
		if err == nil && r.Channel == lastName(entry.Key) {
			mu.Lock()
			defer mu.Unlock()
			channels[r.Channel] = r.KnownChannel
		}
		return nil
	})
	return channels, err
}

// UpdateChannel changes what this node remembers of a channel. A damaged
// record is replaced.
func (s *Store) UpdateChannel(ctx context.Context, name string, apply func(plan.KnownChannel) plan.KnownChannel) error {
	key := keyOf(channelsFolder(s.node), name)
	return update(ctx, s, change[*channelRecord]{
		key:     key,
		rebuild: true,
		fresh:   func() *channelRecord { return &channelRecord{Channel: name} },
		check: func(r *channelRecord) error {
			if r.Channel != name {
				return foreign(key, r.Channel)
			}
			return nil
		},
		apply: func(r *channelRecord) error {
			r.KnownChannel = apply(r.KnownChannel)
			return nil
		},
	})
}
