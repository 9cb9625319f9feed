package webserver

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
)

// Addition is a line that a virtual host is to have as its first.
type Addition struct {
	Line int // where the host begins, from 1
	Text string
}

// ErrNoPlace says that a file has no virtual host where one was expected, or
// that several begin in one line.
var ErrNoPlace = errors.New("no virtual host begins there, or several do in one line")

// ErrName says that a file has a name that a patch cannot say.
var ErrName = errors.New("a name with control characters")

// contextLines are shown around what is added, as diff does.
const contextLines = 3

// Patch is a change of a server's file as a unified diff, which `patch -p1 -d /`
// carries out. Path is absolute, text is what the file holds. Nothing is
// written: whether it is done is for the administrator to say.
func Patch(server, path, text string, additions []Addition) (string, error) {
	if strings.ContainsFunc(path, unicode.IsControl) { // such as a line that would be read as another file's
		return "", fmt.Errorf("%q: %w", path, ErrName)
	}
	lines := strings.SplitAfter(text, "\n")
	if lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	openings := map[int]*opening{}
	first, last := len(lines), -1
	for _, a := range additions {
		line, column, found := openingOf(server, lines, a.Line-1)
		if !found || openings[line] != nil {
			return "", fmt.Errorf("%s, line %d: %w", path, a.Line, ErrNoPlace)
		}
		openings[line] = &opening{column: column, text: a.Text}
		first, last = min(first, line), max(last, line)
	}
	if last < 0 {
		return "", nil
	}
	from, to := max(first-contextLines, 0), min(last+1+contextLines, len(lines))
	var hunk strings.Builder
	after := 0 // lines that the hunk has afterwards
	for i := from; i < to; i++ {
		o := openings[i]
		if o == nil {
			hunk.WriteString(diffLine(' ', lines[i]))
			after++
			continue
		}
		after += o.write(&hunk, lines, i)
	}
	name := strings.TrimPrefix(path, "/")
	return fmt.Sprintf("--- a/%s\t\n+++ b/%s\t\n@@ -%d,%d +%d,%d @@\n%s", name, name, from+1, to-from, from+1, after, &hunk), nil
}

// opening is where a line is added: behind a column of another, which opens a
// virtual host.
type opening struct {
	column int
	text   string
}

// write writes the line with what is added, and returns how many lines they
// are. What follows the opening in the same line goes to one of its own.
func (o *opening) write(hunk *strings.Builder, lines []string, at int) int {
	line := lines[at]
	indent := indentOf(line) + "\t"
	if next := strings.Join(lines[at+1:min(at+2, len(lines))], ""); strings.Trim(next, " \t\r\n}") != "" {
		indent = indentOf(next)
	}
	added := diffLine('+', indent+o.text+"\n")
	rest := strings.TrimLeft(line[o.column:], " \t")
	if strings.TrimSpace(rest) == "" || strings.HasPrefix(rest, "#") {
		hunk.WriteString(diffLine(' ', line) + added)
		return 2
	}
	hunk.WriteString(diffLine('-', line) + diffLine('+', line[:o.column]+"\n") + added + diffLine('+', indent+rest))
	return 3
}

// diffLine is a line of a hunk. The last one of a file may not end.
func diffLine(mark byte, line string) string {
	if strings.HasSuffix(line, "\n") {
		return string(mark) + line
	}
	return string(mark) + line + "\n\\ No newline at end of file\n"
}

func indentOf(line string) string {
	return line[:len(line)-len(strings.TrimLeft(line, " \t"))]
}

// openingOf finds what opens the host that begins in a line: nginx's brace, the
// end of Apache's <VirtualHost>, which may go over several lines.
func openingOf(server string, lines []string, begin int) (line, column int, found bool) {
	if begin < 0 || begin >= len(lines) {
		return 0, 0, false
	}
	if server == Apache {
		for line = begin; line < len(lines); line++ {
			text := strings.TrimRight(lines[line], "\r\n")
			if !strings.HasSuffix(text, "\\") {
				return line, len(text), strings.HasPrefix(strings.ToLower(strings.TrimSpace(lines[begin])), "<virtualhost")
			}
		}
		return 0, 0, false
	}
	for line = begin; line < len(lines); line++ {
		text, _, _ := strings.Cut(lines[line], "#")
		if column = strings.IndexByte(text, '{'); column >= 0 {
			return line, column + 1, true
		}
		if word := strings.TrimSpace(text); word != "" && word != "server" {
			return 0, 0, false
		}
	}
	return 0, 0, false
}
