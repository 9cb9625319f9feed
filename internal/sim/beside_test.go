package sim

import (
	"slices"
	"strings"
	"testing"

	"github.com/certkeep/certkeep/internal/durable"
)

// TestMutationsOfFiles does so in a history in which one certificate has
// parameters beside it, and a zone that is made of a file, another one a key
// under a passphrase, and another one pins.
func TestMutationsOfFiles(t *testing.T) {
	if seeds < 20 { // under the race detector
		return
	}
	for _, test := range []struct {
		name     string
		mutation Mutation
		caught   string
	}{
		{"half of parameters", half("params.pem"), "its file of parameters holds"},
		{"half of a header", half("/out/hpkp/"), "its header"},
		{"no passphrase", without("passphrase_file:", "kdf:"), "without a passphrase"},
		{"answers stay in the file of a zone", Mutation{Disk: func(d durable.Disk) durable.Disk {
			return mutant{Disk: d, remove: func(path string) bool { return !strings.HasSuffix(path, "/zones/test") }}
		}}, "answers are left"},
	} {
		t.Run(test.name, func(t *testing.T) { wantCaughtIn(t, 1, 19, 0.03, test.mutation, test.caught) })
	}
}

// without is a process that does not read lines of its config that begin so.
func without(beginnings ...string) Mutation {
	return Mutation{Config: func(text string) string {
		lines := slices.DeleteFunc(strings.Split(text, "\n"), func(line string) bool {
			return slices.ContainsFunc(beginnings, func(beginning string) bool { return strings.HasPrefix(strings.TrimSpace(line), beginning) })
		})
		return strings.Join(lines, "\n")
	}}
}
