package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/certkeep/certkeep/internal/plan"
)

// TestProblemsAreSaidOnce: what differs in its target alone is one problem to a
// person, as bad as the worst of them; whatever else differs is another one.
func TestProblemsAreSaidOnce(t *testing.T) {
	t.Parallel()
	about := func(target string, change func(*plan.Problem)) plan.Problem {
		p := plan.Problem{Code: plan.CodeDisk, Severity: plan.Warning, Cert: "www", Target: target, Words: "it is full", Detail: []string{"of logs"}, Remedy: "make room"}
		if change != nil {
			change(&p)
		}
		return p
	}
	many := make([]plan.Problem, 13)
	for i := range many {
		many[i] = about(fmt.Sprintf("t%d", i), nil)
	}
	for name, c := range map[string]struct {
		all  []plan.Problem
		want []string // the first lines
	}{
		"none":           {nil, nil},
		"alone":          {[]plan.Problem{about("default", nil)}, []string{"it is full"}},
		"targets":        {[]plan.Problem{about("a", nil), about("b", nil), about("default", nil)}, []string{"a, b, default: it is full"}},
		"same target":    {[]plan.Problem{about("a", nil), about("a", nil)}, []string{"a: it is full"}},
		"no target":      {[]plan.Problem{about("", nil), about("", nil)}, []string{"it is full"}},
		"whole and part": {[]plan.Problem{about("", nil), about("a", nil)}, []string{"it is full", "a: it is full"}},
		"other words":    {[]plan.Problem{about("a", nil), about("b", func(p *plan.Problem) { p.Words = "it is gone" }), about("c", nil)}, []string{"a, c: it is full", "b: it is gone"}},
		"other detail":   {[]plan.Problem{about("a", nil), about("b", func(p *plan.Problem) { p.Detail = nil })}, []string{"a: it is full", "b: it is full"}},
		"other remedy":   {[]plan.Problem{about("a", nil), about("b", func(p *plan.Problem) { p.Remedy = "" })}, []string{"a: it is full", "b: it is full"}},
		"many":           {many, []string{"t0, t1, t2, t3, t4, t5, t6, t7, t8, t9 and 3 more: it is full"}},
	} {
		r := renderer{width: 200, paint: func(_ colour, text string) string { return text }}
		var got []string
		for line := range strings.Lines(r.problems(c.all)) {
			if words, first := strings.CutPrefix(line, "  ! disk-write-failed: "); first {
				got = append(got, strings.TrimSpace(words))
			}
		}
		if strings.Join(got, "\n") != strings.Join(c.want, "\n") {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	r := renderer{width: 200, paint: func(c colour, text string) string { return fmt.Sprint(c == red) + text }}
	worst := r.problems([]plan.Problem{about("a", nil), about("b", func(p *plan.Problem) { p.Severity = plan.Critical })})
	if !strings.HasPrefix(worst, "  true! ") {
		t.Errorf("of a warning and what is critical: %q", worst)
	}
}
