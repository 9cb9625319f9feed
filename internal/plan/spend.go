package plan

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Spendings are the limits of a CA that a new order for a certificate is held
// against. Replaces is set where it says which certificate it renews.
func Spendings(limits Limits, known *KnownCert, want WantedCert, issuer string, replaces bool) []Spending {
	all := make([]Spending, 0, len(want.Names)+len(want.Domains)+2)
	for _, name := range want.Names {
		all = append(all, Spending{Kind: LimitFailures, Whom: strings.TrimPrefix(name, "*."), Limit: limits.Failures, Check: true})
	}
	if replaces && limits.RenewalsFree {
		return all
	}
	if !limits.RenewalsFree || !issuedBefore(known, want.Names, issuer) {
		all = append(all, Spending{Kind: LimitOrders, Limit: limits.Orders})
		for _, domain := range want.Domains {
			all = append(all, Spending{Kind: LimitDomain, Whom: domain, Limit: limits.Domain})
		}
	}
	return append(all, Spending{Kind: LimitNames, Whom: NamesKey(want.Names), Limit: limits.Names})
}

// proofSpendings are those of an order that only has names proven. It takes
// nothing but an order, yet a CA refuses it where it would refuse to sign.
func proofSpendings(limits Limits, want WantedCert, names []string) []Spending {
	all := []Spending{{Kind: LimitOrders, Limit: limits.Orders}}
	for _, name := range names {
		all = append(all, Spending{Kind: LimitFailures, Whom: strings.TrimPrefix(name, "*."), Limit: limits.Failures, Check: true})
	}
	for _, domain := range want.Domains {
		if slices.ContainsFunc(names, func(name string) bool { return name == domain || strings.HasSuffix(name, "."+domain) }) {
			all = append(all, Spending{Kind: LimitDomain, Whom: domain, Limit: limits.Domain, Check: true})
		}
	}
	return append(all, Spending{Kind: LimitNames, Whom: NamesKey(names), Limit: limits.Names, Check: true})
}

// proofWithinLimits puts an order off that only has names proven, until the
// limits of its CA leave room.
func (d *decision) proofWithinLimits(s *Step) {
	if free, scarce := d.limited(*s); free.After(later(s.At, d.now)) {
		s.At, s.Limited = free, true
		s.Reason.Words += "; " + scarce.spent(d.now, s.Issuer, free) + ": it waits until " + weekday(free)
	}
}

// issuedBefore reports whether an issuer gave a certificate for just these
// names that is still known.
func issuedBefore(known *KnownCert, names []string, issuer string) bool {
	sorted := Sorted(names)
	for _, v := range known.Versions {
		if slices.ContainsFunc(v.Pairs, func(p Pair) bool { return p.Issuer == issuer && slices.Equal(p.Request.Names, sorted) }) {
			return true
		}
	}
	return false
}

// Replaces is the certificate that an order at an issuer renews, by its id in
// renewal information; "" where it renews none of that issuer.
func (k *KnownCert) Replaces(keyType, issuer string) string {
	if version, ok := k.Version(k.Published); ok {
		if pair, ok := version.Pair(keyType); ok && pair.Issuer == issuer {
			return pair.CertID
		}
	}
	return ""
}

// Spends are the limits that a step is held against: none but for a new order.
func (w World) Spends(want WantedCert, s Step) []Spending {
	if s.Kind == KindAuthorize || s.Kind == KindReadmit {
		return proofSpendings(w.Wanted.Limits[s.Issuer], want, s.Names)
	}
	if s.Kind != KindIssue {
		return nil
	}
	known := w.Known.Cert(want.Name)
	return Spendings(w.Wanted.Limits[s.Issuer], known, want, s.Issuer, known.Replaces(s.KeyType, s.Issuer) != "")
}

// counts reports whether there is anything that an order at an issuer could be
// held against now.
func (w World) counts(issuer string) bool { return len(w.Known.Issuers[issuer].Ledger) > 0 }

// Unsent is what was taken from an issuer's limits for an order that it never
// got, as the process ended before, and when: the next one has it.
func (w World) Unsent(want WantedCert, s Step) (spent []string, taken time.Time) {
	if order, ok := w.Known.Cert(want.Name).OrderAt(s.KeyType, s.Issuer); ok && order.URL == "" && s.Kind == KindIssue && len(order.Spent) > 0 {
		return order.Spent, order.Taken()
	}
	return nil, time.Time{}
}

// limited is until when the limits of an issuer leave no room for an order.
func (d *decision) limited(s Step) (time.Time, Spending) {
	if !d.world.counts(s.Issuer) {
		return time.Time{}, Spending{}
	}
	return d.spendable(s).room(d.now, d.world.Spends(d.want, s))
}

// spendable is what is known of an issuer, with what an order may spend again.
func (d *decision) spendable(s Step) KnownIssuer {
	known := d.world.Known.Issuers[s.Issuer]
	if unsent, _ := d.world.Unsent(d.want, s); len(unsent) > 0 {
		known = known.Return(d.now, d.world.Wanted.Limits[s.Issuer], unsent)
	}
	return known
}

// patience is until when an order may wait for the limits of a preferred CA
// before the next one is asked: as long as nobody would be warned, where only
// its age asks for it.
func (d *decision) patience(reason ReasonCode) time.Time {
	if d.has && !d.urgent && (reason == ReasonWindow || reason == ReasonAdvice) {
		return WarnAt(d.current.Serving(d.want.KeyTypes), d.want.Warn)
	}
	return d.now
}

