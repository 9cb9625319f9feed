package sim

import (
	"cmp"
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/certkeep/certkeep/internal/engine"
	"github.com/certkeep/certkeep/internal/plan"
)

const day = 24 * time.Hour

// event is something that happens to the world at an instant. The engine is
// nil while no process runs.
type event struct {
	at time.Time
	do func(e *engine.Engine)
}

// schedule is all that happens from dawn to dusk, in order.
func (w *world) schedule(dusk time.Time) []event {
	var all []event
	each := func(what string, perYear float64, make func(dice *rand.Rand, at time.Time) []event) {
		n := int(perYear * w.Years)
		for i := range n {
			dice := w.chance.of(what, i)
			at := dawn().Add(time.Duration(dice.Int64N(int64(dusk.Sub(dawn())))))
			all = append(all, make(dice, at)...)
		}
	}
	each("outage", 20, w.outage)
	each("unreachable", float64(len(w.people)), w.unreachable)
	each("service", 6, func(dice *rand.Rand, at time.Time) []event { return w.flag(dice, at, "refuses", 5*day) })
	each("hook", 6, func(dice *rand.Rand, at time.Time) []event { return w.flag(dice, at, "hook-fails", 10*day) })
	each("config", float64(len(w.people)), w.reconfigure)
	each("ask", 12, w.ask)
	each("window", 12, w.moveWindow)
	each("revoke", 8, w.revoke)
	each("forget", 2, w.forget)
	each("tamper", 6, w.tamper)
	each("restore", 8, w.restore)
	each("rollover", 12, w.rollover)
	each("stray", 4, w.stray)
	each("name", 6, w.lose)
	each("offline", 6, w.offline)
	each("old answers", 6, w.freeze)
	each("quiet", 10, w.revokeQuietly)
	each("person revokes", 12, w.personRevokes)
	each("log", 6, w.unlogged)
	each("store key", 3, w.sealAnew)
	each("follow", 4, w.follow)
	each("kept", 6, w.askKept)
	all = append(all, w.loseAtDawn()...)
	slices.SortStableFunc(all, func(a, b event) int { return cmp.Compare(a.at.UnixNano(), b.at.UnixNano()) })
	return all
}

// troubled picks a certificate that is not calm.
func (w *world) troubled(dice *rand.Rand) *cert {
	for {
		if p := pick(dice, w.people); !p.calm {
			return p
		}
	}
}

func (w *world) outage(dice *rand.Rand, at time.Time) []event {
	name, hangs := pick(dice, []string{"one", "two"}), dice.IntN(4) == 0
	long := between(dice, 5*time.Minute, 21*day)
	return []event{
		{at, func(*engine.Engine) {
			w.note("%s is down for %v (hangs: %v)", name, long, hangs)
			w.fault("outage")
			w.gates[name].outage(+1, hangs)
		}},
		{at.Add(long), func(*engine.Engine) { w.gates[name].outage(-1, false) }},
	}
}

func (w *world) unreachable(dice *rand.Rand, at time.Time) []event {
	p, long := w.troubled(dice), between(dice, time.Hour, 14*day)
	return []event{
		{at, func(*engine.Engine) {
			w.note("%s cannot be reached for %v", p.name, long)
			w.fault("name unreachable")
			p.lost.Add(1)
		}},
		{at.Add(long), func(*engine.Engine) { p.lost.Add(-1) }},
	}
}

// flag is a time in which a file makes a service or hook fail.
func (w *world) flag(dice *rand.Rand, at time.Time, name string, most time.Duration) []event {
	long := between(dice, time.Hour, most)
	return []event{
		{at, func(*engine.Engine) {
			w.note("%s for %v", name, long)
			w.fault(name)
			w.flags[name]++
			w.must(os.WriteFile(filepath.Join(w.root, name), nil, 0o600))
		}},
		{at.Add(long), func(*engine.Engine) {
			if w.flags[name]--; w.flags[name] == 0 {
				w.must(os.Remove(filepath.Join(w.root, name)))
			}
		}},
	}
}

func (w *world) reconfigure(dice *rand.Rand, at time.Time) []event {
	p := w.troubled(dice)
	return []event{{at, func(e *engine.Engine) {
		there := p.wanted
		w.note("%s %s", p.name, p.change(dice))
		if p.wanted != there {
			w.judge.attends(p)
		}
		p.changed = w.now()
		w.judge.forget(p)
		w.judge.needed(p)
		if p.key != "" {
			w.judge.needed(p) // on the keys in use and on the next ones
		}
		if e != nil {
			w.must(e.Configure(w.load()))
		}
	}}}
}

