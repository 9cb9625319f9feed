package sim

import (
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/certkeep/certkeep/internal/engine"
	"github.com/certkeep/certkeep/internal/plan"
)

// away are names of a certificate that its CAs do not get to, while they get to
// the others.
type away struct {
	mu    sync.Mutex
	names map[string]int // reasons; guarded by mu
}

func (a *away) change(name string, by int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.names == nil {
		a.names = map[string]int{}
	}
	if a.names[name] += by; a.names[name] == 0 {
		delete(a.names, name)
	}
}

func (a *away) has(name string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.names[name] > 0
}

func (a *away) any() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.names) > 0
}

// reached reports whether a CA gets to all names without which there is no
// certificate: the first one is never set aside.
func (p *cert) reached() bool {
	return p.lost.Load() == 0 && !p.away.has(p.name) && (p.quarantine || !p.away.any())
}

// lose is one name that cannot be reached for days or weeks.
func (w *world) lose(dice *rand.Rand, at time.Time) []event {
	quarantined := slices.DeleteFunc(slices.Clone(w.people), func(p *cert) bool { return !p.quarantine })
	if len(quarantined) == 0 {
		return nil
	}
	p := pick(dice, quarantined)
	names := slices.DeleteFunc(slices.Clone(p.names), func(name string) bool { return strings.HasPrefix(name, "*.") })
	return w.loseName(p, pick(dice, names), at, between(dice, 2*day, 35*day))
}

// loseAtDawn are names that cannot be reached from the beginning on.
func (w *world) loseAtDawn() []event {
	var all []event
	for i, p := range w.people {
		switch i {
		case 7:
			all = append(all, w.loseName(p, "old."+p.name, dawn(), 40*day)...)
		case 15:
			all = append(all, w.loseName(p, p.name, dawn(), 10*day)...)
		}
	}
	return all
}

func (w *world) loseName(p *cert, name string, at time.Time, long time.Duration) []event {
	return []event{
		{at, func(*engine.Engine) {
			w.note("%s of %s cannot be reached for %v", name, p.name, long)
			w.fault("name of several unreachable")
			w.judge.allow(p)
			p.away.change(name, +1)
		}},
		{at.Add(long), func(*engine.Engine) {
			w.note("%s of %s can be reached again", name, p.name)
			w.judge.allow(p)
			p.away.change(name, -1)
		}},
	}
}

// allow counts a reason to issue, as needed does, that is none to wait.
func (j *judge) allow(p *cert) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.needs[p.name] += 2 * len(p.sides())
}

// attend is the person who renews by hand. He looks once a day, and asks again
// until it is done.
func (p *process) attend() {
	now := p.now()
	for _, c := range p.people {
		if !c.manual || !c.wanted || !p.judge.isDue(c, now) {
			continue
		}
		if p.engine != nil && now.Hour() == 9 && now.Sub(p.judge.lastAttended(c)) > 20*time.Hour {
			p.note("%s is renewed by hand", c.name)
			p.judge.attends(c)
			_ = p.engine.Ask(context.Background(), plan.AskApply, []string{c.name}, "") // the disk may refuse it: he asks again
		}
		if now.Sub(p.judge.lastAttended(c)) > 4*day {
			p.judge.excuse(c, now)
		}
	}
}

// isDue reports whether a person sees that a certificate has to be renewed.
func (j *judge) isDue(c *cert, now time.Time) bool {
	return slices.ContainsFunc(c.sides(), func(s side) bool {
		seen, there := j.seen(s)
		if !there || seen.placeholder || seen.keyType != s.keyType() || seen.notAfter.Sub(now) < c.life/5 {
			return true
		}
		lacks := func(name string) bool { return !on(seen.names, name) }
		revoked := func(name string) bool { return !j.world.cas[name].RevokedAt(seen.serial).IsZero() }
		return slices.ContainsFunc(c.names, lacks) || slices.ContainsFunc(caNames(), revoked)
	})
}
