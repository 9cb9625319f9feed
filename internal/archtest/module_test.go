package archtest

import (
	"fmt"
	"slices"
	"strings"
)

// dependencyTable is the document that gives a reason for every module we use.
const dependencyTable = "docs/decisions/0004-dependencies.md"

func moduleRules() []rule {
	return []rule{
		{
			name:  "users do not inherit our tools",
			why:   "whoever builds or imports Certkeep must not download a test CA or a linter; tools have a go.mod of their own in tools/",
			check: noToolsForUsers,
			bad: []source{
				"-- go.mod --\nmodule m\nrequire (\n\tgithub.com/letsencrypt/pebble/v2 v2.10.1 // indirect\n)\n",
				"-- go.mod --\nmodule m\nrequire mvdan.cc/gofumpt v0.12.0\n",
				"-- go.mod --\nmodule m\ntool honnef.co/go/tools/cmd/staticcheck\n",
				"-- go.mod --\nmodule m\nreplace github.com/miekg/dns => ../dns\n",
			},
			good: []source{"-- go.mod --\nmodule m\nrequire github.com/miekg/dns v1.1.73\n"},
		},
		{
			name:  "every dependency has a reason",
			why:   "the standard library comes first; a module that is used stands with reason, maintainer and licence in " + dependencyTable,
			check: dependenciesHaveReasons,
			bad: []source{
				"-- internal/dns/a.go --\npackage dns\nimport _ \"github.com/left/pad\"\n-- " + dependencyTable + " --\n| `github.com/miekg/dns` |\n",
			},
			good: []source{
				"-- internal/dns/a.go --\npackage dns\nimport _ \"github.com/miekg/dns/dnsutil\"\nimport _ \"net/http\"\n-- " + dependencyTable + " --\n| `github.com/miekg/dns` |\n",
			},
		},
	}
}

// modFile returns the directives of a go.mod as "verb argument", blocks
// unfolded, comments cut.
func modFile(text string) []string {
	var lines []string
	block := ""
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "//")
		line = strings.TrimSpace(line)
		switch {
		case line == "":
		case line == ")":
			block = ""
		case strings.HasSuffix(line, "("):
			block = strings.TrimSpace(strings.TrimSuffix(line, "(")) + " "
		default:
			lines = append(lines, block+line)
		}
	}
	return lines
}

func noToolsForUsers(t *tree) []string {
	tools := []string{"letsencrypt/pebble", "letsencrypt/challtestsrv", "mvdan.cc/gofumpt", "honnef.co/go/tools", "goreleaser/nfpm"}
	var found []string
	for _, line := range modFile(t.texts["go.mod"]) {
		verb, _, _ := strings.Cut(line, " ")
		if verb == "tool" || verb == "replace" || slices.ContainsFunc(tools, func(s string) bool { return strings.Contains(line, s) }) {
			found = append(found, "go.mod: "+line)
		}
	}
	return found
}

func dependenciesHaveReasons(t *tree) []string {
	var known []string
	for i, word := range strings.Split(t.texts[dependencyTable], "`") {
		if i%2 == 1 { // between backquotes
			known = append(known, word)
		}
	}
	var found []string
	for _, f := range t.files {
		for _, where := range f.imports() {
			first, _, _ := strings.Cut(where, "/")
			if _, our := ours(where); our || !strings.Contains(first, ".") {
				continue
			}
			reasoned := slices.ContainsFunc(known, func(m string) bool { return where == m || strings.HasPrefix(where, m+"/") })
			if !reasoned {
				found = append(found, fmt.Sprintf("%s: imports %s", f.path, where))
			}
		}
	}
	return found
}
