package command

import (
	"bytes"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// bounded keeps the first bytes written to it, up to a limit. os/exec writes to
// it from one goroutine, and is done with it when Wait returns.
type bounded struct {
	limit   int
	kept    []byte
	dropped bool
}

// Write never fails: a command must not die of SIGPIPE because it talks much.
func (b *bounded) Write(p []byte) (int, error) {
	room := b.limit - len(b.kept)
	if len(p) > room {
		b.dropped = true
		b.kept = append(b.kept, p[:room]...)
		return len(p), nil
	}
	b.kept = append(b.kept, p...)
	return len(p), nil
}

// Tail returns the last lines of a program's output for people: not blank,
// escaped, at most n of them and none longer than width bytes.
func Tail(output []byte, n, width int) []string {
	var lines []string
	for line := range bytes.Lines(output) {
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			continue
		}
		text := string(line)
		if len(text) > width {
			text = text[:width] + "…"
		}
		lines = append(lines, Escape(text))
	}
	return lines[max(0, len(lines)-n):]
}

// Escape makes text of a foreign program safe for a terminal and a log line:
// control and other unprintable characters, and broken UTF-8, become escapes
// as in a Go string; all else stays as it is.
func Escape(text string) string {
	var b strings.Builder
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		if r == utf8.RuneError && size == 1 || !unicode.IsPrint(r) {
			quoted := strconv.Quote(text[i : i+size])
			b.WriteString(quoted[1 : len(quoted)-1])
		} else {
			b.WriteString(text[i : i+size])
		}
		i += size
	}
	return b.String()
}
