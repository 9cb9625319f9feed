package archtest

import (
	"fmt"
	"slices"
	"strings"
)

// layerOf is the table of ARCHITECTURE.md. A room imports rooms of lower
// layers only.
func layerOf(dir string) (layer int, known bool) {
	layer, known = map[string]int{
		"cmd/certkeep": 7,

		".": 6,

		"internal/daemon": 5,

		"internal/engine": 4,
		"internal/status": 4,

		"internal/status/metrics": 4,
		"internal/status/web":     4,

		"internal/issuer":    3,
		"internal/challenge": 3,
		"internal/dns":       3,
		"internal/deploy":    3,
		"internal/handover":  3,
		"internal/verify":    3,
		"internal/ocsp":      3,
		"internal/crl":       3,
		"internal/ct":        3,
		"internal/serve":     3,
		"internal/webserver": 3,
		"internal/notify":    3,

		"internal/config":         2,
		"internal/config/acmebot": 2,
		"internal/store":          2,
		"internal/store/backend":  2,
		"internal/store/dir":      2,
		"internal/socket":         2,

		"internal/plan":     1,
		"internal/keys":     1,
		"internal/chain":    1,
		"internal/dane":     1,
		"internal/durable":  1,
		"internal/network":  1,
		"internal/command":  1,
		"internal/service":  1,
		"internal/keystore": 1,
		"internal/seal":     1,
		"internal/params":   1,
		"internal/hpkp":     1,
		"internal/front":    1,

		"internal/store/plainjson": 1, // knows JSON, and nothing of the store
	}[dir]
	return layer, known
}

// forTests reports whether dir is for tests alone: its name ends in "test",
// or it is the faulty disk, the simulator, or the NixOS module or the
// files for service managers, whose Go tests them.
func forTests(dir string) bool {
	return strings.HasSuffix(dir, "test") || dir == "internal/faultfs" || dir == "nix" || dir == "contrib" || dir == "internal/sim" || strings.HasPrefix(dir, "internal/sim/")
}

// forDevelopers reports whether dir holds programs that are run from the
// source and never installed, or tests of what is no Go. Nothing imports them.
func forDevelopers(dir string) bool {
	top, _, _ := strings.Cut(dir, "/")
	return slices.Contains([]string{"demo", "bench", "scripts", "guix", "packaging"}, top)
}

// sideways are the imports inside one layer that are meant.
func sideways() []edge {
	return []edge{
		{"internal/challenge", "internal/dns", "dns-01 writes its record through a way to write records"},
		{"internal/handover", "internal/deploy", "what is handed over are installations"},
		{"internal/issuer", "internal/challenge", "an order names the challenges that its solvers answer"},
		{"internal/chain", "internal/keys", "a chain must fit a key, and the fingerprint is defined with the keys"},
		{"internal/config", "internal/config/acmebot", "Load reads acmebot's configuration too"},
		{"internal/store", "internal/store/dir", "Open opens the backend in a folder"},
		{"internal/store", "internal/store/backend", "the store lies over any backend"},
		{"internal/store/dir", "internal/store/backend", "a folder is one backend"},
		{"internal/status/metrics", "internal/status", "metrics are a snapshot, said to Prometheus"},
		{"internal/status/web", "internal/status", "the page is a snapshot, said to browsers"},
		{"internal/status/web", "internal/status/metrics", "metrics are among what is asked for"},
	}
}

type edge struct{ from, to, why string }

func (e edge) String() string { return e.from + " imports " + e.to }

