package deploy

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/plan"
)

// A file that nobody touched is known by its stat, also by the next process;
// whoever touches it cannot hide that.
func TestInspectorReadsWhatWasTouched(t *testing.T) {
	dir := t.TempDir()
	target := Target{Cert: "c", Name: "d", Layout: LayoutHAProxy, Base: dir}
	d := New(Options{State: dir + "/state", Disk: durable.NoSync{}})
	files := mustPut(t, d, target, newCA(t, "ca").content(t, "v1", "a.test")).Files
	stored, err := json.Marshal(files)
	if err != nil {
		t.Fatal(err)
	}
	files = nil
	if err := json.Unmarshal(stored, &files); err != nil || files[0].Changed.IsZero() || files[0].Size == 0 {
		t.Fatalf("%s: %v", stored, err)
	}
	path := files[0].Path

	// Were it read, this digest would show; so it is not.
	unread := slices.Clone(files)
	unread[0].SHA256 = "0000"
	if altered := NewInspector().Altered(unread); altered != nil {
		t.Errorf("%v was read, though nobody touched it", altered)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	other := bytes.Replace(data, []byte("A"), []byte("B"), 1)
	inspector := NewInspector()
	for name, test := range map[string]struct {
		content []byte
		intact  bool
	}{
		"the same, written again":             {data, true},
		"of the same length and the old date": {other, false},
		"longer":                              {append(slices.Clone(data), '\n'), false},
	} {
		if err := os.WriteFile(path, test.content, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, info.ModTime(), info.ModTime()); err != nil {
			t.Fatal(err)
		}
		for range 2 { // the second time from memory
			if altered := inspector.Altered(files); (altered == nil) != test.intact {
				t.Errorf("%s: altered %v", name, altered)
			}
		}
	}
	for name, f := range map[string]plan.File{
		"missing":  {Path: filepath.Join(dir, "gone"), SHA256: digest(nil)},
		"a folder": {Path: dir, SHA256: digest(nil)},
	} {
		if inspector.Altered([]plan.File{f}) == nil {
			t.Errorf("%s passes", name)
		}
	}
}

// What was changed by the time it is remembered is not vouched for.
func TestRememberVouchesForNothingElse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, []byte("theirs"), 0o600); err != nil {
		t.Fatal(err)
	}
	files := []plan.File{{Path: path, SHA256: digest([]byte("ours")), Changed: time.Now()}}
	remember(files)
	if !files[0].Changed.IsZero() || NewInspector().Altered(files) == nil {
		t.Errorf("remembered %+v", files[0])
	}
}
