package plan

import "time"

// Renewals that nobody waits for are spread: after a clock step, or when a
// fleet was issued on one day, at most this many begin in an hour.
const (
	paceLeast = 100
	paceHours = 48 // a whole fleet is renewed in two days
)

// pace delays due renewals beyond the hour's share. What is urgent or asked
// for is never delayed. Issues of the last hour count, so that the pace holds
// across passes and restarts.
func pace(now time.Time, w World, steps []Step) []Step {
	share := max(paceLeast, len(w.Wanted.Certs)/paceHours)
	var waiting []int
	for i, s := range steps {
		if s.Kind == KindIssue && s.Due(now) && !s.Urgent && !s.Asked {
			waiting = append(waiting, i)
		}
	}
	if len(waiting) == 0 {
		return steps
	}
	free := max(0, share-issuedSince(now.Add(-time.Hour), now, w))
	for n, i := range waiting {
		if n < free {
			continue
		}
		delay := time.Duration(n-free+1) * time.Hour / time.Duration(share)
		if end := WarnSlack(now, steps[i]); delay > end {
			continue
		}
		steps[i].At = now.Add(delay)
		steps[i].Reason.Words += "; spread, many are due at once"
	}
	return steps
}

// WarnSlack is how long a step may be put off without coming near the end of
// what is served: half of what is left.
func WarnSlack(now time.Time, s Step) time.Duration { return s.Until.Sub(now) / 2 }

func issuedSince(since, now time.Time, w World) int {
	n := 0
	for _, k := range w.Known.Certs {
		for _, i := range k.Issued {
			if i.At.After(since) && !i.At.After(now) {
				n++
			}
		}
	}
	return n
}
