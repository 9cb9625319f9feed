package main

import (
	"strings"

	"github.com/certkeep/certkeep/internal/plan"
)

// fault says what went wrong in an attempt of its own, as a problem does.
func (r renderer) fault(f plan.Fault) string {
	return r.problem(plan.Problem{Code: f.Code, Severity: plan.Critical, Words: f.Words, Detail: f.Detail, Remedy: f.Code.Remedy()})
}

// problems says what is wrong, of several targets once.
func (r renderer) problems(all []plan.Problem) string {
	var b strings.Builder
	for _, p := range plan.Together(all) {
		b.WriteString(r.problem(p))
	}
	return b.String()
}

// problem says what is wrong, in whose words, and what to do.
func (r renderer) problem(p plan.Problem) string {
	var b strings.Builder
	c := yellow
	if p.Severity == plan.Critical {
		c = red
	}
	words := p.Words
	if p.Target != "" && p.Target != "default" {
		words = p.Target + ": " + words
	}
	lines := wrap(string(p.Code)+": "+words, r.width-4)
	for i, line := range lines {
		mark := "! "
		if i > 0 {
			mark = "  "
		}
		b.WriteString("  " + r.paint(c, mark+line) + "\n")
	}
	for _, d := range p.Detail {
		b.WriteString(indent(wrap(d, r.width-6), 6))
	}
	b.WriteString(indent(wrap(p.Remedy, r.width-4), 4))
	return b.String()
}
