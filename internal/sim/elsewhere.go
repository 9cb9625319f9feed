package sim

import (
	"context"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"

	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/engine"
	"github.com/certkeep/certkeep/internal/plan"
)

// Some names are kept proven at a CA without a certificate, for other nodes. At
// times it is this node that may answer no challenges, and another one, with the
// same accounts, keeps the names of its certificates proven where CAs reuse that.

// keptAt is the CA at which names are kept proven: the first of `defaults`.
const keptAt = "two"

func keptNames() []string { return []string{"kept0.test", "kept1.test"} }

// elsewhereConfig is what the config says of both.
func (w *world) elsewhereConfig() string {
	text := "authorizations: [kept0.test, kept1.test]\n"
	if mayNot, _ := w.following(); mayNot {
		text += "solve: false\n"
	}
	return text
}

// following reports whether this node may answer no challenges, and since when.
func (w *world) following() (mayNot bool, since time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.follows > 0, w.since
}

// reuse is how long a CA takes a name as proven. The calm one always does.
func (w *world) reuse(ca string) time.Duration {
	if ca == calmCA {
		return 5 * day
	}
	return time.Duration(w.chance.of("reuse", ca).IntN(2)) * 5 * day
}

// solvable reports whether the names of an order can be proven at a CA now.
func (w *world) solvable(ca string) bool {
	mayNot, _ := w.following()
	return !mayNot || w.reuse(ca) > 0
}

// follow is a time in which this node may answer no challenges.
func (w *world) follow(dice *rand.Rand, at time.Time) []event {
	long := between(dice, 2*day, 30*day)
	change := func(e *engine.Engine, by int, words string) {
		w.note("%s", words)
		now := w.now()
		w.mu.Lock()
		if w.follows += by; w.follows == 1 && by > 0 {
			w.since = now
		}
		w.mu.Unlock()
		w.proveElsewhere()
		if e != nil {
			w.must(e.Configure(w.load()))
		}
	}
	return []event{
		{at, func(e *engine.Engine) { change(e, +1, "another node answers the challenges for "+long.String()) }},
		{at.Add(long), func(e *engine.Engine) { change(e, -1, "this node may answer challenges again") }},
	}
}

// proveElsewhere is the other node, which gets to all names to which this one
// could get.
func (w *world) proveElsewhere() {
	if mayNot, _ := w.following(); !mayNot {
		return
	}
	var names []string
	for _, p := range w.people {
		if p.wanted && p.lost.Load() == 0 {
			names = append(names, slices.DeleteFunc(slices.Clone(p.names), p.away.has)...)
		}
	}
	for _, ca := range caNames() {
		if w.reuse(ca) > 0 {
			w.cas[ca].Prove(names)
		}
	}
}

// untouched holds that a node that may answer no challenges touches none. What
// was under way when it was told so is brought to its end.
func (w *world) untouched(ca string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if mayNot, since := w.following(); mayNot && kindOf(r.URL.Path) == "challenge" && w.now().Sub(since) > time.Hour {
			w.judge.breach("%s was asked about a challenge though this node may answer none", ca)
		}
		next.ServeHTTP(rw, r)
	})
}

// keptProven holds that names without a certificate are proven whenever they can
// have been.
func (j *judge) keptProven(up bool) {
	w, now := j.world, j.world.now()
	w.mu.Lock()
	skew, follows := w.offset.Abs(), w.follows
	w.mu.Unlock()
	well := up && follows == 0 && skew < 9*time.Minute && w.gates[keptAt].isUp()
	for _, name := range keptNames() {
		since, known := j.unproven[name]
		switch {
		case !well || !known || w.cas[keptAt].Proven(name):
			j.unproven[name] = now
		case now.Sub(since) > (&cert{}).grace(false):
			j.breach("%s is not proven at %s though all was well for %v", name, keptAt, now.Sub(since))
			j.unproven[name] = now
		}
	}
}

// keptSettled holds that this is known of them in the end.
func (j *judge) keptSettled(known *plan.KnownCert) {
	for _, name := range keptNames() {
		if known == nil || known.Authorized[name].Issuer != keptAt || !known.Authorized[name].Expires.After(j.world.now()) {
			j.breach("%s: in the end it is not known that it is proven", name)
		}
	}
}

// askKept is a person who wants them proven now.
func (w *world) askKept(_ *rand.Rand, at time.Time) []event {
	return []event{{at, func(e *engine.Engine) {
		if e != nil {
			w.note("%s are asked for", config.AuthorizationsName)
			_ = e.Ask(context.Background(), plan.AskApply, []string{config.AuthorizationsName}, "") // the disk may refuse it: the person is told
		}
	}}}
}
