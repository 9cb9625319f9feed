package fakeca

import (
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Limits bound what clients get, each as a number within a time; a number of
// zero is no limit. They are token buckets that hold the whole number and
// fill evenly, or sliding windows.
type Limits struct {
	Sliding bool // windows, not buckets

	SameNames    int // certificates for the same set of names, whoever orders them
	SameNamesPer time.Duration
	Domain       int // certificates below one registered domain, whoever orders them
	DomainPer    time.Duration
	Orders       int // new orders of one account
	OrdersPer    time.Duration
	Failures     int // failed validations of one name by one account
	FailuresPer  time.Duration

	// RenewalsFree is how Let's Encrypt counts: orders that replace a
	// certificate (RFC 9773 section 5) pass without regard to any limit but that
	// of failures, others for names that had a certificate before without regard
	// to those of orders and domains. Neither counts as an order, or against a
	// domain; all count as certificates for the same names.
	RenewalsFree bool
}

// limit is one limit, for one whom it concerns.
type limit struct {
	subject string
	words   string // in which Let's Encrypt refuses
	most    int
	per     time.Duration
	shared  bool // by many certificates: requests may be on their way when the first is refused
}

func (c *CA) sameNamesLimit(names []string) limit {
	return limit{"certificates for " + strings.Join(names, ","), "certificates (%d) already issued for this exact set of identifiers", c.opt.Limits.SameNames, c.opt.Limits.SameNamesPer, false}
}

func (c *CA) domainLimits(names []string) []limit {
	var limits []limit
	for _, name := range names {
		domain := registeredDomain(name)
		l := limit{"certificates below " + domain, "certificates (%d) already issued for \"" + domain + "\"", c.opt.Limits.Domain, c.opt.Limits.DomainPer, true}
		if !slices.Contains(limits, l) {
			limits = append(limits, l)
		}
	}
	return limits
}

func (c *CA) ordersLimit(a *account) limit {
	return limit{"orders of " + a.url, "new orders (%d) from this account", c.opt.Limits.Orders, c.opt.Limits.OrdersPer, true}
}

func (c *CA) failuresLimit(a *account, name string) limit {
	return limit{"failures of " + a.url + " for " + name, "failed authorizations (%d) for \"" + name + "\"", c.opt.Limits.Failures, c.opt.Limits.FailuresPer, false}
}

// registeredDomain is what the CA takes for one: the last two labels.
func registeredDomain(name string) string {
	if net.ParseIP(name) != nil {
		return name
	}
	labels := strings.Split(name, ".")
	return strings.Join(labels[max(0, len(labels)-2):], ".")
}

// meter counts for one limit.
type meter struct {
	full  time.Time   // bucket: when it will be full again
	spent []time.Time // window: what was had, the oldest first
}

// free is when the next one is to be had; now or earlier means at once.
func (m *meter) free(now time.Time, l limit, sliding bool) time.Time {
	if sliding {
		m.spent = slices.DeleteFunc(m.spent, func(at time.Time) bool { return !at.After(now.Add(-l.per)) })
		if len(m.spent) < l.most {
			return now
		}
		return m.spent[len(m.spent)-l.most].Add(l.per)
	}
	if m.full.Before(now) {
		m.full = now
	}
	return m.full.Add(l.per / time.Duration(l.most)).Add(-l.per)
}

// spend counts one.
func (c *CA) spend(now time.Time, l limit) {
	if l.most == 0 {
		return
	}
	m := c.meters[l.subject]
	if m == nil {
		m = &meter{}
		c.meters[l.subject] = m
	}
	if c.opt.Limits.Sliding {
		m.spent = append(m.spent, now)
		return
	}
	if m.full.Before(now) {
		m.full = now
	}
	m.full = m.full.Add(l.per / time.Duration(l.most))
	if empty := now.Add(l.per); m.full.After(empty) {
		m.full = empty // names of one order may fail beyond what there was room for: a bucket is not more than empty
	}
}

// exceeded refuses what one of the limits does not allow. Nothing is counted.
func (c *CA) exceeded(now time.Time, limits []limit) *problem {
	var worst limit
	until := now
	for _, l := range limits {
		c.asked(now, l.subject, l.shared)
		m := c.meters[l.subject]
		if l.most == 0 || m == nil {
			continue
		}
		if free := m.free(now, l, c.opt.Limits.Sliding); free.After(until) {
			worst, until = l, free
		}
	}
	if !until.After(now) {
		return nil
	}
	wait := wholeSeconds(until.Sub(now))
	c.promised(now, worst.subject, wait)
	c.refusals = append(c.refusals, Refusal{At: now, What: worst.subject, Per: worst.per})
	return &problem{
		Type: "rateLimited", Status: http.StatusTooManyRequests, retryAfter: wait,
		Detail: fmt.Sprintf("too many "+worst.words+" in the last %s, retry after %s",
			worst.most, worst.per, until.UTC().Format("2006-01-02 15:04:05 UTC")),
	}
}

// overloaded refuses a request while the CA has too much to do; see Overload.
func (c *CA) overloaded(rq *request) *problem {
	subject := "new accounts"
	if rq.account != nil {
		subject = "work for " + rq.account.url
	}
	c.asked(rq.now, subject, true)
	if !c.busy.After(rq.now) {
		return nil
	}
	wait := wholeSeconds(c.busy.Sub(rq.now))
	c.promised(rq.now, subject, wait)
	return &problem{
		Type: "rateLimited", Status: http.StatusServiceUnavailable, retryAfter: wait, Detail: "Service busy; retry later.",
	}
}

// Refusal is an order that was refused by a limit.
type Refusal struct {
	At   time.Time
	What string        // is limited
	Per  time.Duration // of the limit
}

// RefusalsSince lists what was refused by limits, without the first n.
func (c *CA) RefusalsSince(n int) []Refusal {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.refusals[n:])
}

// HasRoom reports whether the limits of domains would let a certificate for
// names through now that had none before.
func (c *CA) HasRoom(names []string) bool {
	now := c.opt.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	return !slices.ContainsFunc(c.domainLimits(names), func(l limit) bool {
		m := c.meters[l.subject]
		return l.most > 0 && m != nil && m.free(now, l, c.opt.Limits.Sliding).After(now)
	})
}
