package engine

import (
	"context"
	"slices"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
)

// Work is done in units: a certificate, or keys that outlive certificates.
// While the keys are worked on none of their certificates is, and the other
// way round: so each sees what the other has come to.

// unitOf is the unit that a step belongs to. No certificate's name holds a
// blank.
func unitOf(s plan.Step) string {
	if s.Keys != "" {
		return keyUnit(s.Keys)
	}
	return s.Cert
}

func keyUnit(name string) string { return "keys " + name }

// indexKeys finds the keys by their unit.
func (p *pass) indexKeys() {
	p.keys = make(map[string]plan.WantedKeys, len(p.world.Wanted.Keys))
	for _, k := range p.world.Wanted.Keys {
		p.keys[keyUnit(k.Name)] = k
	}
}

// excluded reports whether somebody works on what a unit must not be worked on
// beside.
func (p *pass) excluded(unit string) bool {
	if keys, ok := p.keys[unit]; ok {
		return slices.ContainsFunc(keys.Certs, func(cert string) bool { return p.running[cert] })
	}
	keys := p.want(unit).Keys
	return keys != "" && p.running[keyUnit(keys)]
}

// concerns reports whether a unit has to do with one of some certificates.
func (p *pass) concerns(unit string, names []string) bool {
	if keys, ok := p.keys[unit]; ok {
		return slices.ContainsFunc(keys.Certs, func(cert string) bool { return slices.Contains(names, cert) })
	}
	return slices.Contains(names, unit)
}

// takeKeys merges what a unit learned of keys. What follows for others is
// found by the next plan of all: keys for their certificates, and the other
// way round.
func (p *pass) takeKeys(f finished) {
	keys, isKeys := p.keys[f.unit]
	if isKeys && f.keys != nil {
		p.world.Known.Keys[keys.Name] = f.keys
	}
	if !isKeys && p.want(f.unit).Keys == "" || len(f.outcomes) == 0 {
		return
	}
	for name, known := range f.members {
		p.world.Known.Certs[name] = known
	}
	for _, o := range f.outcomes {
		if isKeys && p.once {
			p.futile[keyStep(o.Step)] = true // each is tried once in such a pass
			for _, cert := range keys.Certs {
				delete(p.started, cert)
			}
		}
	}
	p.owed[f.unit] = true
	p.next = plan.Sooner(p.next, p.planned.Add(replanEvery))
}

// owesKeys reports whether keys, or certificates on them, wait for the next
// plan of all.
func (p *pass) owesKeys() bool {
	for unit := range p.owed {
		if _, isKeys := p.keys[unit]; isKeys || p.want(unit).Keys != "" {
			return true
		}
	}
	return false
}

// keyStep tells the steps of keys apart.
func keyStep(s plan.Step) string {
	next := ""
	switch {
	case s.Next:
		next = "next"
	case s.Reason.Code == plan.ReasonCancelled:
		next = "not" // what is given up may have to be begun for another reason
	}
	return string(s.Kind) + " " + s.Keys + " " + s.KeyType + " " + next + " " + s.Version
}

// refreshKeys reads what is known of the keys of a certificate again.
func (w *worker) refreshKeys(ctx context.Context) error {
	fresh, err := w.engine.freshKeys(context.WithoutCancel(ctx), w.want.Keys, w.keys)
	if err != nil {
		return err
	}
	w.keys = fresh
	return nil
}

// withKeys adds to names the certificates that are on the same keys: what
// happens to these happens to all of them.
func withKeys(w plan.Wanted, names []string) []string {
	all := slices.Clone(names)
	for _, k := range w.Keys {
		if slices.ContainsFunc(k.Certs, func(c string) bool { return slices.Contains(names, c) }) {
			all = append(all, k.Certs...)
		}
	}
	return all
}

// What a wish for other keys may say more.
const (
	RolloverForced    = "force"  // however young the next keys are
	RolloverCancelled = "cancel" // end the one under way instead
)

// askRollover stores a person's wish for other keys, and returns the
// certificates whose keys do not outlive them: a renewal brings them others.
func (e *Engine) askRollover(ctx context.Context, names []string, how string) (alone []string, failed []error) {
	wanted := e.current().wanted
	asked := map[string]bool{}
	for _, cert := range wanted.Certs {
		switch {
		case !slices.Contains(names, cert.Name):
		case cert.Keys != "":
			asked[cert.Keys] = true
		case how != RolloverCancelled:
			alone = append(alone, cert.Name)
		}
	}
	ask := plan.AskedRollover{At: time.Now(), Force: how == RolloverForced, Cancel: how == RolloverCancelled}
	for name := range asked {
		err := e.Store.UpdateKeys(ctx, name, func(k *plan.KnownKeys) error {
			if k.Rolling != nil && !ask.Cancel {
				return nil // it is on its way
			}
			k.Ask = &ask
			return nil
		})
		if err != nil {
			failed = append(failed, err)
		}
	}
	return alone, failed
}
