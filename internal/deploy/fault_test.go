package deploy

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/faultfs"
	"github.com/certkeep/certkeep/internal/plan"
)

// scene is a target in some state, on a disk that can be made to fail.
type scene struct {
	dir    string
	disk   *faultfs.Disk
	target Target
}

func (s scene) deployer() *Deployer { return New(Options{State: s.dir + "/state", Disk: s.disk}) }

// sweep calls act once for every change that it makes and every way in which
// a change can go wrong, each time in a new scene that prepare made, and then
// judge.
func sweep(t *testing.T, shape string, prepare, act func(t *testing.T, s scene), judge func(t *testing.T, s scene, f faultfs.Fault)) {
	t.Helper()
	begin := func(t *testing.T) scene {
		dir := t.TempDir()
		s := scene{dir: dir, disk: faultfs.New(durable.NoSync{}), target: shapes(dir + "/etc")[shape]}
		prepare(t, s)
		return s
	}
	s := begin(t)
	s.disk.Disarm()
	act(t, s)
	ops := s.disk.Ops()
	if len(ops) < 3 {
		t.Fatalf("only %d changes: nothing is tried", len(ops))
	}
	for n, op := range ops {
		for _, fault := range faultfs.Faults() {
			if fault == faultfs.Torn && op.Verb != faultfs.Create {
				continue // the same as Killed
			}
			t.Run(fmt.Sprintf("%d %s %s", n+1, op.Verb, fault), func(t *testing.T) {
				s := begin(t)
				s.disk.Arm(n+1, fault)
				act(t, s)
				if !s.disk.Tripped() {
					t.Fatal("the change was not made this time")
				}
				judge(t, s, fault)
			})
		}
	}
}

// kinds are the shapes that differ in how they are switched: by one rename
// of a symlink, by one rename of a file, and by several.
func kinds() []string { return []string{"standard", "haproxy", "spread"} }

// restarted is the machine after the process, or the power, was gone.
func (s scene) restarted(t *testing.T) (*Deployer, []Recovery) {
	t.Helper()
	s.disk.Disarm()
	d := s.deployer()
	recovered, err := d.Recover(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range recovered {
		if r.Fault != nil {
			t.Errorf("recovery: %+v", r.Fault)
		}
	}
	if left, _ := filepath.Glob(s.dir + "/state/journal/*"); len(left) > 0 {
		t.Errorf("journals left: %v", left)
	}
	return d, recovered
}

func killed(f faultfs.Fault) bool { return f == faultfs.Killed || f == faultfs.Torn }

// Whatever goes wrong at whatever change while a version replaces another, or
// the first one arrives: all is old, or all is new.
func TestEveryFault(t *testing.T) {
	ca := newCA(t, "ca")
	v1, v2 := ca.content(t, "v1", "a.test"), ca.content(t, "v2", "a.test")
	for _, shape := range kinds() {
		for _, old := range []string{"nothing", "v1"} {
			t.Run(shape+" after "+old, func(t *testing.T) {
				prepare := func(t *testing.T, s scene) {
					if old == "v1" {
						mustPut(t, s.deployer(), s.target, v1)
					}
				}
				var result Result
				var before []string
				act := func(t *testing.T, s scene) {
					before = contents(t, s.dir+"/etc")
					result = put(t, s.deployer(), s.target, v2)
				}
				sweep(t, shape, prepare, act, func(t *testing.T, s scene, f faultfs.Fault) {
					got := shown(t, s.target, v1, v2)
					if shape != "spread" && got != old && got != "v2" {
						t.Errorf("readers meet %s", got)
					}
					switch {
					case killed(f): // the journal decides
					case result.Fault == nil && got != "v2", result.Fault != nil && got != old && !switchedAll(s):
						t.Errorf("the result is %+v, and the files show %s", result, got)
					case result.Written != (result.Fault == nil):
						t.Errorf("the result is %+v", result)
					}
					for _, kept := range contents(t, s.dir+"/state/archive") {
						if !slices.Contains(before, kept) {
							t.Error("the archive has a copy of what was never installed")
						}
					}
					d, _ := s.restarted(t)
					if got := shown(t, s.target, v1, v2); got != old && got != "v2" {
						t.Errorf("after recovery there is %s", got)
					}
					mustPut(t, d, s.target, v2)
					if got := shown(t, s.target, v1, v2); got != "v2" {
						t.Errorf("the next attempt leaves %s", got)
					}
					noTemps(t, s.dir)
				})
			})
		}
	}
}

// contents are those of all files below a folder that are no temporaries.
func contents(t *testing.T, dir string) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() || durable.IsTemp(e.Name()) {
			return err
		}
		text, err := os.ReadFile(path)
		all = append(all, string(text))
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return all
}

