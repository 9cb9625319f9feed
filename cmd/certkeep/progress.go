package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/certkeep/certkeep/internal/engine"
	"github.com/certkeep/certkeep/internal/store"
)

const (
	redrawEvery = 100 * time.Millisecond
	// quietFor is how long work may take before progress is drawn.
	quietFor = time.Second
)

// progress is what is shown of work under way: a line for each certificate
// that is worked on, with its current step, and a sum. It prints nothing.
type progress struct {
	began  time.Time
	paused bool
	active map[string]active
	ended  map[string]bool // certificates of which some step ended; false when one failed
}

// active is a certificate that is worked on.
type active struct {
	since time.Time
	words string
}

func newProgress(now time.Time) *progress {
	return &progress{began: now, active: map[string]active{}, ended: map[string]bool{}}
}

// take notes what an engine tells.
func (p *progress) take(e engine.Progress) {
	switch {
	case e.Stage != "":
		a, ok := p.active[e.Cert]
		if !ok {
			a.since = e.Time
		}
		a.words = e.Stage
		p.active[e.Cert] = a
	case e.Event != nil:
		if a, ok := p.active[e.Cert]; ok {
			a.words = eventWords(*e.Event)
			p.active[e.Cert] = a
		}
	default:
		delete(p.active, e.Cert)
		well, seen := p.ended[e.Cert]
		p.ended[e.Cert] = e.Fault == nil && (well || !seen)
	}
}

// frame lays out the lines for a terminal, none when there is nothing to show
// yet. No line is as wide as the terminal, so that none wraps.
func (p *progress) frame(now time.Time, width, height int) []string {
	if p.paused || now.Sub(p.began) < quietFor || len(p.active) == 0 && len(p.ended) == 0 {
		return nil
	}
	var names []string
	longest := 0
	for name := range p.active {
		names = append(names, name)
		longest = max(longest, columns(name))
	}
	slices.SortFunc(names, func(a, b string) int { return p.active[a].since.Compare(p.active[b].since) })
	longest = min(longest, width/2)
	var lines []string
	for i, name := range names {
		if i >= max(1, height-3) {
			lines = append(lines, fmt.Sprintf("… and %d more", len(names)-i))
			break
		}
		a := p.active[name]
		line := fmt.Sprintf("%s  %s (%s)", pad(cut(name, longest), longest), a.words, now.Sub(a.since).Round(time.Second))
		lines = append(lines, cut(line, width-1))
	}
	return append(lines, cut(p.sum(), width-1))
}

// sum counts what has ended.
func (p *progress) sum() string {
	done, failed := 0, 0
	for name, well := range p.ended {
		switch {
		case !well:
			failed++
		case p.active[name].words == "":
			done++
		}
	}
	return fmt.Sprintf("%d under way, %d done, %d failed", len(p.active), done, failed)
}

// plainLine is how an event is told where nothing can be redrawn; "" for what
// is not worth a line.
func plainLine(e engine.Progress) string {
	if e.Event == nil || e.Event.Kind == store.EventChallengeSetup || e.Event.Kind == store.EventChallengeCleanup {
		return ""
	}
	line := e.Cert + ": " + eventWords(*e.Event)
	if e.Event.Target != "" && e.Event.Target != "default" {
		line += " (" + e.Event.Target + ")"
	}
	return line
}

// eventWords says what happened in one line.
func eventWords(e store.Event) string {
	if e.Words == "" {
		return string(e.Kind)
	}
	return string(e.Kind) + ": " + e.Words
}
