package plan

import (
	"slices"
	"time"
)

// Renewals that nobody waits for are spread: after a clock step, or when a
// fleet was issued on one day, at most this many begin in any hour.
const (
	paceLeast = 100
	paceHours = 48 // a whole fleet is renewed in two days
)

// pace delays due renewals beyond the hour's share, the least urgent ones. What
// is urgent or asked for is never delayed. Attempts of the last hour count, so
// that the pace holds across passes and restarts; an attempt under way keeps
// the place that it has.
func pace(now time.Time, w World, steps []Step) {
	var waiting []int
	for i, s := range steps {
		if s.Kind == KindIssue && s.Due(now) && !s.Urgent && !s.Asked && !underWay(w, s) {
			waiting = append(waiting, i)
		}
	}
	if len(waiting) == 0 {
		return
	}
	slices.SortStableFunc(waiting, func(a, b int) int { return steps[a].Until.Compare(steps[b].Until) })
	share := max(paceLeast, len(w.Wanted.Certs)/paceHours, hurry(now, steps, waiting))
	begin := begun(now, w)
	for _, i := range waiting {
		at := now
		if n := len(begin); n >= share {
			// When the oldest of the last share leaves the hour.
			at = begin[n-share].Add(time.Hour)
		}
		if delay := at.Sub(now); delay > 0 && delay <= WarnSlack(now, steps[i]) {
			steps[i].At = at
			steps[i].Reason.Words += "; spread, many are due at once"
		} else {
			at = now
		}
		place, _ := slices.BinarySearchFunc(begin, at, time.Time.Compare)
		begin = slices.Insert(begin, place, at)
	}
}

// hurry is how many have to begin in an hour so that none of those that wait,
// which end in this order, waits longer than it may. Certificates of six days
// have less time than two days for a whole fleet.
func hurry(now time.Time, steps []Step, waiting []int) int {
	most := 0
	for before, i := range waiting {
		hours := max(1, int(WarnSlack(now, steps[i])/time.Hour))
		most = max(most, (before+hours)/hours) // before+1, rounded up
	}
	return most
}

// WarnSlack is how long a step may be put off without coming near the end of
// what is served: half of what is left; and not beyond its maintenance window.
func WarnSlack(now time.Time, s Step) time.Duration {
	slack := s.Until.Sub(now) / 2
	if !s.Closes.IsZero() {
		slack = min(slack, s.Closes.Sub(now))
	}
	return slack
}

// underWay reports whether the attempt for s has begun already.
func underWay(w World, s Step) bool {
	known := w.Known.Certs[s.Cert]
	return known != nil && known.Tries[s.KeyType].Open
}

// begun lists when the attempts of the last hour began, the oldest first. Of
// one that succeeded only its end is known.
func begun(now time.Time, w World) []time.Time {
	var all []time.Time
	since := now.Add(-time.Hour)
	note := func(at time.Time) {
		if at.After(since) && !at.After(now) {
			all = append(all, at)
		}
	}
	for _, known := range w.Known.Certs {
		for _, issued := range known.Issued {
			note(issued.At)
		}
		for _, tries := range known.Tries {
			note(tries.Last)
		}
	}
	slices.SortFunc(all, time.Time.Compare)
	return all
}
