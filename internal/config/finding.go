package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Finding is something in a configuration that a person should look at.
type Finding struct {
	File   string `json:"file,omitempty"`
	Line   int    `json:"line,omitempty"`   // from 1; 0 where the whole file is meant
	Column int    `json:"column,omitempty"` // in characters, from 1
	Words  string `json:"words"`            // what is wrong
	Hint   string `json:"hint,omitempty"`   // what to write instead
}

// String renders the finding as "file:line:column: words; hint".
func (f Finding) String() string {
	var b strings.Builder
	if f.File != "" {
		b.WriteString(f.File)
		if f.Line > 0 {
			fmt.Fprintf(&b, ":%d:%d", f.Line, f.Column)
		}
		b.WriteString(": ")
	}
	b.WriteString(f.Words)
	if f.Hint != "" {
		b.WriteString("; ")
		b.WriteString(f.Hint)
	}
	return b.String()
}

// Warning is a Finding that does not keep a configuration from being used.
type Warning Finding

// String renders the warning like a Finding.
func (w Warning) String() string { return Finding(w).String() }

// Errors are the findings for which a configuration is refused, in the order
// of their place. It is never empty as an error.
type Errors []Finding

// shownErrors is how many findings Error renders: ten thousand certificates
// can share one mistake.
const shownErrors = 50

// Error renders one finding per line.
func (e Errors) Error() string {
	var lines []string
	for i, f := range e {
		if i == shownErrors {
			lines = append(lines, fmt.Sprintf("… and %d more", len(e)-i))
			break
		}
		lines = append(lines, f.String())
	}
	return strings.Join(lines, "\n")
}

// compareFindings orders findings by place; files keep the order in which
// they were read.
func compareFindings(files []string) func(a, b Finding) int {
	return func(a, b Finding) int {
		return cmp.Or(
			cmp.Compare(slices.Index(files, a.File), slices.Index(files, b.File)),
			cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Column, b.Column),
		)
	}
}