func layerRules() []rule {
	return []rule{
		{
			name:  "every room has a layer",
			why:   "a room without a place in the table of ARCHITECTURE.md is bound by no rule; add it to layerOf, forTests or forDevelopers, and to ARCHITECTURE.md",
			check: everyRoomHasALayer,
			bad:   []source{"-- internal/shed/shed.go --\npackage shed\n"},
			good:  []source{"-- internal/plan/plan.go --\npackage plan\n", "-- demo/main.go --\npackage main\n"},
		},
		{
			name:  "imports go to lower layers",
			why:   "whoever reads a room needs to know the rooms below it and no other; an import upwards or sideways ends that, and circles begin with it",
			check: importsGoDown,
			bad: []source{
				"-- internal/plan/plan.go --\npackage plan\nimport _ \"github.com/certkeep/certkeep/internal/store\"\n",
				"-- internal/deploy/deploy.go --\npackage deploy\nimport _ \"github.com/certkeep/certkeep/internal/verify\"\n",
				"-- internal/dns/dns.go --\npackage dns\nimport _ \"github.com/certkeep/certkeep/internal/challenge\"\n",
				"-- internal/store/store.go --\npackage store\nimport _ \"github.com/certkeep/certkeep/demo\"\n",
			},
			good: []source{
				"-- internal/challenge/dns01.go --\npackage challenge\nimport _ \"github.com/certkeep/certkeep/internal/dns\"\n",
				"-- internal/engine/engine.go --\npackage engine\nimport _ \"github.com/certkeep/certkeep/internal/plan\"\n",
				"-- internal/dns/dns_test.go --\npackage dns_test\nimport _ \"github.com/certkeep/certkeep/internal/challenge\"\n",
			},
		},
		{
			name:  "sideways imports are still needed",
			why:   "an exception that nobody uses invites the next one",
			check: sidewaysAreUsed,
			bad:   []source{"-- internal/challenge/dns01.go --\npackage challenge\n-- internal/dns/dns.go --\npackage dns\n"},
			good:  []source{"-- internal/plan/plan.go --\npackage plan\n"},
		},
		{
			name:  "production imports nothing made for tests",
			why:   "no production code knows that it is tested: the CA, DNS, the web, the disk's faults and the clock are replaced from outside",
			check: noTestCodeInProduction,
			bad: []source{
				"-- internal/store/store.go --\npackage store\nimport _ \"github.com/certkeep/certkeep/internal/faultfs\"\n",
				"-- internal/engine/engine.go --\npackage engine\nimport _ \"testing\"\n",
				"-- internal/verify/verify.go --\npackage verify\nimport _ \"net/http/httptest\"\n",
			},
			good: []source{
				"-- internal/store/store_test.go --\npackage store\nimport _ \"testing\"\n",
				"-- internal/acmetest/pebble.go --\npackage acmetest\nimport _ \"testing\"\n",
			},
		},
	}
}

func everyRoomHasALayer(t *tree) []string {
	var found []string
	for _, f := range t.files {
		if _, known := layerOf(f.dir); !known && !forTests(f.dir) && !forDevelopers(f.dir) {
			found = append(found, t.at(f.ast, "package in %s has no layer", f.dir))
		}
	}
	return found
}

// eachImport visits every import of one room by another in production code.
func eachImport(t *tree, visit func(f *file, to string)) {
	for _, f := range t.production() {
		for _, where := range f.imports() {
			if to, ok := ours(where); ok {
				visit(f, to)
			}
		}
	}
}

func importsGoDown(t *tree) []string {
	var found []string
	eachImport(t, func(f *file, to string) {
		from, _ := layerOf(f.dir)
		below, known := layerOf(to)
		listed := slices.ContainsFunc(sideways(), func(e edge) bool { return e.from == f.dir && e.to == to })
		if !known || below >= from && !listed {
			found = append(found, fmt.Sprintf("%s: imports %s", f.path, to))
		}
	})
	return found
}

func sidewaysAreUsed(t *tree) []string {
	used := map[[2]string]bool{}
	rooms := map[string]bool{}
	for _, f := range t.production() {
		rooms[f.dir] = true
	}
	eachImport(t, func(f *file, to string) { used[[2]string{f.dir, to}] = true })
	var found []string
	for _, e := range sideways() {
		if rooms[e.from] && rooms[e.to] && !used[[2]string{e.from, e.to}] {
			found = append(found, e.String())
		}
	}
	return found
}

func noTestCodeInProduction(t *tree) []string {
	var found []string
	for _, f := range t.production() {
		for _, where := range f.imports() {
			dir, our := ours(where)
			if our && forTests(dir) || where == "testing" || strings.HasPrefix(where, "testing/") || where == "net/http/httptest" {
				found = append(found, fmt.Sprintf("%s: imports %s", f.path, where))
			}
		}
	}
	return found
}
