package archtest

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// guides are the documents that describe the tree as it is now. Decisions are
// not among them: they keep what was true when they were taken.
func guides() []string {
	return []string{"ARCHITECTURE.md", "CONTRIBUTING.md", "README.md", "SECURITY.md", threats}
}

func documentRules() []rule {
	return []rule{
		{
			name:  "guides name only what exists",
			why:   "a guide that points at a file that is gone sends the reader astray; it is corrected in the change that moves the file",
			check: guidesAreTrue,
			bad:   []source{"-- ARCHITECTURE.md --\nSee `internal/gone/gone.go`.\n"},
			good:  []source{"-- ARCHITECTURE.md --\nSee `internal/plan/plan.go` and `internal/plan`, run `go test ./internal/...`.\n-- internal/plan/plan.go --\npackage plan\n"},
		},
		{
			name:  "every room stands in ARCHITECTURE.md",
			why:   "a newcomer learns there which rooms exist; a room that is missing is found by chance",
			check: roomsAreDescribed,
			bad:   []source{"-- ARCHITECTURE.md --\nNothing.\n-- internal/plan/plan.go --\npackage plan\n"},
			good:  []source{"-- ARCHITECTURE.md --\n`internal/plan` decides.\n-- internal/plan/plan.go --\npackage plan\n"},
		},
		{
			name:  "documents cite no line numbers",
			why:   "the next change moves the line; name the file and the function",
			check: noLineNumbers,
			bad:   []source{"-- docs/STORE.md --\nSee store.go:12.\n"},
			good:  []source{"-- docs/STORE.md --\nSee `Open` in store.go: it takes the lock.\n"},
		},
	}
}

func guidesAreTrue(t *tree) []string {
	named := regexp.MustCompile("`((?:internal|cmd|docs|tools|scripts|demo|bench|\\.ci)/[A-Za-z0-9_./-]*)`")
	var found []string
	for _, guide := range guides() {
		for _, m := range named.FindAllStringSubmatch(t.texts[guide], -1) {
			if where := strings.TrimSuffix(m[1], "/"); !t.paths[where] {
				found = append(found, fmt.Sprintf("%s: names %s", guide, where))
			}
		}
	}
	return found
}

func roomsAreDescribed(t *tree) []string {
	var found []string
	seen := map[string]bool{}
	for _, f := range t.files {
		if !seen[f.dir] && !strings.Contains(t.texts["ARCHITECTURE.md"], "`"+f.dir+"`") {
			found = append(found, f.dir+" is not named")
		}
		seen[f.dir] = true
	}
	return found
}

func noLineNumbers(t *tree) []string {
	line := regexp.MustCompile(`\.go:\d+`)
	var found []string
	for _, name := range slices.Sorted(maps.Keys(t.texts)) {
		for _, cited := range line.FindAllString(t.texts[name], -1) {
			found = append(found, fmt.Sprintf("%s: cites %s", name, cited))
		}
	}
	return found
}
