package plan

import (
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strings"
	"time"
)

// Limit is how many of something a CA allows within a time. It is a bucket
// that holds Most and fills evenly; the zero Limit allows all.
type Limit struct {
	Most int
	Per  time.Duration
}

// each is how long one takes to come back.
func (l Limit) each() time.Duration { return l.Per / time.Duration(max(1, l.Most)) }

// Limits are what a CA publishes. What a CA counts for an account is counted
// for the issuer here: an issuer has one account.
type Limits struct {
	Orders   Limit // new orders
	Domain   Limit // certificates below one registered domain
	Names    Limit // certificates for the same set of names
	Failures Limit // failed proofs of one name
	Accounts Limit // new accounts
	// RenewalsFree is how Let's Encrypt counts: an order that says what it
	// replaces (RFC 9773 section 5) is held against no limit but that of
	// failures, and any other for a set of names that was issued before
	// neither against that of orders nor against that of domains.
	RenewalsFree bool
}

// Meter is what is remembered of one limit, for one whom it concerns.
type Meter struct {
	Full  time.Time     `json:"full,omitzero"`  // when all of it will have come back
	Late  time.Duration `json:"late,omitempty"` // by which the CA may have counted what was taken after that
	Until time.Time     `json:"until,omitzero"` // the CA said so: nothing before
	Told  time.Time     `json:"told,omitzero"`  // when it said that
}

// full is when all of it will have come back at the CA, too.
func (m Meter) full() time.Time { return m.Full.Add(m.Late) }

// free is from when on there is room. What was written under a clock that has
// been set back since binds nobody.
func (m Meter) free(now time.Time, l Limit) time.Time {
	var free time.Time
	if l.Most > 0 && !ahead(m.Full, now.Add(l.Per)) {
		free = m.full().Add(l.each() - l.Per)
	}
	if !ahead(m.Told, now) {
		free = later(free, m.Until)
	}
	return free
}

// spend takes one; give puts one back.
func (m Meter) spend(now time.Time, l Limit) Meter {
	if l.Most <= 0 {
		return m
	}
	if m.full().Before(now) || ahead(m.Full, now.Add(l.Per)) {
		m.Full, m.Late = now, 0
	}
	m.Full = m.Full.Add(l.each())
	if over := m.full().Sub(now.Add(l.Per)); over > 0 {
		m.Full = m.Full.Add(-over)
	}
	return m
}

func (m Meter) give(l Limit) Meter {
	if l.Most > 0 {
		m.Full = m.Full.Add(-l.each())
	}
	return m
}

// counted is one that was spent some time ago, and that the CA counts now.
func (m Meter) counted(now time.Time, l Limit, late time.Duration) Meter {
	m.Late = max(m.Late, min(late, l.each()))
	if one := now.Add(l.each()); m.full().Before(one) {
		m.Full = one.Add(-m.Late)
	}
	return m
}

// used is how many of a limit are spent.
func (m Meter) used(now time.Time, l Limit) int {
	if l.Most <= 0 || !m.full().After(now) || ahead(m.Full, now.Add(l.Per)) {
		return 0
	}
	return min(l.Most, int((m.full().Sub(now)+l.each()-1)/l.each()))
}

// LimitKind is what a limit counts. It begins the key of a meter.
type LimitKind string

// The kinds.
const (
	LimitOrders   LimitKind = "orders"
	LimitDomain   LimitKind = "domain"
	LimitNames    LimitKind = "names"
	LimitFailures LimitKind = "failures"
	LimitAccounts LimitKind = "accounts"
)

// Of is the limit of a kind.
func (l Limits) Of(kind LimitKind) Limit {
	switch kind {
	case LimitOrders:
		return l.Orders
	case LimitDomain:
		return l.Domain
	case LimitNames:
		return l.Names
	case LimitFailures:
		return l.Failures
	case LimitAccounts:
		return l.Accounts
	}
	return Limit{}
}

// LimitKey is the key of a meter in a CA's ledger: the kind, and whom it
// concerns where it is not the account.
func LimitKey(kind LimitKind, whom string) string {
	if whom == "" {
		return string(kind)
	}
	return string(kind) + " " + whom
}

// NamesKey is whom the limit for the same set of names concerns.
func NamesKey(names []string) string {
	sum := fnv.New128a()
	for _, name := range Sorted(names) {
		fmt.Fprintln(sum, name)
	}
	return fmt.Sprintf("%x", sum.Sum(nil))
}

// Spending is a limit that an order is held against.
type Spending struct {
	Kind  LimitKind
	Whom  string // a name, a registered domain, a digest of names; "" for the account
	Limit Limit
	Check bool // there must be room, but nothing is taken
}

// key is that of its meter.
func (s Spending) key() string { return LimitKey(s.Kind, s.Whom) }

// words name what is counted.
func (s Spending) words() string {
	switch s.Kind {
	case LimitOrders:
		return "order"
	case LimitDomain:
		return "certificate below " + s.Whom
	case LimitNames:
		return "certificate for the same names"
	case LimitFailures:
		return "failed proof of " + s.Whom
	}
	return "account"
}

