package engine

import (
	"maps"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
)

// takeBans takes over which keys a worker found that must not be used again, as
// a CA said in an OCSP response. What follows for keys that outlive
// certificates, and for whoever else is on them, is found by the next plan of
// all, in this very pass.
func (p *pass) takeBans(f finished) {
	var fresh []string
	for key := range f.banned {
		if _, known := p.world.Known.Banned[key]; !known {
			fresh = append(fresh, key)
		}
	}
	if len(fresh) == 0 {
		return
	}
	all := make(map[string]plan.Ban, len(p.world.Known.Banned)+len(fresh))
	maps.Copy(all, f.banned)
	maps.Copy(all, p.world.Known.Banned)
	p.world.Known.Banned = all // workers go on reading the one of before
	now := time.Now()
	p.owed[f.unit] = true
	for name := range p.wanted {
		if known := p.world.Known.Certs[name]; known != nil && known.OnKeys(now, fresh) {
			p.owed[name] = true
			delete(p.started, name)
		}
	}
	p.next = plan.Sooner(p.next, p.planned.Add(replanEvery))
}
