package engine

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/notify"
	"github.com/certkeep/certkeep/internal/plan"
)

// Channels are the names of the channels that a config declares.
func Channels(cfg *config.Config) []string {
	var names []string
	for _, c := range cfg.Wanted().Channels {
		names = append(names, c.Name)
	}
	return names
}

// TryChannel sends a message that means nothing over a channel. It needs no
// state, and nothing is remembered of it.
func TryChannel(ctx context.Context, cfg *config.Config, channel, node, userAgent string) *plan.Fault {
	now := time.Now()
	m := plan.Message{ID: rand.Text(), At: now, Node: node, Count: 1, Groups: []plan.NoticeGroup{{
		Event: plan.NoticeTest, Count: 1,
		Notices: []plan.Notice{{Event: plan.NoticeTest, Words: "a person tries this channel; nothing is wrong", At: now}},
	}}}
	by, err := sender(cfg, channel, nil, userAgent)
	if m, ok := by.(notify.Mail); ok {
		m.All = true // who tries it wants to know of each recipient
		by = m
	}
	if err == nil {
		err = by.Send(ctx, m)
	}
	if err == nil {
		return nil
	}
	return notifyFault(err)
}
