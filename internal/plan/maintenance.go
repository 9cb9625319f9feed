package plan

import (
	"fmt"
	"slices"
	"time"
)

// Maintenance are the times in which what may disturb a service is done:
// automatic renewals and installations. Without a window it is done at any time.
type Maintenance []Window

// Window is a time that comes again on some days of the week.
type Window struct {
	Days []time.Weekday // on which it begins; none stands for every day
	// From and To are times of day, as a clock on the wall shows them: minutes
	// after midnight. A window that ends at or before it begins ends the day after.
	From, To int
	Zone     *time.Location
}

const minutesADay = 24 * 60

// on is the window that begins on a date, in the calendar of its zone. A time of
// day that does not exist, when clocks are put forward, is as much later as they
// are; of one that comes twice, the first begins and the last ends it. A window
// that clocks being put forward would leave nothing of is as long as ever.
func (w Window) on(year int, month time.Month, day int) (begin, end time.Time) {
	lastDay := day
	if w.To <= w.From {
		lastDay++
	}
	begin, _ = w.clock(time.Date(year, month, day, 0, w.From, 0, 0, w.Zone), w.From)
	_, end = w.clock(time.Date(year, month, lastDay, 0, w.To, 0, 0, w.Zone), w.To)
	if !end.After(begin) {
		end = begin.Add(time.Duration((w.To-w.From+minutesADay-1)%minutesADay+1) * time.Minute)
	}
	return begin, end
}

// clock is when clocks show a time of day, the first and the last time. T is one
// of these, or near it where there is none: package time does not say which.
func (Window) clock(t time.Time, minutes int) (first, last time.Time) {
	if late := minutes%minutesADay - t.Hour()*60 - t.Minute(); late > 0 && late < minutesADay/2 {
		t = t.Add(time.Duration(late) * time.Minute) // it does not exist, and t lies before the gap
	}
	first, last = t, t
	for _, shift := range []time.Duration{30 * time.Minute, time.Hour, 2 * time.Hour} {
		if before := t.Add(-shift); sameClock(before, t) {
			first = before
		}
		if after := t.Add(shift); sameClock(after, t) {
			last = after
		}
	}
	return first, last
}

// sameClock reports whether clocks show the same at two instants.
func sameClock(a, b time.Time) bool {
	return a.Hour() == b.Hour() && a.Minute() == b.Minute() && a.Day() == b.Day()
}

func (w Window) begins(day time.Weekday) bool {
	return len(w.Days) == 0 || slices.Contains(w.Days, day)
}

// next is the window that is open at an instant, or opens next after it.
func (w Window) next(at time.Time) (begin, end time.Time) {
	local := at.In(w.Zone)
	year, month, today := local.Date()
	for day := today - 1; day <= today+8; day++ { // yesterday's may still be open
		if !w.begins(time.Date(year, month, day, 12, 0, 0, 0, w.Zone).Weekday()) {
			continue
		}
		if begin, end = w.on(year, month, day); end.After(at) {
			return begin, end
		}
	}
	return at, at // not reached: every day of the week comes within eight
}

// Next is the earliest instant from at on that lies inside a window, and when
// that window closes; without windows at itself, and the zero time.
func (m Maintenance) Next(at time.Time) (open, closes time.Time) {
	if len(m) == 0 {
		return at, time.Time{}
	}
	for i, w := range m {
		begin, end := w.next(at)
		begin = later(begin, at)
		if i == 0 || begin.Before(open) || begin.Equal(open) && end.After(closes) {
			open, closes = begin, end
		}
	}
	return open, closes
}

// Put is when something that is due at an instant is done, where it must not be
// put off to latest. The words say what the windows did to it, if anything.
func (m Maintenance) Put(at, latest time.Time) (put, closes time.Time, words string) {
	open, closes := m.Next(at)
	switch {
	case open.Equal(at):
		return at, closes, ""
	case open.Before(latest):
		return open, closes, "; waits for the maintenance window"
	}
	return at, time.Time{}, fmt.Sprintf("; not put off to the maintenance window %s, which comes when too little of what is served is left", day(open))
}

// maintain puts a step off to a maintenance window. What a person asked for is
// done now, and so is what mends something: where nothing valid is there, or
// not for long, or what is there was revoked, or is about to be.
func (d *decision) maintain(s *Step, serves Version) {
	if len(d.want.Maintenance) == 0 || s.Asked || d.attended() {
		return
	}
	at := later(s.At, d.now)
	serves = serves.Serving(d.want.KeyTypes)
	mends := d.urgent || len(serves.Pairs) == 0 || serves.Broken != "" || !WarnAt(serves, d.want.Warn).After(at) ||
		slices.ContainsFunc(serves.Pairs, d.pressing)
	if mends {
		if open, _ := d.want.Maintenance.Next(at); open.After(at) {
			s.Reason.Words += "; too urgent to wait for the maintenance window " + day(open)
		}
		return
	}
	var words string
	s.At, s.Closes, words = d.want.Maintenance.Put(at, WarnAt(serves, d.want.Warn))
	s.Reason.Words += words
}

// attended reports whether a person asked for something that changes what is
// served, and so knows that it happens now.
func (d *decision) attended() bool {
	return slices.ContainsFunc([]AskKind{AskApply, AskRenew, AskRestore, AskRelease, AskRevoke}, func(kind AskKind) bool { return d.asked(kind, time.Time{}) })
}

// maintainAt puts an installation off. One that was begun is finished, what
// somebody else broke is mended, and where nothing lies yet nothing is disturbed.
func (d *decision) maintainAt(s *Step, fact Target) {
	switch s.Reason.Code {
	case ReasonBehind, ReasonConfig, ReasonKey:
		if there, ok := d.known.Version(fact.Version); ok {
			d.maintain(s, there)
		}
	}
}

// putOff is until when an installation of the certificate in hand is put off to
// a maintenance window; the zero time where none is.
func (d *decision) putOff() time.Time {
	var until time.Time
	for _, s := range d.own() {
		if s.Kind == KindInstall && !s.Closes.IsZero() && s.At.After(d.now) {
			until = later(until, s.At)
		}
	}
	return until
}

// maintainShared puts an installation off that is one of several certificates,
// until the windows of all of them were open, unless one of them cannot wait.
func maintainShared(s *Step, certs []*decision) {
	put := *s
	for _, d := range certs {
		for _, target := range d.want.Targets {
			one := *s
			if d.maintainAt(&one, d.known.Targets[target.Name]); !target.Shared {
				continue
			}
			switch {
			case !one.At.After(s.At):
				return
			case one.At.After(put.At):
				put = one
			}
		}
	}
	s.At, s.Closes, s.Reason = put.At, put.Closes, put.Reason
}
