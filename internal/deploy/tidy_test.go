package deploy

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/certkeep/certkeep/internal/durable"
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

// TestAbandonedIsTidied: what a killed process left beside files that nobody
// installs any more goes away, and the files stay.
func TestAbandonedIsTidied(t *testing.T) {
	t.Parallel()
	mark := ".tmp-" + strings.Repeat("A", 26)
	for _, spread := range []bool{false, true} {
		base := t.TempDir()
		target := Target{Cert: "c", Name: "d", Layout: LayoutStandard, Base: base, KeyTypes: []string{p256}}
		stray := []string{filepath.Join(base, ".c"+mark)}
		if spread {
			target = Target{Cert: "c", Name: "d", KeyTypes: []string{p256}, Files: []File{
				{Path: filepath.Join(base, "c.key"), Content: []Part{PartKey}}, {Path: filepath.Join(base, "c.pem"), Content: []Part{PartFullchain}},
			}}
			stray = []string{filepath.Join(base, ".c.key"+mark), filepath.Join(base, ".c.pem"+mark)}
		}
		d := New(Options{State: t.TempDir(), Disk: durable.NoSync{}})
		ca := newCA(t, "ca")
		mustPut(t, d, target, ca.content(t, "v1", "a.test"))
		facts := d.Batch(t.Context(), []Job{{Target: target, Content: ca.content(t, "v2", "a.test")}})[0].Files
		if !spread {
			half := filepath.Join(base, ".versions", "c", "half")
			if err := os.Mkdir(half, 0o755); err != nil {
				t.Fatal(err)
			}
			stray = append(stray, filepath.Join(half, "privkey.pem"))
		}
		other := filepath.Join(base, ".other"+mark)
		for _, path := range append(stray, other) {
			if err := os.WriteFile(path, []byte("a key"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		d = New(Options{State: t.TempDir(), Disk: durable.NoSync{}}) // another process
		for range 2 {
			if err := d.TidyAbandoned(facts); err != nil {
				t.Fatal(err)
			}
		}
		for _, path := range stray {
			if _, err := os.Lstat(path); err == nil {
				t.Errorf("%s is left", path)
			}
		}
		if altered := NewInspector().Altered(facts); len(altered) > 0 {
			t.Errorf("%s were changed", altered)
		}
		if _, err := os.Lstat(other); err != nil {
			t.Error("what is somebody else's was removed")
		}
	}
}
