package daemon

import "time"

const (
	// clockEvery is how often the wall clock is compared with the monotonic one.
	clockEvery = 5 * time.Second
	// clockStep is how far they come apart before somebody must have set the
	// clock, or the machine has slept.
	clockStep = time.Minute
)

// clockWatch notices that the wall clock was set. What waits for an instant
// waits by the monotonic clock, which neither takes part in that nor goes on
// while the machine sleeps: an instant that has come would be noticed hours
// later.
type clockWatch struct {
	wall, mono time.Time // read together
}

func newClockWatch() clockWatch {
	now := time.Now()
	return clockWatch{wall: now.Round(0), mono: now}
}

// stepped returns how far the clock was set since it last was; 0 where it was
// not. What a clock is slewed by adds up.
func (w *clockWatch) stepped() time.Duration {
	now := time.Now()
	by := now.Round(0).Sub(w.wall) - now.Sub(w.mono)
	if by.Abs() < clockStep {
		return 0
	}
	*w = clockWatch{wall: now.Round(0), mono: now}
	return by
}
