package plan_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/certkeep/certkeep/internal/plan"
)

// What differs in its target alone is one problem to a person, as bad as the
// worst of them; whatever else differs is another one.
func TestTogether(t *testing.T) {
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
		want []string
	}{
		"none":              {nil, nil},
		"alone":             {[]plan.Problem{about("default", nil)}, []string{"warning default: it is full"}},
		"targets":           {[]plan.Problem{about("a", nil), about("b", nil), about("default", nil)}, []string{"warning a, b, default: it is full"}},
		"same target":       {[]plan.Problem{about("a", nil), about("a", nil)}, []string{"warning a: it is full"}},
		"no target":         {[]plan.Problem{about("", nil), about("", nil)}, []string{"warning : it is full"}},
		"whole and part":    {[]plan.Problem{about("", nil), about("a", nil)}, []string{"warning : it is full", "warning a: it is full"}},
		"other certificate": {[]plan.Problem{about("a", nil), about("b", func(p *plan.Problem) { p.Cert = "mail" })}, []string{"warning a: it is full", "warning b: it is full"}},
		"other words":       {[]plan.Problem{about("a", nil), about("b", func(p *plan.Problem) { p.Words = "it is gone" }), about("c", nil)}, []string{"warning a, c: it is full", "warning b: it is gone"}},
		"other detail":      {[]plan.Problem{about("a", nil), about("b", func(p *plan.Problem) { p.Detail = nil })}, []string{"warning a: it is full", "warning b: it is full"}},
		"other remedy":      {[]plan.Problem{about("a", nil), about("b", func(p *plan.Problem) { p.Remedy = "" })}, []string{"warning a: it is full", "warning b: it is full"}},
		"other code":        {[]plan.Problem{about("a", nil), about("b", func(p *plan.Problem) { p.Code = plan.CodeDeploy })}, []string{"warning a: it is full", "warning b: it is full"}},
		"worst":             {[]plan.Problem{about("a", nil), about("b", func(p *plan.Problem) { p.Severity = plan.Critical })}, []string{"critical a, b: it is full"}},
		"many":              {many, []string{"warning t0, t1, t2, t3, t4, t5, t6, t7, t8, t9 and 3 more: it is full"}},
	} {
		before := slices.Clone(c.all)
		var got []string
		for _, p := range plan.Together(c.all) {
			got = append(got, fmt.Sprintf("%s %s: %s", p.Severity, p.Target, p.Words))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
		for i, p := range c.all {
			if p.Target != before[i].Target || p.Severity != before[i].Severity {
				t.Errorf("%s: what was handed in was changed: %+v", name, p)
			}
		}
	}
}
