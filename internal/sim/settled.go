package sim

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/plan"
)

// settled is the judge's look at a calm month's end.
func (j *judge) settled(p *process) {
	if p.engine == nil {
		return // the state could not be opened, and that was said
	}
	world, err := p.engine.World(p.ctx)
	if err != nil {
		j.breach("the state cannot be read: %v", err)
		return
	}
	j.keysSettled(p, world.Known)
	p.phone.settled(world)
	j.sealed(p.store)
	for _, name := range p.zone.left() {
		if c := p.zone.owner(name); c == nil || c.wanted {
			j.breach("a record is left in the zone: %s", name)
		}
	}
	j.keptSettled(world.Known.Certs[config.AuthorizationsName])
	if _, err := os.Stat(filepath.Join(p.zoneFolder(), "test")); err == nil {
		j.breach("answers are left in the file of the zone")
	}
	for _, c := range p.people {
		k := world.Known.Certs[c.name]
		switch {
		case !c.wanted:
		case k == nil || k.Published == "":
			j.breach("%s: there is no certificate at the end", c.name)
		case slices.ContainsFunc(c.keyTypes(), func(t string) bool { return k.Orders[t].URL != "" }):
			j.breach("%s: an order is open at the end", c.name)
		default:
			j.filesSettled(c, k)
			j.paramsWhole(c, true)
			j.pinsSettled(c, world.Known.KeysOf(c.keySet()))
			if len(k.Aside) > 0 {
				j.breach("%s: names are set aside at the end: %v", c.name, k.Aside)
			}
			if c.tlsa != "" {
				j.daneSettled(c, world.Known.KeysOf(c.keySet()))
			}
			for name, target := range k.Targets {
				if !strings.HasPrefix(name, "_") && target.Version != k.Published || target.State == plan.TargetPending || c.service && !strings.HasPrefix(name, "_") && target.State != plan.TargetVerified || len(target.Hooks) > 0 {
					j.breach("%s: target %s is %s with %s, published is %s, hooks %v", c.name, name, target.State, target.Version, k.Published, target.Hooks)
				}
			}
		}
	}
}

// filesSettled holds that all pairs of the published version are installed, and
// on the names that are wanted.
func (j *judge) filesSettled(c *cert, k *plan.KnownCert) {
	version, _ := k.Version(k.Published)
	for _, s := range c.sides() {
		j.forgetRead(s)
		loaded, err := j.load(s)
		if err != nil {
			j.breach("%s: its files at the end: %v", s, err)
			continue
		}
		pair, ok := version.Pair(s.keyType())
		if serial := fmt.Sprintf("%x", loaded.Leaf.SerialNumber); !ok || pair.Serial != serial {
			j.breach("%s: installed at the end is %s, published is %+v", s, serial, version)
		}
		for _, name := range c.names {
			if !on(loaded.Leaf.DNSNames, name) && !k.Held {
				j.breach("%s: its %s certificate is on %q at the end, not on %s", s, s.keyType(), loaded.Leaf.DNSNames, name)
			}
		}
	}
}
