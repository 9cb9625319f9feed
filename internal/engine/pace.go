package engine

import "time"

// replanEvery is how often at most the whole plan is made again while work is
// going on. A certificate's own next steps do not wait for it.
const replanEvery = time.Second

// planShare bounds what goes into plans of all certificates: at most one part in
// so many of the time. Of 100,000 certificates a few are due in every second,
// and a plan of all takes longer than that.
const planShare = 20

// mayReplan reports whether the whole plan may be made again as workers end.
func (p *pass) mayReplan() bool {
	return time.Since(p.planned) >= max(replanEvery, planShare*p.took)
}

// timer fires when the next step becomes due, or soon after workers ended. What
// is due for a daemon of many certificates is gathered for a while.
func (p *pass) timer() (<-chan time.Time, func()) {
	if p.once && len(p.running) > 0 || p.next.IsZero() {
		return nil, func() {}
	}
	at := p.next
	if soonest := p.planned.Add(planShare * p.took); !p.once && at.Before(soonest) {
		at = soonest
	}
	t := time.NewTimer(max(0, time.Until(at)))
	return t.C, func() { t.Stop() }
}