// switchedAll reports whether the change that failed came after all switches:
// making them durable.
func switchedAll(s scene) bool {
	ops := s.disk.Ops()
	last := -1
	for i, op := range ops {
		if op.Verb == faultfs.Rename && strings.HasPrefix(op.Path, s.dir+"/etc") {
			last = i
		}
	}
	return last >= 0 && last < len(ops)-1
}

// A machine that loses its power loses every name that was not synced. The
// journal must not promise what is gone.
func TestPowerCut(t *testing.T) {
	ca := newCA(t, "ca")
	v1, v2 := ca.content(t, "v1", "a.test"), ca.content(t, "v2", "a.test")
	for _, shape := range kinds() {
		t.Run(shape, func(t *testing.T) {
			for n := 1; ; n++ {
				dir := t.TempDir()
				s := scene{dir: dir, disk: faultfs.New(durable.NoSync{}), target: shapes(dir + "/etc")[shape]}
				mustPut(t, s.deployer(), s.target, v1)
				s.disk.Arm(n, faultfs.Killed)
				put(t, s.deployer(), s.target, v2)
				done := !s.disk.Tripped()
				if err := s.disk.PowerCut(); err != nil {
					t.Fatal(err)
				}
				d, _ := s.restarted(t)
				got := shown(t, s.target, v1, v2)
				if got != "v2" && (done || got != "v1") {
					t.Fatalf("power cut at change %d (done: %v): %s", n, done, got)
				}
				mustPut(t, d, s.target, v2)
				if done {
					return
				}
			}
		})
	}
}

// What a later attempt found in place, and so called done, survives a power
// cut too, whatever went wrong before: a sync that failed, or never came.
func TestFoundInPlaceIsDurable(t *testing.T) {
	ca := newCA(t, "ca")
	v1, v2 := ca.content(t, "v1", "a.test"), ca.content(t, "v2", "a.test")
	for _, shape := range kinds() {
		for _, fault := range []faultfs.Fault{faultfs.Refused, faultfs.AnswerLost, faultfs.Killed} {
			t.Run(shape+" "+fault.String(), func(t *testing.T) {
				for n, tripped := 1, true; tripped; n++ {
					dir := t.TempDir()
					s := scene{dir: dir, disk: faultfs.New(durable.NoSync{}), target: shapes(dir + "/etc")[shape]}
					mustPut(t, s.deployer(), s.target, v1)
					s.disk.Arm(n, fault)
					put(t, s.deployer(), s.target, v2)
					tripped = s.disk.Tripped()
					d, _ := s.restarted(t)
					mustPut(t, d, s.target, v2)
					if err := s.disk.PowerCut(); err != nil {
						t.Fatal(err)
					}
					s.restarted(t)
					if got := shown(t, s.target, v1, v2); got != "v2" {
						t.Errorf("change %d: after the power cut there is %s", n, got)
					}
				}
			})
		}
	}
}

// A restoration that is interrupted is finished: all is old again.
func TestEveryFaultOfUndo(t *testing.T) {
	ca := newCA(t, "ca")
	v1, v2 := ca.content(t, "v1", "a.test"), ca.content(t, "v2", "a.test")
	for _, shape := range kinds() {
		for _, old := range []string{"nothing", "v1"} {
			t.Run(shape+" to "+old, func(t *testing.T) {
				var c change
				prepare := func(t *testing.T, s scene) {
					d := s.deployer()
					if old == "v1" {
						mustPut(t, d, s.target, v1)
					}
					c = applied(t, d, s.target, v2)
				}
				var err error
				act := func(t *testing.T, s scene) { err = s.deployer().undo(c) }
				sweep(t, shape, prepare, act, func(t *testing.T, s scene, f faultfs.Fault) {
					got := shown(t, s.target, v1, v2)
					if err == nil && got != old {
						t.Errorf("undone, and the files show %s", got)
					}
					s.restarted(t)
					if got := shown(t, s.target, v1, v2); got != old && (got != "v2" || err == nil) {
						t.Errorf("after recovery there is %s", got)
					}
				})
			})
		}
	}
}

