package deploy

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/certkeep/certkeep/internal/faultfs"
)

// A folder of another tool is moved aside and our symlink put in its place:
// two renames, which a crash must not part.
func TestEveryFaultWithForeignFolder(t *testing.T) {
	c := newCA(t, "ca").content(t, "v1", "a.test")
	prepare := func(t *testing.T, s scene) {
		if err := mkfiles(s.target.Lineage(), "privkey.pem", "cert.pem", "chain.pem", "fullchain.pem"); err != nil {
			t.Fatal(err)
		}
	}
	act := func(t *testing.T, s scene) { put(t, s.deployer(), s.target, c) }
	sweep(t, "standard", prepare, act, func(t *testing.T, s scene, f faultfs.Fault) {
		d, _ := s.restarted(t)
		data, err := os.ReadFile(s.target.Lineage() + "/cert.pem")
		if err != nil || string(data) != "cert.pem" && !shows(t, s.target, c) {
			t.Errorf("there is %q, %v", data, err)
		}
		mustPut(t, d, s.target, c)
	})
}

// A tool that made a folder makes it again where Certkeep was killed just after
// it had moved that aside. Both are kept, and nothing is stuck.
func TestForeignFolderMadeAgain(t *testing.T) {
	c := newCA(t, "ca").content(t, "v1", "a.test")
	folderWith := func(t *testing.T, s scene, cert string) {
		if err := mkfiles(s.target.Lineage(), "privkey.pem", "cert.pem", "chain.pem", "fullchain.pem"); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(s.target.Lineage()+"/cert.pem", []byte(cert), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	prepare := func(t *testing.T, s scene) { folderWith(t, s, "first") }
	act := func(t *testing.T, s scene) { put(t, s.deployer(), s.target, c) }
	again := 0
	sweep(t, "standard", prepare, act, func(t *testing.T, s scene, f faultfs.Fault) {
		if stands(s.target.Lineage()) {
			return
		}
		again++
		folderWith(t, s, "second")
		d, _ := s.restarted(t)
		mustPut(t, d, s.target, c)
		if !shows(t, s.target, c) {
			t.Error("it is not installed")
		}
		kept := contents(t, filepath.Dir(s.target.Lineage()))
		if !slices.Contains(kept, "first") || !slices.Contains(kept, "second") {
			t.Errorf("of both folders there is %q", kept)
		}
	})
	if again == 0 {
		t.Error("the folder was never made again")
	}
}
