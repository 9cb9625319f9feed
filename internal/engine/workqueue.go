package engine

import (
	"context"

	"github.com/certkeep/certkeep/internal/plan"
)

// workQueue is the due work by unit, sorted into the lanes that it takes, the
// most urgent first in each. A lane that is full is not looked through: a
// hundred thousand certificates that wait for one CA cost nothing meanwhile.
type workQueue struct {
	order []string // lanes, the one with the most urgent work first
	lanes map[string][][]plan.Step
}

// add appends a unit's work to a lane.
func (q *workQueue) add(lane string, steps []plan.Step) {
	if q.lanes == nil {
		q.lanes = map[string][][]plan.Step{}
	}
	if _, known := q.lanes[lane]; !known {
		q.order = append(q.order, lane)
	}
	q.lanes[lane] = append(q.lanes[lane], steps)
}

// empty reports whether nothing waits.
func (q *workQueue) empty() bool {
	for _, waiting := range q.lanes {
		if len(waiting) > 0 {
			return false
		}
	}
	return true
}

// contains reports whether work of some unit waits.
func (q *workQueue) contains(concerns func(unit string) bool) bool {
	for _, waiting := range q.lanes {
		for _, steps := range waiting {
			if concerns(unitOf(steps[0])) {
				return true
			}
		}
	}
	return false
}

// start begins work on queued certificates as far as their lanes have room. A
// lane belongs to one CA, so that a slow one takes no slot of another.
func (p *pass) start(ctx context.Context) {
	for _, lane := range p.queue.order {
		p.startLane(ctx, lane, p.engine.room(lane))
	}
}

// startLane fills a lane. Work whose unit is excluded by another one stays
// where it is.
func (p *pass) startLane(ctx context.Context, lane string, room int) {
	waiting := p.queue.lanes[lane]
	var held [][]plan.Step
	for ; len(waiting) > 0 && p.lanes[lane] < room; waiting = waiting[1:] {
		steps := waiting[0]
		unit := unitOf(steps[0])
		switch keys, isKeys := p.keys[unit]; {
		case p.once && p.started[unit]:
		case p.running[unit]: // looked at again when its worker is done
		case p.excluded(unit):
			held = append(held, steps)
		case isKeys:
			p.running[unit] = true
			p.lanes[lane]++
			w := p.keyWorker(keys)
			go func() { p.done <- w.run(ctx) }()
		default:
			p.running[unit], p.started[unit] = true, true
			p.lanes[lane]++
			w := p.worker(unit, lane, steps)
			go func() { p.done <- w.run(ctx) }()
		}
	}
	if len(held) > 0 {
		waiting = append(held, waiting...)
	}
	p.queue.lanes[lane] = waiting
}
