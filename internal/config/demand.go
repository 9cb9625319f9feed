package config

import (
	"errors"
	"fmt"
	"strings"
)

// Source is where a configuration comes from: a file, or a text of the same
// keys in memory.
type Source struct {
	Path string // with the conf.d beside it; "" where Text counts
	Text []byte
	// Demanded are certificates that nobody declared: names that visitors
	// asked for. Each is like a certificate without a setting of its own.
	Demanded []string
}

// Load reads it, as the functions Load and LoadBytes do.
func (s Source) Load() (*Config, []Warning, error) {
	if s.Path == "" {
		out := &findings{files: []string{"the configuration in memory"}}
		return decode(out, s.demand([]*node{parseYAML(out, 0, s.Text)}), noFacts())
	}
	return load(s.Path, nil, s.demand)
}

// demand adds a configuration that declares what is demanded and nowhere else.
func (s Source) demand(trees []*node) []*node {
	declared := map[string]bool{}
	for _, tree := range trees {
		if tree == nil || !tree.has("certificates") {
			continue
		}
		for _, p := range tree.get("certificates").value.pairs {
			declared[p.key] = true
		}
	}
	more := &node{kind: table}
	for _, name := range s.Demanded {
		if !declared[name] {
			more.pairs = append(more.pairs, pair{key: name, value: &node{kind: null}})
		}
	}
	if len(more.pairs) == 0 {
		return trees
	}
	return append(trees, &node{kind: table, pairs: []pair{{key: "certificates", value: more}}})
}

// CheckDemanded reports why a name cannot be a certificate's on demand: it is
// no DNS name in ASCII and small letters with a dot in it.
func CheckDemanded(name string) error {
	canonical, wrong, _ := checkName(name)
	switch {
	case wrong != "":
		return errors.New(wrong)
	case canonical != name || isIP(name) || strings.HasPrefix(name, "*") || !strings.Contains(name, "."):
		return fmt.Errorf("%q is no name that is asked for in this form", name)
	}
	return nil
}
