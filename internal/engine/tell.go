package engine

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/certkeep/certkeep/internal/notify"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/store"
)

// How a pass that goes on for ever tells people.
const (
	gatherTime = time.Minute // after the first change: what comes until then is told with it
	lookAgain  = time.Hour   // conditions come with time alone, too
)

// untold are events that channels want to be told of, until they are stored. A
// crash may lose those of the last minute, as it may lose the last lines of
// the history.
type untold struct {
	mu     sync.Mutex // guards events
	events []plan.Notice
}

// maxHeard bounds the events in memory.
const maxHeard = 10_000

// hear keeps an event that some channel wants. What failed is not told by its
// events but by the conditions that follow from what is stored; only what
// could not be stored is heard here.
func (e *Engine) hear(ev store.Event) {
	kind := string(ev.Kind)
	n := plan.Notice{Event: kind, Cert: ev.Cert, Target: ev.Target, Words: ev.Words, At: ev.Time}
	switch ev.Kind {
	case store.EventErrored:
		if ev.Fault == nil || ev.Fault.Code != plan.CodeDisk {
			return
		}
		n.Code, n.Severity, n.Words, n.Detail = ev.Fault.Code, plan.Critical, ev.Fault.Words, ev.Fault.Detail
	case store.EventExpiring, store.EventVerifyFailed, store.EventRolledBack:
		return
	}
	if !slices.ContainsFunc(e.current().wanted.Channels, func(c plan.WantedChannel) bool { return c.Hears(kind) }) {
		return
	}
	e.untold.mu.Lock()
	defer e.untold.mu.Unlock()
	if len(e.untold.events) < maxHeard {
		e.untold.events = append(e.untold.events, n)
	}
}

// takeHeard takes what was heard out of memory.
func (e *Engine) takeHeard() []plan.Notice {
	e.untold.mu.Lock()
	defer e.untold.mu.Unlock()
	events := e.untold.events
	e.untold.events = nil
	return events
}

// telling is when a pass tells people. All but done belongs to its goroutine.
type telling struct {
	at    time.Time // of the next look
	alarm <-chan time.Time
	under bool // messages are being sent
	done  chan delivered
}

// delivered is what became of messages.
type delivered struct {
	channels map[string]plan.KnownChannel
	more     bool // there is more to send at once
}

func newTelling() telling { return telling{done: make(chan delivered)} }

// Stirred has people told soon of what Options.Conditions says now.
func (e *Engine) Stirred() {
	select {
	case e.stirred <- struct{}{}:
	default: // it is about to be looked at
	}
}

// tellSoon has a pass look soon whether people must be told something.
func (p *pass) tellSoon() { p.tellAt(time.Now().Add(gatherTime)) }

// tellAt sets the next look, unless it is earlier already.
func (p *pass) tellAt(at time.Time) {
	if p.once || len(p.world.Wanted.Channels) == 0 || !p.telling.at.IsZero() && p.telling.at.Before(at) {
		return
	}
	p.telling.at, p.telling.alarm = at, time.After(time.Until(at))
}

