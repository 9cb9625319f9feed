package plan

import "time"

// putOffFor is how long keys that came of age are left as they are after a
// person gave up a change of them.
const putOffFor = 30 * 24 * time.Hour

// GiveUp ends a rollover under way, as a person wants. Age alone begins none
// for a while: else the next plan would begin the same one again.
func (k *KnownKeys) GiveUp(now time.Time) {
	if k.Rolling != nil {
		k.PutOff = now
	}
	k.Rolling, k.Ask = nil, nil
}

// putOffUntil is until when age begins no rollover; zero where nobody put one
// off, or under a clock that was ahead.
func (k *KnownKeys) putOffUntil(now time.Time, want WantedKeys) time.Time {
	if k.PutOff.IsZero() || ahead(k.PutOff, now) {
		return time.Time{}
	}
	return k.PutOff.Add(min(putOffFor, want.Expires))
}
