package archtest

import (
	"fmt"
	"go/ast"
	"slices"
)

// pureImports is all that plan may import: packages without a clock of their
// own, dice, log, files or network. Package time is here for its types; what
// reads the clock is refused by a rule of its own.
func pureImports() []string {
	return []string{"cmp", "errors", "fmt", "hash/fnv", "iter", "maps", "slices", "strconv", "strings", "time", "unicode", "unicode/utf8"}
}

// clockFuncs are the functions of package time that look at the clock.
func clockFuncs() []string {
	return []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTicker", "NewTimer", "Local"}
}

func purityRules() []rule {
	return []rule{
		{
			name:  "plan imports only pure packages",
			why:   "a decision that reads a file, logs, rolls dice or parses a certificate cannot be shown beforehand by `certkeep plan`, nor tested over ten simulated years",
			check: planIsPure,
			bad: []source{
				"-- internal/plan/plan.go --\npackage plan\nimport _ \"os\"\n",
				"-- internal/plan/plan.go --\npackage plan\nimport _ \"math/rand/v2\"\n",
				"-- internal/plan/plan.go --\npackage plan\nimport _ \"crypto/x509\"\n",
			},
			good: []source{"-- internal/plan/plan.go --\npackage plan\nimport _ \"slices\"\n"},
		},
		{
			name:  "plan does not look at the clock",
			why:   "the instant is given to plan: the same world and instant must give the same steps, in a test, in a simulation and in the daemon",
			check: planHasNoClock,
			bad: []source{
				"-- internal/plan/plan.go --\npackage plan\nimport \"time\"\nfunc f() time.Time { return time.Now() }\n",
				"-- internal/plan/plan.go --\npackage plan\nimport clock \"time\"\nvar later = clock.Until\n",
			},
			good: []source{"-- internal/plan/plan.go --\npackage plan\nimport \"time\"\nconst day = 24 * time.Hour\n"},
		},
		{
			name:  "status reaches neither engine, issuer, challenge nor deploy",
			why:   "status must work while the engine hangs, and tell the same story as plan: it reads the store and asks plan, nothing else",
			check: statusOnlyReads,
			bad: []source{
				"-- internal/status/status.go --\npackage status\nimport _ \"github.com/certkeep/certkeep/internal/deploy\"\n",
				"-- internal/status/web/web.go --\npackage web\nimport _ \"github.com/certkeep/certkeep/internal/engine\"\n",
				"-- internal/status/status.go --\npackage status\nimport _ \"github.com/certkeep/certkeep/internal/verify\"\n" +
					"-- internal/verify/verify.go --\npackage verify\nimport _ \"github.com/certkeep/certkeep/internal/issuer\"\n",
			},
			good: []source{"-- internal/status/status.go --\npackage status\nimport _ \"github.com/certkeep/certkeep/internal/plan\"\n"},
		},
		{
			name:  "only cmd reads config files",
			why:   "a room that reads the config by itself sees another config than the rest during a reload; every room is given what it needs",
			check: onlyCmdLoadsConfig,
			bad:   []source{"-- internal/daemon/daemon.go --\npackage daemon\nimport \"github.com/certkeep/certkeep/internal/config\"\nvar _, _ = config.Load(\"x\")\n"},
			good: []source{
				"-- cmd/certkeep/config.go --\npackage main\nimport \"github.com/certkeep/certkeep/internal/config\"\nvar _, _ = config.Load(\"x\")\n",
				"-- internal/daemon/daemon_test.go --\npackage daemon\nimport \"github.com/certkeep/certkeep/internal/config\"\nvar _, _ = config.Load(\"x\")\n",
			},
		},
	}
}

func planIsPure(t *tree) []string {
	var found []string
	for _, f := range t.production() {
		if f.dir != "internal/plan" {
			continue
		}
		for _, where := range f.imports() {
			if !slices.Contains(pureImports(), where) {
				found = append(found, fmt.Sprintf("%s: imports %s", f.path, where))
			}
		}
	}
	return found
}

func planHasNoClock(t *tree) []string {
	var found []string
	for _, f := range t.production() {
		if f.dir != "internal/plan" {
			continue
		}
		f.selected(func(importPath, name string, at ast.Node) {
			if importPath == "time" && slices.Contains(clockFuncs(), name) {
				found = append(found, t.at(at, "uses time.%s", name))
			}
		})
	}
	return found
}

// statusOnlyReads follows the imports of status through the whole house.
func statusOnlyReads(t *tree) []string {
	below := map[string][]string{}
	eachImport(t, func(f *file, to string) { below[f.dir] = append(below[f.dir], to) })
	var found []string
	seen := map[string]bool{}
	var walk func(dir, way string)
	walk = func(dir, way string) {
		if seen[dir] {
			return
		}
		seen[dir] = true
		if slices.Contains([]string{"internal/engine", "internal/issuer", "internal/challenge", "internal/deploy"}, dir) {
			found = append(found, way)
		}
		for _, to := range below[dir] {
			walk(to, way+" imports "+to)
		}
	}
	for _, room := range []string{"internal/status", "internal/status/metrics", "internal/status/web"} {
		walk(room, room)
	}
	return found
}

func onlyCmdLoadsConfig(t *tree) []string {
	var found []string
	for _, f := range t.production() {
		if f.dir == "cmd/certkeep" || f.dir == "internal/config" {
			continue
		}
		f.selected(func(importPath, name string, at ast.Node) {
			if dir, _ := ours(importPath); dir == "internal/config" && name == "Load" {
				found = append(found, t.at(at, "calls config.%s", name))
			}
		})
	}
	return found
}
