package sim

import (
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/certkeep/certkeep/internal/sim/fakeca"
)

// caOptions is how a CA behaves.
func (w *world) caOptions(name string) fakeca.Options {
	return fakeca.Options{
		Name: name + ".test", Now: w.now, Profiles: profiles(), Default: "classic",
		Limits:      limits(name),
		ReuseAuthz:  w.reuse(name),
		WindowAfter: 24 * time.Hour, OCSPLife: ocspLife, CRLLife: ocspLife, Validate: w.validate,
	}
}

// owner is whose names these are.
func (w *world) owner(names []string) *cert {
	i := slices.IndexFunc(w.people, func(p *cert) bool {
		return names[0] == p.name || strings.HasSuffix(names[0], "."+p.name)
	})
	if i < 0 {
		return nil
	}
	return w.people[i]
}

// latest picks a certificate that a CA issued of late, and that is not calm.
func (w *world) latest(dice *rand.Rand, name string) (fakeca.Issuance, *cert) {
	all := w.cas[name].IssuancesSince(max(0, w.judge.counted[name]-20))
	for i := len(all) - 1; i >= 0; i-- {
		if p := w.owner(all[i].Names); p != nil && !p.calm && dice.IntN(5) == 0 {
			return all[i], p
		}
	}
	return fakeca.Issuance{}, nil
}

// well reports whether nothing keeps a certificate from being renewed now.
func (w *world) well(p *cert) bool {
	w.mu.Lock()
	skew := w.offset.Abs()
	w.mu.Unlock()
	up := slices.ContainsFunc(p.issuers, func(name string) bool { return w.gates[name].isUp() && w.hasRoom(name, p) && w.solvable(name) })
	return up && skew < 9*time.Minute && p.reached() && (!p.service || w.flags["refuses"] == 0) && !w.guarded(p)
}

// guarded reports whether a certificate was issued so often of late that the
// engine's guard, or a CA's limit, holds it back.
func (w *world) guarded(p *cert) bool {
	return slices.ContainsFunc(p.sides(), func(s side) bool {
		signed := w.judge.signed[p.name+" "+s.keyType()]
		return len(signed) >= 3 && w.now().Sub(signed[len(signed)-3]) < 8*day
	})
}

// noJournal reports whether no installation of a certificate is under way.
func (w *world) noJournal(p *cert) bool {
	for _, name := range []string{p.name, p.key} { // the files of keys are switched with those of the certificates on them
		found, err := filepath.Glob(filepath.Join(w.root, "state/journal", name+"@*"))
		w.must(err)
		if name != "" && len(found) > 0 {
			return false
		}
	}
	return true
}
