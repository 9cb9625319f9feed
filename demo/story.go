package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// story tells what happens, with the seconds since it began.
type story struct {
	began time.Time

	mu  sync.Mutex // guards out: several things are told of at once
	out io.Writer
}

// margin is where told text begins, behind the seconds.
const margin = "          "

// newStory begins now.
func newStory(out io.Writer) *story { return &story{began: time.Now(), out: out} }

// tell prints one thing that happened; further lines stand below the first.
func (s *story) tell(format string, args ...any) {
	lines := strings.Split(fmt.Sprintf(format, args...), "\n")
	s.print(fmt.Sprintf("%6.1f s  %s\n", time.Since(s.began).Seconds(), strings.Join(lines, "\n"+margin)))
}

// quote prints the words of somebody else, marked by who it is.
func (s *story) quote(who, text string) {
	var b strings.Builder
	for line := range strings.Lines(strings.TrimRight(text, "\n")) {
		b.WriteString(strings.TrimRight(margin+who+line, " \n") + "\n")
	}
	s.print(b.String())
}

func (s *story) print(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	// A reader who went away cannot be told so.
	_, _ = io.WriteString(s.out, text)
}

// quoter is a writer whose lines are told as those of somebody else. The last
// ones are kept to explain a failure.
type quoter struct {
	story *story
	who   string
	quiet bool // keep only

	shorten func(line string) string // what is shown of a line; nil shows all of it

	mu   sync.Mutex // guards what follows
	part []byte     // of a line that is not complete
	last []string
}

// kept is how many lines a quoter remembers.
const kept = 20

// Write implements io.Writer.
func (q *quoter) Write(b []byte) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.part = append(q.part, b...)
	for {
		line, rest, complete := strings.Cut(string(q.part), "\n")
		if !complete {
			return len(b), nil
		}
		q.part = []byte(rest)
		q.last = append(q.last, line)
		q.last = q.last[max(0, len(q.last)-kept):]
		if q.shorten != nil {
			line = q.shorten(line)
		}
		if !q.quiet {
			q.story.quote(q.who, line)
		}
	}
}

// tail is the last lines.
func (q *quoter) tail() string {
	q.mu.Lock()
	defer q.mu.Unlock()
	return strings.Join(q.last, "\n")
}
