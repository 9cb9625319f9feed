package issuer

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/certkeep/certkeep/internal/network"
	"github.com/certkeep/certkeep/internal/plan"
)

// clock compares the CA's clock with ours, by the Date of its answers.
type clock struct {
	mu    sync.Mutex
	ahead time.Duration // the CA's clock minus ours
	at    time.Time     // when that was seen, with the monotonic reading; zero: never
}

// learn takes note of the Date of an answer to a request sent at sent.
func (c *clock) learn(date string, sent time.Time) {
	theirs, err := http.ParseTime(date)
	if err != nil {
		return // a CA need not send one
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead, c.at = theirs.Sub(sent.Round(0)), sent
}

// skew is how far the CA's clock is ahead of ours, and whether that is known.
// A step of our clock since the last answer counts: the monotonic clock did
// not take part in it. (A machine that slept looks the same; whoever acts on
// the answer asks the CA again first.)
func (c *clock) skew() (time.Duration, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.at.IsZero() {
		return 0, false
	}
	now := time.Now()
	step := now.Round(0).Sub(c.at.Round(0)) - now.Sub(c.at)
	return c.ahead - step, true
}

// ClockSkew is how far the CA's clock is ahead of ours, as its last answer
// showed, and whether there was one.
func (ca *CA) ClockSkew() (ahead time.Duration, known bool) { return ca.clock.skew() }

// checkClock refuses to go on with a clock that is too far from the CA's. It
// asks the CA again before it says so.
func (ca *CA) checkClock(ctx context.Context) error {
	if _, err := ca.directory(ctx); err != nil { // the first answer, where there was none
		return err
	}
	if skew, known := ca.clock.skew(); !known || skew.Abs() <= network.MaxClockError {
		return nil
	}
	if err := ca.Refresh(ctx); err != nil {
		return err
	}
	skew, known := ca.clock.skew()
	if !known || skew.Abs() <= network.MaxClockError {
		return nil
	}
	return ca.fault("compare clocks", plan.CodeClock, plan.BlameAdmin, fmt.Errorf(
		"this machine's clock says %s, the CA's %s: nothing is ordered with a clock that is more than %s off",
		clockTime(time.Now()), clockTime(time.Now().Add(skew)), network.MaxClockError))
}

// clockTime writes an instant for people.
func clockTime(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }
