package deploy

import (
	"fmt"
	"io/fs"
	"os"
	"testing"

	"github.com/certkeep/certkeep/internal/durable"
)

// TestFolderModes: a folder that is made for files whose modes were given is
// entered by those alone who may read them, and written by its owner alone.
func TestFolderModes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		modes []fs.FileMode // of files in it
		want  fs.FileMode
	}{
		"for the group":      {[]fs.FileMode{0o640}, 0o750},
		"for the owner":      {[]fs.FileMode{0o600}, 0o700},
		"read only":          {[]fs.FileMode{0o400}, 0o700},
		"for the group too":  {[]fs.FileMode{0o600, 0o640}, 0o750},
		"written by a group": {[]fs.FileMode{0o660}, 0o750},
		"written by all":     {[]fs.FileMode{0o666}, 0o755},
		"for all":            {[]fs.FileMode{0o600, 0o644}, 0o755},
		"not given":          {[]fs.FileMode{0}, 0o755},
		"one not given":      {[]fs.FileMode{0o600, 0}, 0o755},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			d := New(Options{State: dir + "/state", Disk: durable.NoSync{}})
			target := Target{Cert: "c", Name: "d", KeyTypes: []string{p256}}
			for i, mode := range c.modes {
				target.Files = append(target.Files, File{Path: fmt.Sprintf("%s/above/leaf/%d.pem", dir, i), Content: []Part{PartKey}, Mode: mode})
			}
			mustPut(t, d, target, newCA(t, "ca").content(t, "v1", "a"))
			for path, want := range map[string]fs.FileMode{"above": 0o755, "above/leaf": c.want} {
				if info, err := os.Stat(dir + "/" + path); err != nil || info.Mode().Perm() != want {
					t.Errorf("%s: %v, %v, want %v", path, info.Mode().Perm(), err, want)
				}
			}
		})
	}
}
