package main

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// Conditions under which a listed test may skip.
const (
	needsRoot   = "root"   // only where the tests do not run as root
	needsKernel = "kernel" // wherever the kernel lacks the feature
)

// skip is one line of the list.
type skip struct {
	test
	condition string
	words     string
}

// readSkips reads the list: one test a line, as package (its end suffices),
// test, condition and words that say what it needs. Blank lines and lines that
// begin with # are left out.
func readSkips(name string) ([]skip, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // nothing was written
	var list []skip
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		fields := strings.Fields(line)
		if len(fields) < 4 || fields[2] != needsRoot && fields[2] != needsKernel {
			return nil, fmt.Errorf("%s, line %d: want PACKAGE TEST root|kernel WORDS", name, n)
		}
		list = append(list, skip{test{fields[0], fields[1]}, fields[2], strings.Join(fields[3:], " ")})
	}
	return list, lines.Err()
}

// covers reports whether the line names t or a test that t is part of.
func (s skip) covers(t test) bool {
	samePackage := t.pkg == s.pkg || strings.HasSuffix(t.pkg, "/"+s.pkg)
	return samePackage && (t.name == s.name || strings.HasPrefix(t.name, s.name+"/"))
}

// judge prints the skips and compares them with the list.
func judge(out io.Writer, tests seen, allowed []skip, root bool) error {
	skipped := make([]test, 0, len(tests.skipped))
	for t := range tests.skipped {
		skipped = append(skipped, t)
	}
	slices.SortFunc(skipped, func(a, b test) int { return cmp.Or(cmp.Compare(a.pkg, b.pkg), cmp.Compare(a.name, b.name)) })

	var bad []error
	for _, t := range skipped {
		fmt.Fprintf(out, "skipped: %s %s: %s\n", t.pkg, t.name, tests.skipped[t])
		if !mayskip(t, allowed, root) {
			bad = append(bad, fmt.Errorf("%s %s was skipped and is not among the allowed skips (as root: %t); `make deps` installs what tests need", t.pkg, t.name, root))
		}
	}
	for _, s := range allowed {
		if !wasRun(tests, s) {
			bad = append(bad, fmt.Errorf("%s %s is an allowed skip, but there is no such test: correct the list", s.pkg, s.name))
		}
	}
	return errors.Join(bad...)
}

func mayskip(t test, allowed []skip, root bool) bool {
	return slices.ContainsFunc(allowed, func(s skip) bool {
		return s.covers(t) && !(s.condition == needsRoot && root)
	})
}

func wasRun(tests seen, s skip) bool {
	for t := range tests.ran {
		if s.covers(t) {
			return true
		}
	}
	return false
}
