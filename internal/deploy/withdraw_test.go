package deploy

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/faultfs"
	"github.com/certkeep/certkeep/internal/plan"
)

// present are those of some files that stand at their paths.
func present(files []plan.File) []string {
	var there []string
	for _, f := range files {
		if stands(f.Path) {
			there = append(there, f.Path)
		}
	}
	return there
}

// TestWithdraw takes away what was written, keeps a copy of each file, and
// leaves what somebody else put there.
func TestWithdraw(t *testing.T) {
	content := newCA(t, "ca").content(t, "v1", "a.test")
	for _, shape := range kinds() {
		t.Run(shape, func(t *testing.T) {
			dir := t.TempDir()
			target := shapes(dir + "/etc")[shape]
			d := New(Options{State: dir + "/state", Disk: durable.NoSync{}})
			files := mustPut(t, d, target, content).Files
			foreign := files[len(files)-1].Path
			if err := os.WriteFile(foreign, []byte("mine"), 0o600); err != nil {
				t.Fatal(err)
			}
			left, err := d.Withdraw(target, "v1", files)
			if err != nil || !slices.Equal(left, []string{foreign}) || !slices.Equal(present(files), left) {
				t.Fatalf("Withdraw() = %v, %v; there is %v", left, err, present(files))
			}
			if err := os.Remove(foreign); err != nil {
				t.Fatal(err)
			}
			copies, err := filepath.Glob(dir + "/state/archive/c/*/*")
			if err != nil || len(copies) != len(files)-1 {
				t.Errorf("%v are kept, %v", copies, err)
			}
			if left, err := d.Withdraw(target, "v1", files); err != nil || len(left) > 0 {
				t.Errorf("once more: %v, %v", left, err)
			}
			mustPut(t, d, target, content)
			if !shows(t, target, content) {
				t.Error("the next version does not arrive")
			}
			noTemps(t, dir)
		})
	}
}

// TestEveryFaultOfWithdraw: all files are there, or none is, and the next
// attempt takes away what is left.
func TestEveryFaultOfWithdraw(t *testing.T) {
	content := newCA(t, "ca").content(t, "v1", "a.test")
	for _, shape := range []string{"standard", "spread"} {
		t.Run(shape, func(t *testing.T) {
			var files []plan.File
			prepare := func(t *testing.T, s scene) { files = mustPut(t, s.deployer(), s.target, content).Files }
			var failed error
			act := func(_ *testing.T, s scene) { _, failed = s.deployer().Withdraw(s.target, "v1", files) }
			sweep(t, shape, prepare, act, func(t *testing.T, s scene, f faultfs.Fault) {
				if failed == nil && len(present(files)) > 0 {
					t.Errorf("it succeeded, and %v is there", present(files))
				}
				if f == faultfs.Refused && failed == nil {
					t.Error("a refusal was not told")
				}
				d, _ := s.restarted(t)
				if n := len(present(files)); n != 0 && n != len(files) {
					t.Errorf("after recovery %v is there", present(files))
				}
				if _, err := d.Withdraw(s.target, "v1", files); err != nil || len(present(files)) > 0 {
					t.Errorf("the next attempt: %v, and %v is there", err, present(files))
				}
				noTemps(t, s.dir)
			})
		})
	}
}
