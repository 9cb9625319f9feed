package status_test

import (
	"testing"

	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/status"
)

// A change of keys is foreseen with the orders that it takes, each once.
func TestForeseeRollover(t *testing.T) {
	t.Parallel()
	on := func(ask *plan.AskedRollover, fresh bool) plan.World {
		w := world(func(c *plan.WantedCert, k *plan.KnownCert) {
			c.Keys, c.FreshKey = "both", fresh
			k.Versions[0].Pairs[0].Key = "k1"
		})
		keys := plan.WantedKeys{Name: "both", KeyTypes: []string{p256}, Certs: []string{w.Wanted.Certs[0].Name}, Backup: true, Expires: 40 * day, AutoRollover: true, EachTime: fresh}
		w.Wanted.Keys = []plan.WantedKeys{keys}
		w.Known.Keys = map[string]*plan.KnownKeys{"both": {Name: "both", Ask: ask, Keys: map[string]plan.KeySet{p256: {
			Primary: plan.Key{SHA256: "k1", Made: now.Add(-30 * day), Since: now.Add(-30 * day)}, Next: plan.Key{SHA256: "k2", Made: now.Add(-30 * day)},
		}}}}
		return w
	}
	for name, c := range map[string]struct {
		world  plan.World
		days   int
		want   string
		orders int
	}{
		"asked for":         {on(&plan.AskedRollover{At: now}, false), 1, "rollover +issue(ecdsa-p256) +install +verify +switch-keys", 1},
		"by age":            {on(nil, false), 12, "rollover@10 +issue(ecdsa-p256)@10 +install@10 +verify@10 +switch-keys@10", 1},
		"given up":          {on(&plan.AskedRollover{At: now, Cancel: true}, false), 5, "rollover", 0},
		"with each renewal": {on(nil, true), 40, "issue(ecdsa-p256)@30 +install@30 +verify@30 rollover@30 +switch-keys@30", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := status.Foresee(now, c.world, now.AddDate(0, 0, c.days))
			if got := outline(f); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			orders := 0
			for _, s := range f.Spends {
				orders += s.Orders
			}
			if orders != c.orders {
				t.Errorf("%d orders, want %d", orders, c.orders)
			}
		})
	}
}
