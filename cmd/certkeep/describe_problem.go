package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/certkeep/certkeep/internal/plan"
)

// fault says what went wrong in an attempt of its own, as a problem does.
func (r renderer) fault(f plan.Fault) string {
	return r.problem(plan.Problem{Code: f.Code, Severity: plan.Critical, Words: f.Words, Detail: f.Detail, Remedy: f.Code.Remedy()})
}

// problems says what is wrong. What stands of several targets in the same words
// is said once, of all of them: nobody reads it again to find out that it is the
// same.
func (r renderer) problems(all []plan.Problem) string {
	var b strings.Builder
	for i, p := range all {
		like := func(q plan.Problem) bool { return alike(p, q) }
		if slices.ContainsFunc(all[:i], like) {
			continue
		}
		var targets []string
		for _, q := range all[i:] {
			if !like(q) {
				continue
			}
			if q.Target != "" && !slices.Contains(targets, q.Target) {
				targets = append(targets, q.Target)
			}
			if q.Severity == plan.Critical {
				p.Severity = q.Severity
			}
		}
		if len(targets) > 1 {
			p.Target = someOf(targets)
		}
		b.WriteString(r.problem(p))
	}
	return b.String()
}

// alike reports whether two problems differ in nothing that a person is told,
// but for their targets. That of a certificate as a whole is another one than
// that of a target.
func alike(p, q plan.Problem) bool {
	return p.Code == q.Code && p.Cert == q.Cert && (p.Target == "") == (q.Target == "") &&
		p.Words == q.Words && p.Remedy == q.Remedy && slices.Equal(p.Detail, q.Detail)
}

// shownTargets is how many targets a problem names.
const shownTargets = 10

// someOf lists names, of many the first.
func someOf(names []string) string {
	if more := len(names) - shownTargets; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:shownTargets], ", "), more)
	}
	return strings.Join(names, ", ")
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