// room is from when on all spendings have room, and the one that waits longest.
func (k KnownIssuer) room(now time.Time, all []Spending) (free time.Time, scarce Spending) {
	for _, s := range all {
		if at := k.Ledger[s.key()].free(now, s.Limit); at.After(free) {
			free, scarce = at, s
		}
	}
	return free, scarce
}

// Spend takes from all limits, if there is room in each: what an order may
// cost is stored before the CA is asked. Meters that say nothing any more go.
func (k KnownIssuer) Spend(now time.Time, all []Spending) (after KnownIssuer, ok bool) {
	if free, _ := k.room(now, all); free.After(now) {
		return k, false
	}
	return k.Count(now, all), true
}

// Count takes from limits whether there is room or not: for what the CA has
// counted already.
func (k KnownIssuer) Count(now time.Time, all []Spending) KnownIssuer {
	all = slices.DeleteFunc(slices.Clone(all), func(s Spending) bool { return s.Check || s.Limit.Most <= 0 })
	if len(all) == 0 {
		return k
	}
	k.Ledger = k.ledger(now)
	for _, s := range all {
		k.Ledger[s.key()] = k.Ledger[s.key()].spend(now, s.Limit)
	}
	return k
}

// Return gives back what an order cost that was not signed: CAs count
// certificates, and not what came to nothing. New orders stay counted.
func (k KnownIssuer) Return(now time.Time, limits Limits, keys []string) KnownIssuer {
	k.Ledger = k.ledger(now)
	for _, key := range keys {
		kind, _, _ := strings.Cut(key, " ")
		if m, ok := k.Ledger[key]; ok && (LimitKind(kind) == LimitDomain || LimitKind(kind) == LimitNames) {
			k.Ledger[key] = m.give(limits.Of(LimitKind(kind)))
		}
	}
	k.Ledger = k.ledger(now)
	return k
}

// SpendAgain is Spend for an order in place of one that the CA never got, for
// which something was taken: that is given back first, where it has not come
// back by itself.
func (k KnownIssuer) SpendAgain(now time.Time, limits Limits, all []Spending, unsent []string, taken time.Time) (after KnownIssuer, ok bool) {
	unsent = slices.DeleteFunc(slices.Clone(unsent), func(key string) bool { return !k.Ledger[key].full().After(now) })
	after, ok = k.Return(now, limits, unsent).Spend(now, all)
	if !ok {
		return k, false
	}
	return after.Signed(now, limits, unsent, taken), true
}

// Signed takes note that the CA counted a certificate only when it signed, and
// not when that was taken from its limits. Others may have been taken in between:
// how late the latest one was counted is what they all may be. One of those that
// are later than it takes one to come back is forgotten at worst: the CA refuses
// it then, and says until when.
func (k KnownIssuer) Signed(now time.Time, limits Limits, keys []string, taken time.Time) KnownIssuer {
	late := now.Sub(taken)
	if late <= 0 {
		return k
	}
	k.Ledger = k.ledger(now)
	for _, key := range keys {
		kind, _, _ := strings.Cut(key, " ")
		if l := limits.Of(LimitKind(kind)); l.Most > 0 && (LimitKind(kind) == LimitDomain || LimitKind(kind) == LimitNames) {
			k.Ledger[key] = k.Ledger[key].counted(now, l, late)
		}
	}
	return k
}

// Refused takes note that a CA said of a limit when to come again. Where it has
// one come back after another, as the limit says, there is room for one then, and
// the next waits its turn. A CA that has all come back together says a longer time.
func (k KnownIssuer) Refused(now, until time.Time, limits Limits, key string) KnownIssuer {
	k.Ledger = k.ledger(now)
	m := k.Ledger[key]
	if ahead(m.Told, now) {
		m.Until = time.Time{}
	}
	m.Until, m.Told = later(m.Until, until), now
	kind, _, _ := strings.Cut(key, " ")
	if l := limits.Of(LimitKind(kind)); l.Most > 0 && until.Sub(now) <= l.each() {
		full := until.Add(l.Per - l.each())
		if ahead(m.Full, now.Add(l.Per)) || m.full().Before(full) {
			m.Full, m.Late = full, 0
		}
	}
	k.Ledger[key] = m
	return k
}

// ledger is a copy of the meters that still say something.
func (k KnownIssuer) ledger(now time.Time) map[string]Meter {
	fresh := maps.Clone(k.Ledger)
	if fresh == nil {
		fresh = map[string]Meter{}
	}
	maps.DeleteFunc(fresh, func(_ string, m Meter) bool { return !m.full().After(now) && !m.Until.After(now) })
	return fresh
}

// SpentKeys are those of the meters that spendings take from.
func SpentKeys(all []Spending) []string {
	var keys []string
	for _, s := range all {
		if !s.Check && s.Limit.Most > 0 {
			keys = append(keys, s.key())
		}
	}
	return keys
}
