package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// event is one line of go test -json; see go doc test2json.
type event struct {
	Action  string
	Package string
	Test    string
	Output  string
}

// test names one test or subtest.
type test struct{ pkg, name string }

// seen is what became of the tests.
type seen struct {
	ran     map[test]bool   // every test that began
	skipped map[test]string // with the words that it gave
}

// follow prints the events as go test without -v does: nothing of a test that
// passes, all of one that fails, one line per package.
func follow(out io.Writer, events io.Reader) (seen, error) {
	tests := seen{ran: map[test]bool{}, skipped: map[test]string{}}
	said := map[test][]string{}
	lines := bufio.NewReader(events)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			if json.Unmarshal(line, &e) != nil {
				// go itself speaks in plain lines before it knows a package.
				e = event{Action: "build-output", Output: string(line)}
			}
			if err := tests.take(out, said, e); err != nil {
				return tests, err
			}
		}
		if errors.Is(err, io.EOF) {
			return tests, nil
		}
		if err != nil {
			return tests, err
		}
	}
}

// take handles one event. said holds the output of tests that have not ended.
func (s seen) take(out io.Writer, said map[test][]string, e event) error {
	id := test{e.Package, e.Test}
	var words string
	switch {
	case e.Action == "build-output":
		words = e.Output
	case e.Test == "":
		words = packageLine(e)
		if e.Action == "fail" {
			words += unfinished(said, e.Package)
		}
	case e.Action == "run":
		s.ran[id] = true
	case e.Action == "output":
		said[id] = append(said[id], e.Output)
	case e.Action == "fail":
		words = strings.Join(said[id], "")
		delete(said, id)
	case e.Action == "skip":
		s.skipped[id] = reason(said[id])
		delete(said, id)
	case e.Action == "pass":
		delete(said, id)
	}
	_, err := io.WriteString(out, words)
	return err
}

// packageLine is what go test prints for a package as a whole.
func packageLine(e event) string {
	if e.Action == "output" && e.Output != "PASS\n" && !strings.HasPrefix(e.Output, "testing: warning: no tests to run") {
		return e.Output
	}
	return ""
}

// unfinished is the output of tests that never ended, as after a panic or a
// timeout.
func unfinished(said map[test][]string, pkg string) string {
	var b strings.Builder
	for id, lines := range said {
		if id.pkg == pkg {
			fmt.Fprintf(&b, "--- did not end: %s\n%s", id.name, strings.Join(lines, ""))
			delete(said, id)
		}
	}
	return b.String()
}

// reason is what a test said when it was skipped.
func reason(lines []string) string {
	var words []string
	for _, line := range lines {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "===") && !strings.HasPrefix(line, "---") {
			words = append(words, line)
		}
	}
	return strings.Join(words, " ")
}
