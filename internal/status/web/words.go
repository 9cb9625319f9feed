package web

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/certkeep/certkeep/internal/status"
)

// moment is an instant to the minute, as programs and people read it alike.
func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04 UTC")
}

func day(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02")
}

// away is how far an instant is from now, as a person would say it.
func away(now, t time.Time) string {
	if t.IsZero() {
		return ""
	}
	d := t.Sub(now)
	words := length(d.Abs())
	switch {
	case d.Abs() < time.Minute:
		return "now"
	case d < 0:
		return words + " ago"
	}
	return "in " + words
}

func length(d time.Duration) string {
	for _, unit := range []struct {
		least, one time.Duration
		word       string
	}{{48 * time.Hour, 24 * time.Hour, "day"}, {2 * time.Hour, time.Hour, "hour"}, {0, time.Minute, "minute"}} {
		if d >= unit.least {
			return plural(int(d/unit.one), unit.word)
		}
	}
	return ""
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return grouped(n) + " " + word + "s"
}

// grouped sets thousands apart.
func grouped(n int) string {
	digits := strconv.Itoa(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + " " + digits[i:] // a narrow no-break space
	}
	return digits
}

func stateWord(s status.State) string {
	return map[status.State]string{status.OK: "OK", status.Warning: "Warning", status.Critical: "Critical", status.Unknown: "Unknown"}[s]
}

func placeWords(p status.Place) string {
	return map[status.Place]string{
		status.PlaceNone: "nowhere", status.PlaceWrong: "another one is served", status.PlaceBehind: "pending", status.PlaceWritten: "written",
		status.PlaceReloaded: "reloaded", status.PlaceVerified: "verified",
	}[p]
}

// shortHex is the beginning of a digest.
func shortHex(s string) string { return s[:min(len(s), 16)] }

// beside are the names of a certificate but the one that it is called by.
func beside(name string, names []string) string {
	const shown = 2
	others := slices.DeleteFunc(slices.Clone(names), func(n string) bool { return n == name })
	if len(others) <= shown {
		return strings.Join(others, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(others[:shown], ", "), len(others)-shown)
}

// piece is a part of a sentence.
type piece struct {
	Text string
	Code bool // what is typed as it stands
}

// pieces takes a sentence apart where backquotes set off what is typed.
func pieces(words string) []piece {
	var all []piece
	for i, text := range strings.Split(words, "`") {
		if text != "" {
			all = append(all, piece{Text: text, Code: i%2 == 1})
		}
	}
	return all
}
