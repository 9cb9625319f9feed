package dir

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// FuzzLocate: whatever the key, its file is hidden from nobody, lies below
// the folder, and leads back to the key, so no two keys share a file.
func FuzzLocate(f *testing.F) {
	for _, key := range []string{"groups/example.com", "a/../../b", "/etc/passwd", "a.json/b", ".a.tmp-x/.", "%2E/ä\x00", "//", "a.jsonl/x.json"} {
		f.Add(key)
	}
	f.Fuzz(func(t *testing.T, key string) {
		loc, err := locate(key, valueSuffix)
		if err != nil {
			return
		}
		if !filepath.IsLocal(loc.String()) {
			t.Fatalf("%q leads out: %s", key, loc)
		}
		var parts []string
		for _, name := range loc.folder {
			part, ours := unescape(name, escapeFolder)
			if !ours || name[0] == '.' || strings.ContainsAny(name, "/\x00 ") || len(name) > 255 || strings.HasSuffix(name, valueSuffix) {
				t.Fatalf("%q has the folder %q", key, name)
			}
			parts = append(parts, part)
		}
		stem, found := strings.CutSuffix(loc.file, valueSuffix)
		part, ours := unescape(stem, escape)
		if !found || !ours || loc.file[0] == '.' || len(loc.file) > 255-len(".tmp-")-27 {
			t.Fatalf("%q has the file %q", key, loc.file)
		}
		if parts = append(parts, part); !slices.Equal(parts, strings.Split(key, "/")) {
			t.Fatalf("%q leads back to %q", key, parts)
		}
	})
}
