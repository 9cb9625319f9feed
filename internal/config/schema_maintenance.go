package config

import (
	"fmt"
	"slices"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
)

// Window is a time of the week in which services may be disturbed.
type Window struct {
	Days     []string // mon … sun, on which it begins; empty is every day
	From, To string   // HH:MM
	Timezone string   // name in the IANA database; "" is that of this machine

	zone *time.Location
}

// maintenance is one window, several, or none.
func maintenance() shape[[]Window] {
	const such = `{days: [sat, sun], from: "02:00", to: "05:00"}`
	several := filled(listOf(window(), "a list of windows", "["+such+"]"))
	show := several.show
	several.show = func(w []Window) *node {
		if len(w) == 0 {
			return nil // false, or nothing
		}
		return show(w)
	}
	return either("a window, a list of windows or false", such, single(window()), several, off([]Window{}, func(w []Window) bool { return w != nil && len(w) == 0 }))
}

// weekdays are the days of the week, in the order of package time.
func weekdays() []string { return []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"} }

func window() shape[Window] {
	s := object("maintenance", "A time that comes again every week. Automatic renewals and installations wait for it, but no longer than up to the warning window (`warn`) of what is served.", []key[Window]{
		field("days", filled(distinct(listOf(oneOf("day", weekdays()...), "a list of days", "[sat, sun]"))), func(w *Window) *[]string { return &w.Days }, about{
			doc: "Days on which it begins: `mon`, `tue`, `wed`, `thu`, `fri`, `sat`, `sun`.", standard: "every day", example: "[sat, sun]",
		}),
		field("from", timeOfDay("02:00"), func(w *Window) *string { return &w.From }, about{doc: "When it begins, as a clock on the wall shows it. Required.", example: `"02:00"`}),
		field("to", timeOfDay("05:00"), func(w *Window) *string { return &w.To }, about{
			doc: "When it ends; at or before `from` that is on the next day. Required.", example: `"05:00"`,
		}),
		field("timezone", wordsOf("a time zone", "Europe/Berlin"), func(w *Window) *string { return &w.Timezone }, about{
			doc: "Time zone of `from` and `to`, as the IANA database calls it, such as `Europe/Berlin`, or `UTC`.", standard: "that of this machine", example: "Europe/Berlin", off: true,
		}),
	}, finishWindow)
	s.kinds = table
	return s
}

// finishWindow looks the time zone up, so that a later look needs no file.
func finishWindow(r *reader, n *node, w *Window) {
	for _, need := range []string{"from", "to"} {
		if !n.has(need) {
			r.out.add(n.at, fmt.Sprintf("%s has no %q", r.is(), need), `for example {from: "02:00", to: "05:00"}`)
		}
	}
	w.zone = time.Local
	if w.Timezone == "" {
		return
	}
	zone, err := time.LoadLocation(w.Timezone)
	if err != nil || w.Timezone == "Local" {
		r.out.add(n.placeOf("timezone"), fmt.Sprintf("unknown time zone %q", shorten(w.Timezone)), "one such as Europe/Berlin or UTC; without timezone that of this machine counts")
		return
	}
	w.zone = zone
}

// timeOfDay is what a clock on the wall shows.
func timeOfDay(such string) shape[string] {
	return checked("a time of day", fmt.Sprintf("%q", such), func(s string) (string, string) {
		if _, ok := minutesOf(s); !ok {
			return fmt.Sprintf("%q is no time of day", shorten(s)), `write it as "HH:MM", from "00:00" to "24:00"`
		}
		return "", ""
	})
}

// minutesOf reads a time of day, as minutes after midnight.
func minutesOf(s string) (int, bool) {
	if s == "24:00" {
		return 24 * 60, true
	}
	t, err := time.Parse("15:04", s)
	return t.Hour()*60 + t.Minute(), err == nil
}

// maintenanceOf are windows as package plan decides upon them.
func maintenanceOf(windows []Window) plan.Maintenance {
	var all plan.Maintenance
	for _, w := range windows {
		one := plan.Window{Zone: w.zone}
		one.From, _ = minutesOf(w.From)
		one.To, _ = minutesOf(w.To)
		for _, day := range w.Days {
			one.Days = append(one.Days, time.Weekday(slices.Index(weekdays(), day)))
		}
		all = append(all, one)
	}
	return all
}
