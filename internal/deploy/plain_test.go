package deploy

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/service"
)

// plainTarget is a target of two plain files with the same content.
func plainTarget(dir, data string) Target {
	return Target{Cert: "c", Name: "_ocsp", Plain: []Plain{
		{Path: dir + "/a/one.ocsp", Data: []byte(data)}, {Path: dir + "/b/two.ocsp", Data: []byte(data), Mode: 0o640},
	}}
}

// TestPlainFiles: they are written whole, with their modes, once; what was
// somebody else's is archived, and what was ours is not.
func TestPlainFiles(t *testing.T) {
	dir := t.TempDir()
	d := New(Options{State: dir + "/state"})
	one := dir + "/a/one.ocsp"
	if err := os.Mkdir(dir+"/a", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(one, []byte("foreign"), 0o600); err != nil {
		t.Fatal(err)
	}
	first := mustPut(t, d, plainTarget(dir, "first"), Content{Version: "v1"})
	for path, mode := range map[string]os.FileMode{one: 0o644, dir + "/b/two.ocsp": 0o640} {
		text, err := os.ReadFile(path)
		info, statErr := os.Stat(path)
		if err != nil || statErr != nil || string(text) != "first" || info.Mode().Perm() != mode {
			t.Errorf("%s: %q, %v, %v, %v", path, text, info.Mode(), err, statErr)
		}
	}
	if kept := copies(t, dir); len(kept) != 1 || !strings.HasSuffix(kept[0], "a@one.ocsp") {
		t.Errorf("the archive holds %q", kept)
	}
	before := tree(t, dir)
	if again := mustPut(t, d, plainTarget(dir, "first"), Content{Version: "v1"}); again.Changed {
		t.Error("what is in place was written again")
	}
	if after := tree(t, dir); !slices.Equal(before, after) {
		t.Errorf("changed:\n%q\n%q", before, after)
	}
	result := d.Batch(t.Context(), []Job{{Target: plainTarget(dir, "second"), Content: Content{Version: "v2"}, Ours: first.Files}})[0]
	if result.Fault != nil || !result.Changed || result.Untidy != nil {
		t.Errorf("%+v, %v", result.Fault, result.Untidy)
	}
	if kept := copies(t, dir); len(kept) != 1 {
		t.Errorf("the archive holds %q", kept)
	}
}

// copies lists what is in the archive of dir's state.
func copies(t *testing.T, dir string) []string {
	t.Helper()
	kept, err := filepath.Glob(dir + "/state/archive/c/*/*")
	if err != nil {
		t.Fatal(err)
	}
	return kept
}

// TestPlainFilesAreRefused: a service that does not take them gets the former
// ones back, of which there is a copy until then.
func TestPlainFilesAreRefused(t *testing.T) {
	dir := t.TempDir()
	d := New(Options{State: dir + "/state"})
	check := service.Service{Name: "picky", Reload: []service.Action{{Shell: "! grep -q bad " + dir + "/a/one.ocsp"}}}
	install := func(data string, ours []plan.File) Result {
		target := plainTarget(dir, data)
		target.Services = []service.Service{check}
		return d.Batch(t.Context(), []Job{{Target: target, Content: Content{Version: data}, Ours: ours}})[0]
	}
	first := install("good", nil)
	if first.Fault != nil || len(first.Reloaded) != 1 {
		t.Fatalf("%+v", first)
	}
	if r := install("bad", first.Files); r.Fault == nil || !r.RolledBack {
		t.Errorf("%+v", r)
	}
	for _, path := range []string{"/a/one.ocsp", "/b/two.ocsp"} {
		if text, err := os.ReadFile(dir + path); err != nil || string(text) != "good" {
			t.Errorf("%s holds %q: %v", path, text, err)
		}
	}
}

func TestPlainFilesInTheWay(t *testing.T) {
	dir := t.TempDir()
	d := New(Options{State: dir + "/state"})
	if err := os.MkdirAll(dir+"/a/one.ocsp", 0o755); err != nil {
		t.Fatal(err)
	}
	if r := put(t, d, plainTarget(dir, "x"), Content{Version: "v"}); r.Fault == nil || r.Fault.Code != plan.CodeForeignFile {
		t.Errorf("a folder in the way: %+v", r.Fault)
	}
	for _, path := range []string{"relative", "/", dir + "/../x"} {
		if r := put(t, d, Target{Cert: "c", Name: "_ocsp", Plain: []Plain{{Path: path}}}, Content{Version: "v"}); r.Fault == nil {
			t.Errorf("%q was taken", path)
		}
	}
}
