package web

import (
	"fmt"
	"math"
	"time"

	"github.com/certkeep/certkeep/internal/status"
)

// The size of the drawing beside each certificate, in its own units.
const (
	barWidth  = 280
	lifeWidth = 720  // of that of one certificate by itself
	pastPart  = 0.25 // of the width, for what was
)

const oneDay = 24 * time.Hour

// axis is the time that all bars of a page have in common.
type axis struct {
	from, to time.Time
	now      time.Time
	Width    int
	NowX     string
	Ticks    []tick
}

type tick struct {
	X     string
	Label string
}

// axisOf makes the axis on which all rows end, unless one is far from the
// others: then its bar leaves the drawing.
func axisOf(now time.Time, rows []*status.Row) axis {
	ahead := 10 * oneDay
	for _, r := range rows {
		ahead = max(ahead, min(r.NotAfter.Sub(now)+oneDay, 400*oneDay))
	}
	span := time.Duration(float64(ahead) / (1 - pastPart))
	return newAxis(now, now.Add(ahead-span), now.Add(ahead), barWidth)
}

// lifeOf makes the axis of one certificate's whole life, and of now.
func lifeOf(now time.Time, r status.Row) axis {
	from, to := now.Add(-oneDay), now.Add(10*oneDay)
	if !r.NotAfter.IsZero() {
		from, to = earlier(from, r.NotBefore), later(now.Add(oneDay), r.NotAfter)
	}
	edge := to.Sub(from) / 40
	return newAxis(now, from.Add(-edge), to.Add(edge), lifeWidth)
}

func newAxis(now, from, to time.Time, width int) axis {
	a := axis{from: from, to: to, now: now, Width: width}
	a.NowX = coordinate(a.x(now))
	a.Ticks = a.ticks()
	return a
}

// x is where an instant lies.
func (a axis) x(t time.Time) float64 {
	return float64(a.Width) * float64(t.Sub(a.from)) / float64(a.to.Sub(a.from))
}

// ticks are round days, few enough to be read.
func (a axis) ticks() []tick {
	days := a.to.Sub(a.from).Hours() / 24
	step := 1
	for _, s := range []int{1, 2, 7, 14, 28, 61, 91, 182, 365} {
		if step = s; days/float64(s) <= float64(a.Width)/48 {
			break
		}
	}
	var all []tick
	start := a.from.UTC().Truncate(oneDay)
	for n := int(start.Unix() / 86400); ; n++ {
		t := time.Unix(int64(n)*86400, 0).UTC()
		if t.After(a.to) {
			return all
		}
		if x := a.x(t); n%step == 0 && x >= 0 && x < float64(a.Width)-30 {
			all = append(all, tick{X: coordinate(x), Label: t.Format("2 Jan")})
		}
	}
}

// bar is the validity of one certificate on the axis.
type bar struct {
	Past, Left  stretch // what is lived, and what is left
	Renew, Ends string  // where a mark is set; "" where none is
	Beyond      bool    // it ends beyond the drawing
}

// stretch is a part of the axis; without width where there is none.
type stretch struct{ X, Width string }

func (a axis) bar(r *status.Row) bar {
	if r.NotAfter.IsZero() {
		return bar{}
	}
	b := bar{
		Past: a.stretch(r.NotBefore, earlier(a.now, r.NotAfter)), Left: a.stretch(later(a.now, r.NotBefore), r.NotAfter),
		Beyond: r.NotAfter.After(a.to),
	}
	if !r.RenewAt.IsZero() && !r.RenewAt.After(a.to) {
		b.Renew = coordinate(math.Max(a.x(later(r.RenewAt, a.now)), 0))
	}
	if !b.Beyond {
		b.Ends = coordinate(math.Max(a.x(r.NotAfter), 0))
	}
	return b
}

func (a axis) stretch(from, to time.Time) stretch {
	x, end := math.Max(a.x(from), 0), math.Min(a.x(to), float64(a.Width))
	if end <= x {
		return stretch{}
	}
	return stretch{X: coordinate(x), Width: coordinate(end - x)}
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func coordinate(x float64) string { return fmt.Sprintf("%.1f", x) }

// The size of the drawing of what comes, in its own units.
const (
	aheadWidth  = 960
	aheadHeight = 72
	aheadDays   = 90
)

// aheadChart is how many renewals come on each day, and how many certificates
// end on it unless they are renewed before.
type aheadChart struct {
	Width, Height int
	Words         string // what the drawing shows
	Columns       []column
	Ticks         []tick
	Weeks         []week
	Most          int
}

type column struct {
	X, Y, Width, Height string
	Title               string
}

type week struct {
	From, To      time.Time
	Renewed, Ends int
}

// ahead draws what comes; nil where there is nothing.
func ahead(s *status.Snapshot) *aheadChart {
	renewals, ends := make([]int, aheadDays), make([]int, aheadDays)
	today := s.Weighed.UTC().Truncate(oneDay)
	total, last := 0, 0
	for i := range s.Rows {
		r := &s.Rows[i]
		if n, ok := dayOf(today, r.RenewAt); ok {
			renewals[n]++
			total++
			last = max(last, n)
		}
		if n, ok := dayOf(today, r.NotAfter); ok && r.NotAfter.After(s.Weighed) {
			ends[n]++
		}
	}
	if total == 0 {
		return nil
	}
	days := 30
	for days < aheadDays && last >= days {
		days += 30
	}
	c := &aheadChart{Width: aheadWidth, Height: aheadHeight}
	busiest := 0
	for n := range days {
		c.Most = max(c.Most, renewals[n])
		if renewals[n] > renewals[busiest] {
			busiest = n
		}
	}
	unit := float64(aheadWidth) / float64(days)
	for n := range days {
		at := today.AddDate(0, 0, n)
		if n%7 == 0 {
			c.Weeks = append(c.Weeks, week{From: at, To: at.AddDate(0, 0, 6)})
			c.Ticks = append(c.Ticks, tick{X: coordinate(unit * float64(n)), Label: at.Format("2 Jan")})
		}
		w := &c.Weeks[len(c.Weeks)-1]
		w.Renewed += renewals[n]
		w.Ends += ends[n]
		if renewals[n] == 0 {
			continue
		}
		high := math.Max(2, float64(renewals[n])/float64(c.Most)*(aheadHeight-4))
		c.Columns = append(c.Columns, column{
			X: coordinate(unit*float64(n) + 1), Width: coordinate(math.Max(unit-2, 1)), Y: coordinate(aheadHeight - high), Height: coordinate(high),
			Title: fmt.Sprintf("%s: %s", at.Format("Monday, 2 January"), plural(renewals[n], "renewal")),
		})
	}
	c.Words = fmt.Sprintf("%s within %d days, most on %s (%s).", plural(total, "renewal"), days, today.AddDate(0, 0, busiest).Format("2 January"), grouped(c.Most))
	return c
}

// dayOf is how many days after today an instant is; what is overdue is today.
func dayOf(today, t time.Time) (int, bool) {
	if t.IsZero() {
		return 0, false
	}
	n := int(t.Sub(today) / oneDay)
	return max(n, 0), n < aheadDays
}
