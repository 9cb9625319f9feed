package sim

import (
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/certkeep/certkeep/internal/engine"
)

// flaky is a server beside the CAs, and like them: it cannot be reached at
// times, and requests or answers get lost.
type flaky struct {
	world *world
	name  string // by which its chances are drawn
	words string // by which faults are counted

	mu    sync.Mutex // guards what follows, and what whoever has it says
	calm  bool
	down  int // times in which it cannot be reached, that overlap
	asked int // requests, those that were lost included
}

// newLife takes note that a process was started.
func (f *flaky) newLife(calm bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calm = calm
}

// outage is a time in which it cannot be reached, from least to most long.
func (f *flaky) outage(dice *rand.Rand, at time.Time, least, most time.Duration, words string) []event {
	long := between(dice, least, most)
	change := func(by int) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.down += by
	}
	return []event{
		{at, func(*engine.Engine) {
			f.world.note("%s for %v", words, long)
			f.world.fault(f.words + " down")
			change(+1)
		}},
		{at.Add(long), func(*engine.Engine) { change(-1) }},
	}
}

// wrong decides how a request goes wrong; "" for not at all.
func (f *flaky) wrong() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked++
	c := f.world.chance
	switch {
	case f.down > 0:
		return "refused"
	case f.calm || !c.happens(f.world.Requests, f.name, f.asked):
		return ""
	}
	how := pick(c.of(f.name+" fault", f.asked), []string{"refused", "500", "answer lost"})
	f.world.fault(f.words + ": " + how)
	return how
}

// answer answers a request that goes wrong so, or well: do does what it asks
// for, and reply says so.
func (f *flaky) answer(w http.ResponseWriter, how string, do, reply func()) {
	switch how {
	case "refused":
		panic(http.ErrAbortHandler)
	case "500":
		http.Error(w, "out of order", http.StatusInternalServerError)
		return
	}
	do()
	if how == "answer lost" {
		panic(http.ErrAbortHandler)
	}
	reply()
}
