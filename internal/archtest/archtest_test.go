// Package archtest keeps the rules of ARCHITECTURE.md. It holds tests only:
// each rule reads the source of the whole module and names every place that
// breaks it, together with the reason why the rule exists.
//
// Start with rules, the list of them. A rule is a function from a tree to its
// offences and carries small sources of its own: bad ones that it must catch
// and good ones that it must let pass, so that no rule can fall asleep.
package archtest

import (
	"slices"
	"strings"
	"testing"
)

// rule is one promise that the source keeps.
type rule struct {
	name  string
	why   string // told to whoever breaks it
	check func(t *tree) []string
	bad   []source // each must be caught
	good  []source // each must pass
}

// rules lists every rule. A rule without a bad source is refused.
func rules() []rule {
	return slices.Concat(layerRules(), purityRules(), stateRules(), effectRules(), shapeRules(), moduleRules(), documentRules(), securityRules())
}

func TestRules(t *testing.T) {
	t.Parallel()
	whole, err := readTree(moduleRoot(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rules() {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			if found := r.check(whole); len(found) > 0 {
				t.Errorf("broken at\n\t%s\nwhy: %s", strings.Join(found, "\n\t"), r.why)
			}
		})
	}
}

func TestRulesCatchOffenders(t *testing.T) {
	t.Parallel()
	for _, r := range rules() {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			if len(r.bad) == 0 || r.why == "" {
				t.Fatal("a rule needs a reason and a source that breaks it")
			}
			for _, src := range r.bad {
				if found := r.check(parseTree(t, src)); len(found) == 0 {
					t.Errorf("not caught:\n%s", src)
				}
			}
			for _, src := range r.good {
				if found := r.check(parseTree(t, src)); len(found) > 0 {
					t.Errorf("caught without cause:\n%s\n\t%s", src, strings.Join(found, "\n\t"))
				}
			}
		})
	}
}
