package fakeca

import (
	"maps"
	"slices"
	"time"
)

// Prove lets each account have proven some names, as another client with its key
// does: in what is pending already, and for further orders.
func (c *CA) Prove(names []string) {
	now := c.opt.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, url := range slices.Sorted(maps.Keys(c.accounts)) {
		who := c.accounts[url]
		if who.status != "valid" {
			continue
		}
		pending := map[string][]*authz{} // by name
		for _, a := range c.authz {
			if a.account == who && a.status(now) == "pending" && !a.looking() {
				pending[a.key()] = append(pending[a.key()], a)
			}
		}
		for _, name := range names {
			key := authzKey(who, name)
			for _, a := range pending[key] {
				c.settle(now, a)
			}
			if last := c.proven[key]; last == nil || last.status(now) != "valid" || last.expires.Sub(now) < c.opt.ReuseAuthz/2 {
				c.settle(now, c.newAuthz(now, who, name))
			}
		}
	}
}

// settle makes an authorisation valid by its record in the zone.
func (c *CA) settle(now time.Time, a *authz) {
	i := slices.IndexFunc(a.challenges, func(ch *challenge) bool { return ch.Type == "dns-01" })
	c.validated(now, a, a.challenges[i])
}

// Proven reports whether an account has a name proven just now.
func (c *CA) Proven(name string) bool {
	now := c.opt.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, a := range c.authz {
		if c.accounts[a.account.url] == a.account && a.key() == authzKey(a.account, name) && a.status(now) == "valid" {
			return true
		}
	}
	return false
}
