package engine

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestPlansOfManyArePaced: where making a plan takes long, there is time between
// one and the next, however much is due.
func TestPlansOfManyArePaced(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		took time.Duration
		once bool
		next time.Duration // when something is due
		want time.Duration // when the timer fires
		may  time.Duration // when a plan may be made because a worker ended
	}{
		"few":              {0, false, 0, 0, replanEvery},
		"few, later":       {0, false, time.Minute, time.Minute, replanEvery},
		"many":             {3 * time.Second, false, 0, time.Minute, time.Minute},
		"many, later":      {3 * time.Second, false, time.Hour, time.Hour, time.Minute},
		"many, one pass":   {3 * time.Second, true, 0, 0, time.Minute},
		"some, in a hurry": {10 * time.Millisecond, false, 0, 200 * time.Millisecond, replanEvery},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				p := &pass{once: test.once, planned: began, took: test.took, next: began.Add(test.next)}
				fires, stop := p.timer()
				<-fires
				stop()
				if took := time.Since(began); took != test.want {
					t.Errorf("the timer fires after %s, want %s", took, test.want)
				}
				p.planned = time.Now()
				time.Sleep(test.may - time.Nanosecond)
				if p.mayReplan() {
					t.Error("a plan may be made already")
				}
				if time.Sleep(time.Nanosecond); !p.mayReplan() {
					t.Error("no plan may be made yet")
				}
			})
		})
	}
}
