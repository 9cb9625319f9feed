package sim

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/certkeep/certkeep/internal/sim/fakeca"
)

// wishes are what the config says of a certificate beside names, keys and CAs.
type wishes struct {
	crowd      bool    // others are below the same registered domain
	quarantine bool    // names that keep failing are set aside
	crl        bool    // revocation lists are looked at
	window     *window // of maintenance; nil for none
	manual     bool    // a person renews it
}

// wish says which of the certificates these are.
func (p *cert) wish(i int) {
	switch i {
	case 3, 7, 9, 13, 15, 18, 19:
		p.crowd, p.name = true, fmt.Sprintf("c%d.crowd.test", i)
	}
	switch i {
	case 7, 15:
		p.quarantine = true
	case 3, 18:
		p.crl = true
	case 9:
		p.window = &window{from: time.Hour, to: 4 * time.Hour}
	case 13, 19:
		p.window = &window{weekly: true, from: 2 * time.Hour, to: 5 * time.Hour}
	case 14:
		p.manual = true
	}
}

// settle makes the rest of a certificate fit its wishes.
func (p *cert) settle() {
	if p.quarantine {
		p.names = append(p.names, "www."+p.name, "old."+p.name)
	}
	if p.window != nil {
		p.spread = false // a folder is looked at whenever it changes
	}
	if p.crowd {
		p.issuers = []string{limitedCA}
		if p.quarantine {
			p.issuers = []string{limitedCA, "two"}
		}
	}
}

// wishConfig is what the config says of them.
func (p *cert) wishConfig() string {
	var b strings.Builder
	if p.quarantine {
		b.WriteString("    quarantine: true\n")
	}
	if p.crl {
		b.WriteString("    renew: {crl: true}\n")
	}
	if p.window != nil {
		b.WriteString("    maintenance: " + p.window.String() + "\n")
	}
	if p.manual {
		b.WriteString("    mode: manual\n")
	}
	return b.String()
}

// limitedCA is the one whose limits stand in the config.
const limitedCA = "one"

// limits are what a CA allows. That of domains is too narrow for the first
// certificates of all who are below the same one.
func limits(name string) fakeca.Limits {
	l := fakeca.Limits{SameNames: 5, SameNamesPer: 7 * day, Orders: 300, OrdersPer: 3 * time.Hour, Failures: 5, FailuresPer: time.Hour}
	if name == limitedCA {
		l.Domain, l.DomainPer, l.RenewalsFree = 2, 7*day, true
	}
	return l
}

// limitsConfig is what the config says of a CA's limits.
func limitsConfig(name string) string {
	if name != limitedCA {
		return ""
	}
	return ", limits: {orders: 300/3h, per_domain: 2/7d, same_names: 5/7d, failures: 5/1h, renewals_free: true}"
}

// refusals holds that no order is sent of which the config says that its CA
// would refuse it.
func (j *judge) refusals() {
	fresh := j.world.cas[limitedCA].RefusalsSince(j.rejected)
	j.rejected += len(fresh)
	for _, r := range fresh {
		if !j.world.clockLately(r.At.Add(-2 * r.Per)) {
			j.breach("%s refused an order by a limit that it publishes, that of %s", limitedCA, r.What)
		}
	}
}

// hasRoom reports whether the limits of a CA have room for a certificate.
func (w *world) hasRoom(name string, p *cert) bool { return !p.crowd || w.cas[name].HasRoom(p.names) }

// lostRoom notes that the process is killed. What an order takes of a CA's limits
// is stored before the order is, so that none is sent beyond them; in between
// that is lost, until the limit has room again by itself.
func (w *world) lostRoom() {
	now := w.now()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.kills = append(w.kills, now)
}

// extraGrace is how much longer a certificate may have to wait for room.
func (w *world) extraGrace(p *cert, since time.Time) time.Duration {
	if !p.crowd {
		return 0
	}
	l := limits(limitedCA)
	w.mu.Lock()
	defer w.mu.Unlock()
	var extra time.Duration
	for _, at := range w.kills {
		if at.After(since.Add(-l.DomainPer)) {
			extra += l.DomainPer / time.Duration(l.Domain)
		}
	}
	return extra
}

// clockLately reports whether a process lived with a wrong clock since an instant.
func (w *world) clockLately(since time.Time) bool {
	w.mu.Lock()
	off := w.offset != 0
	w.mu.Unlock()
	return off || w.clockWrong(since, w.now())
}

// window is a time of the day, or of Saturday, in UTC.
type window struct {
	weekly   bool
	from, to time.Duration // since midnight
}

// String is how it stands in the config.
func (m *window) String() string {
	clock := func(d time.Duration) string { return fmt.Sprintf("%q", time.Time{}.Add(d).Format("15:04")) }
	days := ""
	if m.weekly {
		days = "days: [sat], "
	}
	return fmt.Sprintf("{%sfrom: %s, to: %s, timezone: UTC}", days, clock(m.from), clock(m.to))
}

// next is the window that is open at an instant, or opens next.
func (m *window) next(at time.Time) (opens, closes time.Time) {
	for midnight := at.UTC().Truncate(day); ; midnight = midnight.Add(day) {
		if closes = midnight.Add(m.to); closes.After(at) && (!m.weekly || midnight.Weekday() == time.Saturday) {
			return midnight.Add(m.from), closes
		}
	}
}

// afterClose is how long after its end a window still counts as open: what was
// begun is finished.
const afterClose = 10 * time.Minute

// disturbed holds that another certificate is installed within the maintenance
// window only, but where little is left of the one before, where that was
// revoked, and where a person asked for something.
func (j *judge) disturbed(s side, was, now shown) {
	p, at := s.cert, j.world.now()
	if p.window == nil || was.placeholder || was.serial == now.serial || j.world.clockLately(at.Add(-2*day)) {
		return
	}
	if opens, _ := p.window.next(at.Add(-afterClose)); !opens.After(at) {
		return
	}
	j.mu.Lock()
	begun, attended := at.Sub(j.began) < time.Hour, j.attended[p.name]
	j.mu.Unlock()
	back := at.Sub(was.since) < day // it is undone
	opens, _ := p.window.next(at)
	little := !was.notAfter.Add(-p.life / 10).After(opens)
	revoked := slices.ContainsFunc(caNames(), func(name string) bool { return !j.world.cas[name].RevokedAt(was.serial).IsZero() })
	asked := attended.After(was.since) || at.Sub(attended) < 2*day
	if !back && !begun && !little && !revoked && !asked && p.held.Load() == 0 {
		j.breach("%s: it was installed outside of its maintenance window, which opens at %s; until %s the one before was valid", s, opens, was.notAfter)
	}
}

// byHand holds that what a person renews is not ordered by itself.
func (j *judge) byHand(ca string, p *cert, at time.Time) {
	const late, mended = 25 * day, 2 * day // CAs are down for three weeks
	j.mu.Lock()
	bad, attended := j.bad[p.name], j.attended[p.name]
	j.mu.Unlock()
	if p.manual && at.Sub(attended) > late && at.Sub(bad) > mended {
		j.breach("%s: %s signed though nobody asked for it since %s", p.name, ca, attended)
	}
}

// attends takes note that a person asks for something.
func (j *judge) attends(p *cert) {
	now := j.world.now()
	j.mu.Lock()
	defer j.mu.Unlock()
	j.attended[p.name] = now
}

// lastAttended is when a person last asked for something.
func (j *judge) lastAttended(p *cert) time.Time {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.attended[p.name]
}
