package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/certkeep/certkeep/internal/status"
	"github.com/certkeep/certkeep/internal/store"
)

// histories are what `history` prints; see docs/json.md.
type histories struct {
	Certificates []certHistory `json:"certificates"`
}

type certHistory struct {
	Name   string         `json:"name"`
	Events []status.Event `json:"events"`
}

func (a *app) historyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "history NAME…",
		Short: "List every event of a certificate with its time",
		Long: "Lists what happened to certificates, oldest first. The name of keys means all certificates on\n" +
			"them, each of which has what happened to the keys in its own history. That of a certificate that\n" +
			"was forgotten or taken out of the config stays until it is trimmed.",
		Args:              atLeast(1, "the name of a certificate, or of keys"),
		ValidArgsFunction: a.completeNames,
		RunE: func(cmd *cobra.Command, names []string) error {
			all, err := a.histories(cmd.Context(), names)
			if err != nil {
				return err
			}
			if a.json {
				return a.ui.printJSON(all)
			}
			r := renderer{now: time.Now(), width: a.ui.width(a.ui.stdout), paint: a.ui.painter(a.ui.stdout)}
			a.ui.print(r.histories(all))
			return nil
		},
	}
}

// histories reads the events of certificates, each once. A name that is neither
// in the config nor has a history is a mistake. One that a certificate had which
// is gone, and that keys have now, means both.
func (a *app) histories(ctx context.Context, names []string) (histories, error) {
	cfg, s, err := a.reader(ctx)
	if err != nil {
		return histories{}, err
	}
	all := histories{Certificates: []certHistory{}}
	add := func(h certHistory) {
		if !slices.ContainsFunc(all.Certificates, func(other certHistory) bool { return other.Name == h.Name }) {
			all.Certificates = append(all.Certificates, h)
		}
	}
	for _, name := range names {
		own, err := historyOf(ctx, s, plainName(name))
		if err != nil {
			return histories{}, err
		}
		on := meant(cfg, name)
		switch {
		case len(own.Events) > 0 || cfg.Known(own.Name):
			add(own)
		case len(on) == 0:
			return histories{}, unknownCertificate(cfg, name)
		}
		for _, cert := range on {
			h, err := historyOf(ctx, s, cert)
			if err != nil {
				return histories{}, err
			}
			add(h)
		}
	}
	return all, nil
}

// historyOf reads the events of one certificate.
func historyOf(ctx context.Context, s *store.Store, name string) (certHistory, error) {
	h := certHistory{Name: name, Events: []status.Event{}}
	for e, err := range s.History(ctx, name) {
		if err != nil {
			return certHistory{}, fmt.Errorf("read the history of %s: %w", name, err)
		}
		h.Events = append(h.Events, status.EventOf(e))
	}
	return h, nil
}

func (r renderer) histories(all histories) string {
	var b strings.Builder
	for i, h := range all.Certificates {
		if len(all.Certificates) > 1 {
			if i > 0 {
				b.WriteString("\n")
			}
			b.WriteString(r.paint(bold, h.Name) + "\n")
		}
		if len(h.Events) == 0 {
			b.WriteString("nothing has happened to " + h.Name + " yet\n")
		}
		for _, e := range h.Events {
			b.WriteString(r.event(e))
		}
	}
	return b.String()
}

// eventWidth is how far the words of an event are indented.
const eventWidth = 25

func (r renderer) event(e status.Event) string {
	words := e.Kind
	for _, part := range []string{e.Target, e.KeyType, e.Issuer} {
		if part != "" && part != "default" && !strings.HasPrefix(e.Words, part+" ") {
			words += " " + part
		}
	}
	if e.Words != "" {
		words += ": " + e.Words
	}
	text := labelled(instant(e.Time), eventWidth, words, r.width)
	detail := e.Detail
	if len(detail) == 0 && e.Fault != nil {
		detail = e.Fault.Detail
	}
	for _, d := range detail {
		text += indent(wrap(d, r.width-eventWidth-2), eventWidth+2)
	}
	return text
}