func (w *world) ask(dice *rand.Rand, at time.Time) []event {
	p := w.troubled(dice)
	kind := pick(dice, []plan.AskKind{plan.AskRenew, plan.AskApply, plan.AskVerify})
	return []event{{at, func(e *engine.Engine) {
		if e == nil || !p.wanted {
			return
		}
		w.note("%s is asked for: %s", p.name, kind)
		w.judge.attends(p)
		if kind == plan.AskRenew {
			w.judge.needed(p)
		}
		_ = e.Ask(context.Background(), kind, []string{p.name}, "") // the disk may refuse it: the person is told
	}}}
}

// moveWindow is a CA that wants a certificate renewed earlier.
func (w *world) moveWindow(dice *rand.Rand, at time.Time) []event {
	return []event{{at, func(*engine.Engine) {
		name := pick(dice, []string{"one", "two"})
		if i, p := w.latest(dice, name); p != nil {
			w.note("%s moves the window of %s to now", name, p.name)
			w.judge.needed(p)
			if !p.manual {
				w.judge.attends(p) // by the time it is looked at the window may be over: then it waits for none of ours
			}
			w.must(w.cas[name].MoveWindow(i.CertID, w.now(), w.now().Add(12*time.Hour), 6*time.Hour))
		}
	}}}
}

func (w *world) revoke(dice *rand.Rand, at time.Time) []event {
	return []event{{at, func(*engine.Engine) {
		name := pick(dice, []string{"one", "two"})
		if i, p := w.latest(dice, name); p != nil {
			w.note("%s revokes the certificate of %s", name, p.name)
			w.judge.needed(p)
			w.must(w.cas[name].Revoke(i.Serial))
		}
	}}}
}

func (w *world) forget(dice *rand.Rand, at time.Time) []event {
	name, accounts := pick(dice, []string{"one", "two"}), dice.IntN(2) == 0
	return []event{{at, func(*engine.Engine) {
		w.fault("CA forgets")
		w.note("%s forgets (accounts: %v)", name, accounts)
		if accounts {
			w.cas[name].ForgetAccounts()
		} else {
			w.cas[name].ForgetOrders()
		}
	}}}
}

// restore is a person who goes back to an earlier version, and releases it
// some days later. What an older certificate does to its readers is his choice.
func (w *world) restore(dice *rand.Rand, at time.Time) []event {
	p, long := w.troubled(dice), between(dice, time.Hour, 20*day)
	h := &hold{cert: p}
	events := []event{{at, func(e *engine.Engine) {
		if e == nil || !p.wanted {
			return
		}
		known, err := w.known(e, p)
		if err != nil || len(known.Versions) < 2 {
			return
		}
		version := known.Versions[len(known.Versions)-2].ID
		w.note("%s is restored to %s for %v", p.name, version, long)
		h.began, p.restored = true, true
		p.held.Add(1)
		w.judge.attends(p)
		w.judge.needed(p)
		_ = e.Ask(context.Background(), plan.AskRestore, []string{p.name}, version) // the disk may refuse it: the person is told
	}}}
	for _, later := range []time.Duration{0, 6 * time.Hour, day, 2 * day, 3 * day, 5 * day, 8 * day, 13 * day} {
		events = append(events, event{at.Add(long + later), func(e *engine.Engine) { w.release(e, h) }})
	}
	return events
}

// hold is a version that a person keeps.
type hold struct {
	cert     *cert
	began    bool
	released time.Time // when the process said that it would end it
	over     bool
}

// release is that person, who asks again where the machine is off, or the disk
// refuses it. For two days after that an older version may still be served.
func (w *world) release(e *engine.Engine, h *hold) {
	switch {
	case !h.began || h.over:
	case !h.released.IsZero():
		if w.now().Sub(h.released) >= 2*day {
			h.over = true
			h.cert.held.Add(-1)
		}
	case e != nil:
		w.judge.attends(h.cert)
		w.judge.needed(h.cert)
		err := e.Ask(context.Background(), plan.AskRelease, []string{h.cert.name}, "")
		w.note("%s is released, said: %v", h.cert.name, err)
		if err == nil {
			h.released = w.now()
		}
	}
}

// known is what the engine knows of a certificate.
func (w *world) known(e *engine.Engine, p *cert) (*plan.KnownCert, error) {
	all, err := e.World(context.Background())
	if err != nil {
		return nil, err
	}
	return all.Known.Cert(p.name), nil
}

// must ends the history for what cannot go wrong.
func (w *world) must(err error) {
	if err != nil {
		w.judge.breach("the simulator itself: %v", err)
	}
}
