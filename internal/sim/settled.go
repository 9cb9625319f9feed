package sim

import "github.com/certkeep/certkeep/internal/plan"

// settled is the judge's look at a calm month's end.
func (j *judge) settled(p *process) {
	world, err := p.engine.World(p.ctx)
	if err != nil {
		j.breach("the state cannot be read: %v", err)
		return
	}
	j.keysSettled(p, world.Known)
	for _, name := range p.zone.left() {
		if c := p.zone.owner(name); c == nil || c.wanted {
			j.breach("a record is left in the zone: %s", name)
		}
	}
	for _, c := range p.people {
		k := world.Known.Certs[c.name]
		switch {
		case !c.wanted:
		case k == nil || k.Published == "":
			j.breach("%s: there is no certificate at the end", c.name)
		case k.Orders[c.keyType].URL != "":
			j.breach("%s: an order is open at the end", c.name)
		default:
			j.forgetRead(c)
			if _, err := j.load(c); err != nil {
				j.breach("%s: its files at the end: %v", c.name, err)
			}
			for name, target := range k.Targets {
				if target.Version != k.Published || target.State == plan.TargetPending || c.service && target.State != plan.TargetVerified || len(target.Hooks) > 0 {
					j.breach("%s: target %s is %s with %s, published is %s, hooks %v", c.name, name, target.State, target.Version, k.Published, target.Hooks)
				}
			}
		}
	}
}
