package main

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// colour is the escape sequence that begins it (ECMA-48, SGR).
type colour string

const (
	plain  colour = "\x1b[0m"
	bold   colour = "\x1b[1m"
	red    colour = "\x1b[31m"
	green  colour = "\x1b[32m"
	yellow colour = "\x1b[33m"
)

// columns is how wide a text is; names of certificates are plain text.
func columns(s string) int { return utf8.RuneCountInString(s) }

// pad fills a text with blanks up to a width.
func pad(s string, width int) string {
	return s + strings.Repeat(" ", max(0, width-columns(s)))
}

// cut shortens a text to a width, and shows that it did.
func cut(s string, width int) string {
	s = strings.Map(printable, s)
	if columns(s) <= width {
		return s
	}
	if width < 1 {
		return ""
	}
	return string([]rune(s)[:width-1]) + "…"
}

// printable keeps the words of others from steering the terminal: its escape
// sequences, and marks that turn the direction of writing.
func printable(r rune) rune {
	if r != '\n' && !unicode.IsPrint(r) {
		return '?'
	}
	return r
}

// visible escapes in a text of JSON what encoding/json leaves as it is, and a
// terminal may take for more than text. It stands in strings only, so the
// meaning stays.
func visible(text []byte) []byte {
	if !bytes.ContainsFunc(text, func(r rune) bool { return printable(r) != r }) {
		return text
	}
	var b []byte
	for _, r := range string(text) {
		switch {
		case printable(r) == r:
			b = utf8.AppendRune(b, r)
		case r < 0x10000:
			b = fmt.Appendf(b, `\u%04x`, r)
		default:
			high, low := utf16.EncodeRune(r)
			b = fmt.Appendf(b, `\u%04x\u%04x`, high, low)
		}
	}
	return b
}

// wrap breaks a text at blanks so that no line is wider than width, as far as
// its words allow. Line breaks in it count as blanks.
func wrap(s string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(strings.Map(printable, s)) {
		switch {
		case line == "":
			line = word
		case columns(line)+1+columns(word) > width:
			lines = append(lines, line)
			line = word
		default:
			line += " " + word
		}
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}

// labelled lays out a text beside a label, its further lines below its first.
func labelled(label string, labelWidth int, text string, width int) string {
	var b strings.Builder
	for i, line := range wrap(text, max(20, width-labelWidth)) {
		if i > 0 {
			label = ""
		}
		b.WriteString(pad(label, labelWidth) + line + "\n")
	}
	return b.String()
}

// table aligns rows; the last column is left as wide as it is.
func table(rows [][]string) string {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], columns(cell))
		}
	}
	var b strings.Builder
	for _, row := range rows {
		line := ""
		for i, cell := range row {
			if i > 0 {
				line += "  "
			}
			line += pad(cell, widths[i])
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	return b.String()
}

// instant and date show times to people, in UTC like everything that is
// stored.
func instant(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }
func minute(t time.Time) string  { return t.UTC().Format("2006-01-02 15:04 UTC") }

// away says how far off an instant is.
func away(now, t time.Time) string {
	d := t.Sub(now)
	suffix := ""
	prefix := "in "
	if d < 0 {
		d, prefix, suffix = -d, "", " ago"
	}
	return prefix + inWords(d) + suffix
}

func inWords(d time.Duration) string {
	count := func(n time.Duration, unit string) string {
		if n == 1 {
			return "1 " + unit
		}
		return strconv.Itoa(int(n)) + " " + unit + "s"
	}
	switch {
	case d >= 48*time.Hour:
		return count(d/(24*time.Hour), "day")
	case d >= 2*time.Hour:
		return count(d/time.Hour, "hour")
	case d >= 2*time.Minute:
		return count(d/time.Minute, "minute")
	}
	return count(d/time.Second, "second")
}