// applied installs c as Batch would, and returns the change for undo.
func applied(t *testing.T, d *Deployer, target Target, c Content) change {
	t.Helper()
	image, err := Render(target, c)
	if err != nil {
		t.Fatal(err)
	}
	have, err := survey(image)
	if err != nil {
		t.Fatal(err)
	}
	ops, err := Plan(image, have)
	if err != nil {
		t.Fatal(err)
	}
	kept, err := d.archive(target, c.Version, image, replaced(image, have, ops))
	if err != nil {
		t.Fatal(err)
	}
	change := newChange(target, c.Version, ops, kept)
	if err := d.apply(change); err != nil {
		t.Fatal(err)
	}
	return change
}

// A full disk leaves the old files served, and says what is wrong.
func TestFullDisk(t *testing.T) {
	ca := newCA(t, "ca")
	v1, v2 := ca.content(t, "v1", "a.test"), ca.content(t, "v2", "a.test")
	for _, shape := range kinds() {
		t.Run(shape, func(t *testing.T) {
			for n := 1; ; n++ {
				dir := t.TempDir()
				disk := faultfs.New(durable.NoSync{})
				target := shapes(dir + "/etc")[shape]
				mustPut(t, New(Options{State: dir + "/state", Disk: disk}), target, v1)
				full := &fullDisk{Disk: disk, after: n}
				r := put(t, New(Options{State: dir + "/state", Disk: full}), target, v2)
				if r.Fault == nil {
					return
				}
				if r.Fault.Code != plan.CodeDisk {
					t.Fatalf("write %d: %+v", n, r.Fault)
				}
				if got := shown(t, target, v1, v2); got != "v1" {
					t.Fatalf("write %d: the files show %s", n, got)
				}
				noTemps(t, dir)
			}
		})
	}
}

// A file system that cannot be written, which under systemd is mostly the unit's
// doing, says what mends it.
func TestReadOnlyDisk(t *testing.T) {
	ca := newCA(t, "ca")
	target := shapes(t.TempDir() + "/etc")["haproxy"]
	r := put(t, New(Options{State: t.TempDir(), Disk: readOnlyDisk{durable.NoSync{}}}), target, ca.content(t, "v1", "a.test"))
	if r.Fault == nil || r.Fault.Code != plan.CodeDisk || !strings.Contains(r.Fault.Words, "ReadWritePaths=") {
		t.Errorf("%+v", r.Fault)
	}
}

type readOnlyDisk struct{ durable.Disk }

func (d readOnlyDisk) Create(path string, _ []byte, _ durable.Attr) error {
	return &os.PathError{Op: "open", Path: path, Err: syscall.EROFS}
}

// fullDisk takes so many new files, and no more.
type fullDisk struct {
	durable.Disk
	after int
}

func (d *fullDisk) Create(path string, data []byte, a durable.Attr) error {
	if d.after--; d.after <= 0 {
		return &os.PathError{Op: "write", Path: path, Err: syscall.ENOSPC}
	}
	return d.Disk.Create(path, data, a)
}

// What somebody altered is replaced: whatever goes wrong meanwhile, readers
// meet what he left, or all of it right, and nothing of ours is gone.
func TestEveryFaultWhileAlteredIsReplaced(t *testing.T) {
	c := newCA(t, "ca").content(t, "v1", "a.test")
	for _, shape := range kinds() {
		t.Run(shape, func(t *testing.T) {
			paths := func(s scene) []string {
				files, err := s.target.Paths()
				if err != nil {
					t.Fatal(err)
				}
				return files
			}
			prepare := func(t *testing.T, s scene) {
				mustPut(t, s.deployer(), s.target, c)
				if err := os.Remove(paths(s)[0]); err != nil {
					t.Fatal(err)
				}
			}
			act := func(t *testing.T, s scene) { put(t, s.deployer(), s.target, c) }
			sweep(t, shape, prepare, act, func(t *testing.T, s scene, f faultfs.Fault) {
				for _, path := range paths(s)[1:] {
					if !stands(path) {
						t.Errorf("%s is gone", path)
					}
				}
				if stands(paths(s)[0]) != shows(t, s.target, c) {
					t.Error("readers meet a mixture")
				}
				d, _ := s.restarted(t)
				mustPut(t, d, s.target, c)
				if !shows(t, s.target, c) {
					t.Error("the next attempt does not put it right")
				}
				noTemps(t, s.dir)
			})
		})
	}
}