// withinLimits puts an order that a limit leaves no room for off, or has the
// next issuer asked where the wait would be too long.
func (d *decision) withinLimits(s *Step, t Tries) {
	free, scarce := d.limited(*s)
	if s.Kind != KindIssue || !s.Due(d.now) || !free.After(d.now) {
		return
	}
	if free.After(d.patience(s.Reason.Code)) && d.chosen(t) == "" {
		for _, id := range d.want.Issuers {
			if id == s.Issuer || d.barred(id, t).After(d.now) {
				continue
			}
			other := *s
			other.Issuer = id
			if o, ok := d.known.OrderAt(s.KeyType, id); ok && d.wantsStill(need{keyType: s.KeyType, key: s.Key}, o, t) {
				other.Kind = KindResume // it costs nothing more, and that CA may have signed already
			}
			if at, _ := d.limited(other); !at.After(d.now) {
				s.Reason.Words += "; " + scarce.spent(d.now, s.Issuer, free)
				s.Kind, s.Issuer = other.Kind, id
				return
			}
		}
	}
	s.At, s.Limited = free, true
	s.Reason.Words += "; " + scarce.spent(d.now, s.Issuer, free) + ": it waits until " + weekday(free)
}

// spent says that a limit leaves no room.
func (s Spending) spent(now time.Time, issuer string, free time.Time) string {
	if s.Limit.Most <= 0 {
		return fmt.Sprintf("%s said that the next %s may come %s", issuer, s.words(), weekday(free))
	}
	if s.Check {
		return fmt.Sprintf("%s allows %d times a %s within %s", issuer, s.Limit.Most, s.words(), per(s.Limit.Per))
	}
	return fmt.Sprintf("it would be the %s %s within %s, and %s allows %d", ordinal(s.Limit.Most+1), s.words(), per(s.Limit.Per), issuer, s.Limit.Most)
}

// ration lets due orders take from what the limits of their CAs leave, the most
// urgent first, and puts off those that come too late. It goes through all
// certificates, and only where some limit counts.
func ration(now time.Time, w World, steps []Step) {
	if len(w.Wanted.Limits) == 0 && !slices.ContainsFunc(slices.Collect(maps.Keys(w.Known.Issuers)), w.counts) {
		return
	}
	var due, proofs []int // those that only have names proven come last: they take nothing, and need room
	for i, s := range steps {
		switch {
		case !s.Due(now):
		case s.Kind == KindIssue:
			due = append(due, i)
		case s.Kind == KindReadmit || s.Kind == KindAuthorize:
			proofs = append(proofs, i)
		}
	}
	if len(due) == 0 {
		return
	}
	slices.SortStableFunc(due, func(a, b int) int {
		x, y := steps[a], steps[b]
		return cmp.Or(first(x.Asked, y.Asked), first(x.Urgent, y.Urgent), x.Until.Compare(y.Until))
	})
	wanted := make(map[string]WantedCert, len(due)+len(proofs))
	for _, i := range slices.Concat(due, proofs) {
		wanted[steps[i].Cert] = WantedCert{}
	}
	for _, want := range w.Wanted.Certs {
		if _, ok := wanted[want.Name]; ok {
			wanted[want.Name] = want
		}
	}
	w.Known.Issuers = maps.Clone(w.Known.Issuers)
	if w.Known.Issuers == nil {
		w.Known.Issuers = map[string]KnownIssuer{}
	}
	for id, k := range w.Known.Issuers {
		k.Ledger = k.ledger(now)
		w.Known.Issuers[id] = k
	}
	d := decision{now: now, world: w}
	for _, i := range due {
		d.take(wanted[steps[i].Cert])
		d.rationOne(&steps[i])
	}
	for _, i := range proofs {
		d.take(wanted[steps[i].Cert])
		d.proofWithinLimits(&steps[i])
	}
}

// rationOne takes what one order costs from the ledger of the plan.
func (d *decision) rationOne(s *Step) {
	d.withinLimits(s, d.tries(s.KeyType))
	if !s.Due(d.now) {
		return
	}
	known := d.spendable(*s)
	if known.Ledger == nil {
		known.Ledger = map[string]Meter{}
	}
	d.world.Known.Issuers[s.Issuer] = known
	for _, one := range d.world.Spends(d.want, *s) {
		if one.Check || one.Limit.Most <= 0 {
			continue
		}
		m := known.Ledger[one.key()].spend(d.now, one.Limit)
		known.Ledger[one.key()] = m // of a copy that only this plan sees
		s.Spends = append(s.Spends, fmt.Sprintf("the %s of %d: %s, within %s", ordinal(m.used(d.now, one.Limit)), one.Limit.Most, one.words(), per(one.Limit.Per)))
	}
}

// first sorts what is so before what is not.
func first(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}

// limits tells of an order that waits for a limit for so long that what is
// served comes near its end, or while nothing is.
func (d *diagnosis) limits(step Step, warn time.Time) {
	if step.Limited && step.At.After(warn) {
		d.add(CodeLimit, "", step.Reason.Words, nil, time.Time{})
	}
}

// weekday is an instant as people plan by it.
func weekday(t time.Time) string { return t.UTC().Format("Monday 2006-01-02 15:04 MST") }

// per is the time of a limit in words.
func per(d time.Duration) string {
	if d%(24*time.Hour) == 0 {
		return counted(int(d/(24*time.Hour)), "day")
	}
	if d%time.Hour == 0 {
		return counted(int(d/time.Hour), "hour")
	}
	return d.String()
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// ordinal is 1st, 2nd, 3rd, 4th.
func ordinal(n int) string {
	suffix := "th"
	if n%100 < 11 || n%100 > 13 {
		switch n % 10 {
		case 1:
			suffix = "st"
		case 2:
			suffix = "nd"
		case 3:
			suffix = "rd"
		}
	}
	return fmt.Sprintf("%d%s", n, suffix)
}
