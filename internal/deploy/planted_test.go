package deploy

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/certkeep/certkeep/internal/durable"
)

// TestPlantedLinks has the owner of an output folder put symlinks at all
// names that an installation uses there: the files themselves, and those
// under which they wait. What they lead to is neither written nor given away;
// the files are there in the end, and are files.
func TestPlantedLinks(t *testing.T) {
	ca := newCA(t, "ca")
	v1 := ca.content(t, "v1", "a.test")
	for _, name := range []string{"haproxy", "spread"} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			target := shapes(dir + "/etc")[name]
			d := New(Options{State: dir + "/state", Disk: durable.NoSync{}})
			victim := filepath.Join(dir, "victim")
			image, err := Render(target, v1)
			if err != nil {
				t.Fatal(err)
			}
			errs := []error{os.WriteFile(victim, []byte("precious"), 0o600)}
			for _, w := range image.Files {
				errs = append(errs, os.MkdirAll(filepath.Dir(w.Path()), 0o755), os.Symlink(victim, w.Path()), os.Symlink(victim, stagedName(w.Path(), image.Tag)))
			}
			if err := errors.Join(errs...); err != nil {
				t.Fatal(err)
			}
			mustPut(t, d, target, v1)
			if !shows(t, target, v1) {
				t.Error("the files are not there")
			}
			for _, w := range image.Files {
				if info, err := os.Lstat(w.Path()); err != nil || !info.Mode().IsRegular() {
					t.Errorf("%s is %v, %v", w.Path(), info, err)
				}
			}
			text, err := os.ReadFile(victim)
			if err != nil || string(text) != "precious" {
				t.Errorf("the victim holds %q, %v", text, err)
			}
			if info, err := os.Lstat(victim); err != nil || info.Mode() != fs.FileMode(0o600) {
				t.Errorf("the victim is %v, %v", info, err)
			}
			noTemps(t, dir)
		})
	}
}
