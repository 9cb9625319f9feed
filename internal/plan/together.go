package plan

import (
	"fmt"
	"slices"
	"strings"
)

// Together has what stands of several targets in the same words said once, of
// all of them, as bad as the worst: nobody reads it again to find out that it is
// the same. A problem of a certificate as a whole is another one than that of a
// target. It is for people: Target is a list then.
func Together(problems []Problem) []Problem {
	type alike struct {
		code                        Code
		cert, words, detail, remedy string
		whole                       bool
	}
	var all []Problem
	at := map[alike]int{}
	targets := map[int][]string{}
	for _, p := range problems {
		key := alike{p.Code, p.Cert, p.Words, strings.Join(p.Detail, "\n"), p.Remedy, p.Target == ""}
		i, seen := at[key]
		if !seen {
			i = len(all)
			at[key], all = i, append(all, p)
		}
		if p.Severity == Critical {
			all[i].Severity = Critical
		}
		if p.Target != "" && !slices.Contains(targets[i], p.Target) {
			targets[i] = append(targets[i], p.Target)
		}
	}
	for i, names := range targets {
		all[i].Target = Several(names)
	}
	return all
}

// mostNamed is how many names of several are said.
const mostNamed = 10

// Several lists names, of many the first.
func Several(names []string) string {
	if more := len(names) - mostNamed; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:mostNamed], ", "), more)
	}
	return strings.Join(names, ", ")
}
