package notify

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/certkeep/certkeep/internal/plan"
)

// detailLines bounds what is told of the other side's own words.
const detailLines = 5

// Subject is one line that says what a message is about.
func Subject(m plan.Message) string {
	if len(m.Groups) == 0 {
		return fmt.Sprintf("[certkeep %s] nothing", m.Node)
	}
	first := m.Groups[0]
	what := headline(first)
	if m.Count == 1 && first.Notices[0].Cert != "" {
		what += ": " + first.Notices[0].Cert
	} else if first.Count > 1 {
		what += fmt.Sprintf(" (%d)", first.Count)
	}
	if n := len(m.Groups) - 1; n > 0 {
		what += fmt.Sprintf(" and %d more", m.Count-first.Count)
	}
	return oneLine(fmt.Sprintf("[certkeep %s] %s", m.Node, what))
}

// headline names what the notices of a group have in common.
func headline(g plan.NoticeGroup) string {
	what := string(g.Code)
	if what == "" {
		what = g.Event
	}
	switch {
	case g.Change == plan.ChangeSolved:
		return "solved: " + what
	case g.Severity == plan.Critical:
		return "CRITICAL: " + what
	case g.Severity != "":
		return "warning: " + what
	}
	return what
}

// Text is a message in plain words, for people.
func Text(m plan.Message) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Certkeep on %s, %s\n", oneLine(m.Node), m.At.UTC().Format("2006-01-02 15:04 MST"))
	for _, g := range m.Groups {
		b.WriteString("\n" + headline(g) + counted(g) + "\n")
		for _, n := range g.Notices {
			writeNotice(&b, n)
		}
		if more := g.Count - len(g.Notices); more > 0 {
			fmt.Fprintf(&b, "  and %d more\n", more)
		}
		if g.Remedy != "" {
			b.WriteString("  What to do: " + g.Remedy + "\n")
		}
	}
	if m.Missed > 0 {
		fmt.Fprintf(&b, "\n%d more events could not be kept until this message; `certkeep history NAME` has them.\n", m.Missed)
	}
	return b.String()
}

// counted says how many notices a group has, where that is not plain, and
// what changed.
func counted(g plan.NoticeGroup) string {
	var words []string
	if g.Count > 1 {
		words = append(words, fmt.Sprintf("%d times", g.Count))
	}
	switch g.Change {
	case plan.ChangeGrown:
		words = append(words, "worse than before")
	case plan.ChangeLasting:
		words = append(words, "still")
	}
	if words == nil {
		return ""
	}
	return " (" + strings.Join(words, ", ") + ")"
}

// writeNotice writes one notice.
func writeNotice(b *strings.Builder, n plan.Notice) {
	who := n.Cert
	if n.Target != "" && n.Target != "default" {
		who = strings.TrimSpace(who + " " + n.Target)
	}
	line := "  " + oneLine(strings.Trim(who+": "+n.Words, ": "))
	if !n.At.IsZero() && n.Change == plan.ChangeLasting {
		line += " (" + n.At.UTC().Format(time.DateTime) + " UTC)"
	}
	b.WriteString(line + "\n")
	for _, detail := range n.Detail[:min(len(n.Detail), detailLines)] {
		b.WriteString("    " + oneLine(detail) + "\n")
	}
}

// oneLine makes text safe for a header or a line: what controls a terminal or
// ends a line becomes a blank.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || slices.Contains([]rune{'\u2028', '\u2029'}, r) {
			return ' '
		}
		return r
	}, text)
}
