package deploy

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestTempsAreFoundOnce: a folder is listed at the first question about it, and
// again after a failure; what is not a temporary is never in the answer.
func TestTempsAreFoundOnce(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "[a]*.pem")
	mark := strings.Repeat("A", 26)
	leave := func(names ...string) {
		for _, name := range names {
			if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	leave(".[a]*.pem.tmp-"+mark, ".[a]*.pem.tmp-short", "[a]*.pem", ".b.pem.tmp-"+mark)
	var known temps
	take := func(want ...string) {
		t.Helper()
		left, err := known.take(path)
		var names []string
		for _, l := range left {
			names = append(names, filepath.Base(l))
		}
		if err != nil || !slices.Equal(names, want) {
			t.Errorf("take = %q, %v, want %q", names, err, want)
		}
	}
	take(".[a]*.pem.tmp-" + mark)
	take()
	leave(".[a]*.pem.tmp-" + strings.ToLower(mark))
	take()
	known.lookAgain(dir + "/")
	take(".[a]*.pem.tmp-"+mark, ".[a]*.pem.tmp-"+strings.ToLower(mark))
}
