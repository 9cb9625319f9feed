package fakeca

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// Issuance is a certificate that the CA signed.
type Issuance struct {
	At        time.Time // by the CA's clock
	Account   string    // URL
	Order     string    // URL
	OrderEnds time.Time // until then the order can be looked at
	Profile   string
	Names     []string // sorted
	KeyType   string   // such as ecdsa-p256
	SPKI      string   // SHA-256 of the public key, in hex
	Serial    string   // in hex
	CertID    string   // RFC 9773 section 4.1
	Replaces  string   // CertID of the predecessor that the order named; "" for none
	NotBefore time.Time
	NotAfter  time.Time
	Chain     []byte    // PEM: leaf and intermediate
	Fetched   bool      // it was downloaded
	RevokedAt time.Time // zero: it is not revoked
	Reason    int       // of the revocation, RFC 5280 section 5.3.1
}

// Issuances lists all certificates, in the order in which they were signed.
func (c *CA) Issuances() []Issuance { return c.IssuancesSince(0) }

// IssuancesSince lists them without the first n.
func (c *CA) IssuancesSince(n int) []Issuance {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := make([]Issuance, 0, len(c.issued)-n)
	for _, one := range c.issued[n:] {
		copied := one.Issuance
		copied.Names, copied.Chain = slices.Clone(one.Names), slices.Clone(one.Chain)
		list = append(list, copied)
	}
	return list
}

// Account is an account as its CA knows it.
type Account struct {
	URL     string
	Status  string // valid or deactivated
	Contact []string
	Key     string // RFC 7638 thumbprint
}

// Accounts lists all accounts, by URL.
func (c *CA) Accounts() []Account {
	c.mu.Lock()
	defer c.mu.Unlock()
	var list []Account
	for _, url := range slices.Sorted(maps.Keys(c.accounts)) {
		a := c.accounts[url]
		list = append(list, Account{URL: url, Status: a.status, Contact: slices.Clone(a.contact), Key: a.key.thumbprint})
	}
	return list
}

// OpenOrders lists the orders that wait for their client, by URL: pending and
// ready ones, and those that were signed and never fetched.
func (c *CA) OpenOrders() []string {
	now := c.opt.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	var list []string
	for _, o := range c.orders {
		switch o.status(now) {
		case "pending", "ready":
			list = append(list, c.orderURL(o))
		case "valid":
			if !o.cert.Fetched {
				list = append(list, c.orderURL(o))
			}
		}
	}
	slices.Sort(list)
	return list
}

// Breaches lists what clients did that they must not, with the instant by the
// CA's clock:
//   - they asked again before the Retry-After that they were given: for a new
//     order that the same limit concerns, for anything of an account while the
//     CA is overloaded, for an order or authorisation that waits for the CA,
//     for the renewal information of a certificate;
//   - they sent a nonce more often than a lost answer excuses;
//   - they signed a request for another URL, or named no User-Agent.
func (c *CA) Breaches() []Breach {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.breaches)
}

// Breach is something that a client did and must not.
type Breach struct {
	At    time.Time
	Told  time.Time // when the client got the Retry-After that it broke; else zero
	Words string
}

// String is the breach with its instant.
func (b Breach) String() string { return b.At.UTC().Format("2006-01-02 15:04:05.000 ") + b.Words }

// maxBreaches bounds the list; what is beyond is only more of the same.
const maxBreaches = 1000

// breach takes note of one.
func (c *CA) breach(now time.Time, words string, args ...any) {
	if len(c.breaches) < maxBreaches {
		c.breaches = append(c.breaches, Breach{At: now, Words: fmt.Sprintf(words, args...)})
	}
}

// onTheirWay is how long after a refusal requests may arrive that were sent
// before it was known.
const onTheirWay = 2 * time.Second

// promise is a Retry-After that a client was given.
type promise struct {
	first, last, until time.Time
}

// asked notes a breach where subject is asked for before its time.
func (c *CA) asked(now time.Time, subject string, shared bool) {
	p, ok := c.told[subject]
	if !ok || !now.Before(p.until) {
		delete(c.told, subject)
		return
	}
	if shared && now.Sub(p.first) <= onTheirWay {
		return
	}
	c.breach(now, "%s: asked again %s too early, %s after being told", subject, p.until.Sub(now), now.Sub(p.first))
	if n := len(c.breaches); n > 0 && n < maxBreaches {
		c.breaches[n-1].Told = p.last
	}
}

// promised notes that a client is told to wait.
func (c *CA) promised(now time.Time, subject string, wait time.Duration) {
	p, ok := c.told[subject]
	if !ok {
		p.first = now
	}
	p.last, p.until = now, now.Add(wait)
	c.told[subject] = p
}

// keptAfterEnd is how long a finished or expired order can still be seen.
const keptAfterEnd = 30 * 24 * time.Hour

// tidyEvery is after how many orders old ones are looked for.
const tidyEvery = 1024

// tidy forgets what has no use any more, so that years cost no more than
// months.
func (c *CA) tidy(now time.Time) {
	if c.orderings++; c.orderings%tidyEvery != 0 {
		return
	}
	for id, o := range c.orders {
		if now.After(o.expires.Add(keptAfterEnd)) {
			delete(c.orders, id)
			if c.open[o.key()] == o {
				delete(c.open, o.key())
			}
		}
	}
	for id, a := range c.authz {
		if now.After(a.expires.Add(keptAfterEnd)) {
			delete(c.authz, id)
			if c.proven[a.key()] == a {
				delete(c.proven, a.key())
			}
		}
	}
	for serial, s := range c.said {
		if now.After(s.begin.Add(c.opt.OCSPLife + keptAfterEnd)) {
			delete(c.said, serial)
		}
	}
	for subject, p := range c.told {
		if now.After(p.until) {
			delete(c.told, subject)
		}
	}
}