// tell looks whether people must be told something, and sends it beside the
// work of the pass.
func (p *pass) tell(ctx context.Context) {
	p.telling.at, p.telling.alarm = time.Time{}, nil
	if p.telling.under {
		p.tellSoon()
		return
	}
	jobs, next := p.engine.toTell(time.Now(), p.world)
	p.tellAt(time.Now().Add(lookAgain))
	if !next.IsZero() {
		p.tellAt(later(next, time.Now().Add(time.Second)))
	}
	if len(jobs) > 0 {
		p.telling.under = true
		go func() { p.telling.done <- p.engine.deliver(ctx, jobs) }()
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// tellingDone takes over what became of messages.
func (p *pass) tellingDone(d delivered) {
	p.telling.under = false
	for name, k := range d.channels {
		p.world.Known.Channels[name] = k
	}
	if d.more {
		p.tellAt(time.Now())
		return
	}
	p.tellSoon()
}

// tellOnce tells people what came of a pass that ends, before it does.
func (e *Engine) tellOnce(ctx context.Context) {
	if len(e.current().wanted.Channels) == 0 || ctx.Err() != nil {
		return
	}
	world, err := e.World(ctx)
	if err != nil {
		e.Log.Error("cannot read the store to tell people", "error", err)
		return
	}
	for ctx.Err() == nil {
		jobs, _ := e.toTell(time.Now(), world)
		d := e.deliver(ctx, jobs)
		for name, k := range d.channels {
			world.Known.Channels[name] = k
		}
		if !d.more {
			return
		}
	}
}

// job is what is to be done for one channel.
type job struct {
	channel plan.WantedChannel
	known   plan.KnownChannel
	heard   []plan.Notice
	sending *plan.Sending // nil where events are only to be stored
}

// toTell asks plan what goes out now, and when there may be more.
func (e *Engine) toTell(now time.Time, w plan.World) (jobs []job, next time.Time) {
	events := e.takeHeard()
	conditions := slices.Concat(plan.Problems(now, w), plan.StoreProblems(w), plan.ChannelProblems(w))
	if e.Conditions != nil {
		conditions = append(conditions, e.Conditions()...)
	}
	for _, c := range w.Wanted.Channels {
		j := job{channel: c, known: w.Known.Channels[c.Name]}
		for _, n := range events {
			if c.Hears(n.Event) {
				j.heard = append(j.heard, n)
			}
		}
		s, at := plan.Tell(now, c, j.known.Heard(j.heard), conditions)
		if s != nil && !at.After(now) {
			if s.Message.ID == "" {
				s.Message.ID, s.Message.Node = rand.Text(), e.Store.Node()
			}
			j.sending = s
		} else {
			next = plan.Sooner(next, at)
		}
		if j.sending != nil || len(j.heard) > 0 {
			jobs = append(jobs, j)
		}
	}
	return jobs, next
}

// deliver does the jobs, all at once: a channel that hangs delays no other's
// message.
func (e *Engine) deliver(ctx context.Context, jobs []job) delivered {
	d := delivered{channels: map[string]plan.KnownChannel{}}
	var mu sync.Mutex // guards d
	var group sync.WaitGroup
	for _, j := range jobs {
		group.Go(func() {
			known, sent := e.deliverOne(ctx, j)
			mu.Lock()
			defer mu.Unlock()
			d.channels[j.channel.Name] = known
			d.more = d.more || sent && j.channel.Each
		})
	}
	group.Wait()
	return d
}

// deliverOne sends one message. It is stored before it is sent, and counts as
// told once that is stored: a kill repeats at most this one, under its id.
func (e *Engine) deliverOne(ctx context.Context, j job) (known plan.KnownChannel, sent bool) {
	known = j.known
	note := func(apply func(plan.KnownChannel) plan.KnownChannel) {
		known = apply(known)
		// A full disk is itself worth telling: what cannot be stored is told
		// all the same, and this process remembers it.
		if err := e.Store.UpdateChannel(context.WithoutCancel(ctx), j.channel.Name, apply); err != nil {
			e.Log.Error("cannot store what people were told", "channel", j.channel.Name, "error", err)
		}
	}
	begun := time.Now()
	note(func(k plan.KnownChannel) plan.KnownChannel {
		k = k.Heard(j.heard)
		switch {
		case j.sending == nil:
			return k
		case j.sending.Message.Count == 0:
			return k.Delivered(begun, *j.sending)
		}
		return k.Begin(begun, spread(begun, e.Store.Node(), j.channel.Name, "tell"), *j.sending)
	})
	if j.sending == nil || j.sending.Message.Count == 0 {
		return known, false
	}
	err := e.send(ctx, j.channel.Name, j.sending.Message)
	ended := time.Now()
	if ctx.Err() != nil && err != nil {
		return known, false // cut off: it is sent again by the next run
	}
	note(func(k plan.KnownChannel) plan.KnownChannel {
		if err == nil {
			return k.Delivered(ended, *j.sending)
		}
		if failed, ok := errors.AsType[*notify.Error](err); ok {
			return k.Refused(ended, *notifyFault(err), retryAt(err, ended), failed.Unknown, failed.Left)
		}
		return k.Refused(ended, *notifyFault(err), time.Time{}, false, nil)
	})
	e.logTold(j, err)
	return known, err == nil
}

// send brings a message over a channel.
func (e *Engine) send(ctx context.Context, channel string, m plan.Message) error {
	by, err := sender(e.current().cfg, channel, e.Network, e.UserAgent)
	if err != nil {
		return err
	}
	return by.Send(ctx, m)
}

// notifyFault is a failure to tell people, as a fact.
func notifyFault(err error) *plan.Fault {
	fault := newFault(plan.CodeNotify, plan.BlameAdmin, err.Error())
	if failed, ok := errors.AsType[*notify.Error](err); ok {
		fault.Detail = failed.Detail
	}
	return &fault
}

// retryAt is the earliest next attempt, as a receiver asks for it.
func retryAt(err error, now time.Time) time.Time {
	if failed, ok := errors.AsType[*notify.Error](err); ok && failed.RetryAfter > 0 {
		return now.Add(failed.RetryAfter)
	}
	return time.Time{}
}

// logTold says in the log what became of a message.
func (e *Engine) logTold(j job, err error) {
	m := j.sending.Message
	if err == nil {
		e.Log.Info("people were told", "channel", j.channel.Name, "notices", m.Count, "message", m.ID)
		return
	}
	fault := notifyFault(err)
	e.Log.Error(fault.Words, "channel", j.channel.Name, "message", m.ID, "code", string(fault.Code), "detail", fault.Detail, "remedy", fault.Code.Remedy())
}
