package deploy

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
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
	for _, fault := range faultfs.Faults() {
		t.Run(fault.String(), func(t *testing.T) {
			for n := 1; ; n++ {
				dir := t.TempDir()
				s := scene{dir: dir, disk: faultfs.New(durable.NoSync{}), target: shapes(dir + "/etc")[shape]}
				prepare(t, s)
				s.disk.Arm(n, fault)
				act(t, s)
				if !s.disk.Tripped() {
					if n < 3 {
						t.Fatalf("only %d changes: nothing was tried", n-1)
					}
					return
				}
				ops := s.disk.Ops()
				t.Run(fmt.Sprintf("%d-%s", n, ops[n-1].Verb), func(t *testing.T) { judge(t, s, fault) })
				if t.Failed() {
					return
				}
			}
		})
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
				act := func(t *testing.T, s scene) { result = put(t, s.deployer(), s.target, v2) }
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
	kept, err := d.archive(target.Cert, c.Version, replaced(image, have, ops))
	if err != nil {
		t.Fatal(err)
	}
	change := newChange(target, c.Version, ops, kept)
	if err := d.apply(change); err != nil {
		t.Fatal(err)
	}
	return change
}

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

// A file that is neither the old nor the new one is left, and reported; the
// others arrive.
func TestRecoverLeavesForeignFiles(t *testing.T) {
	ca := newCA(t, "ca")
	v1, v2 := ca.content(t, "v1", "a.test"), ca.content(t, "v2", "a.test")
	dir := t.TempDir()
	s := scene{dir: dir, disk: faultfs.New(durable.NoSync{}), target: spread(dir + "/etc")}
	mustPut(t, s.deployer(), s.target, v1)
	interrupt(t, s, v2)
	cert := dir + "/etc/certs/cert.pem"
	if err := os.WriteFile(cert, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	recovered, err := s.deployer().Recover(t.Context())
	if err != nil || len(recovered) != 1 {
		t.Fatalf("Recover() = %+v, %v", recovered, err)
	}
	r := recovered[0]
	if !r.Forward || r.Cert != "c" || r.Target != "d" || r.Version != "v2" || r.Fault == nil || r.Fault.Code != plan.CodeForeignFile || !strings.Contains(r.Fault.Words, cert) {
		t.Errorf("recovery %+v, fault %+v", r, r.Fault)
	}
	if data, err := os.ReadFile(cert); err != nil || string(data) != "mine" {
		t.Errorf("the foreign file is %q, %v", data, err)
	}
	if data, err := os.ReadFile(dir + "/etc/private/key.pem"); err != nil || string(data) != string(v2.Pairs[0].Key) {
		t.Errorf("the key did not arrive: %v", err)
	}
	noTemps(t, dir)
}

// interrupt kills an installation between its first and second switch.
func interrupt(t *testing.T, s scene, c Content) {
	t.Helper()
	d := New(Options{State: s.dir + "/state", Disk: &dyingDisk{Disk: durable.NoSync{}, below: s.dir + "/etc", renames: 1}})
	put(t, d, s.target, c)
	if !stands(s.dir+"/state/journal/c@d.json") || shows(t, s.target, c) {
		t.Fatal("the installation was not interrupted in its middle")
	}
}

// dyingDisk ends with everything else once it made so many renames below a
// folder.
type dyingDisk struct {
	durable.Disk
	below   string
	renames int
}

func (d *dyingDisk) Rename(oldPath, newPath string) error {
	if strings.HasPrefix(newPath, d.below) {
		if d.renames--; d.renames < 0 {
			d.Disk = deadDisk{d.Disk}
		}
	}
	return d.Disk.Rename(oldPath, newPath)
}

// deadDisk does nothing any more.
type deadDisk struct{ durable.Disk }

func (deadDisk) Create(string, []byte, durable.Attr) error { return faultfs.ErrKilled }
func (deadDisk) Rename(string, string) error               { return faultfs.ErrKilled }
func (deadDisk) Symlink(string, string) error              { return faultfs.ErrKilled }
func (deadDisk) Remove(string) error                       { return faultfs.ErrKilled }

// The journal of an earlier process does not have to wait for a restart.
func TestBatchFinishesWhatWasInterrupted(t *testing.T) {
	ca := newCA(t, "ca")
	v1, v2, v3 := ca.content(t, "v1", "a.test"), ca.content(t, "v2", "a.test"), ca.content(t, "v3", "a.test")
	dir := t.TempDir()
	s := scene{dir: dir, disk: faultfs.New(durable.NoSync{}), target: spread(dir + "/etc")}
	mustPut(t, s.deployer(), s.target, v1)
	interrupt(t, s, v2)
	mustPut(t, s.deployer(), s.target, v3)
	if got := shown(t, s.target, v1, v2, v3); got != "v3" {
		t.Errorf("the files show %s", got)
	}
	noTemps(t, dir)
}

// A journal that cannot be read is put aside, so that its target is not stuck.
func TestDamagedJournal(t *testing.T) {
	c := newCA(t, "ca").content(t, "v1", "a.test")
	for _, text := range []string{"", "{", `{"format":99,"entries":[]}`, "[]"} {
		dir := t.TempDir()
		if err := mkfiles(dir+"/state/journal", "c@d.json"); err != nil {
			t.Fatal(err)
		}
		path := dir + "/state/journal/c@d.json"
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		d := New(Options{State: dir + "/state", Disk: durable.NoSync{}})
		recovered, err := d.Recover(t.Context())
		if err != nil || len(recovered) != 1 || recovered[0].Fault == nil || recovered[0].Fault.Code != plan.CodeDamaged {
			t.Errorf("journal %q: %+v, %v", text, recovered, err)
		}
		if !stands(dir+"/state/journal/c@d.damaged") || stands(path) {
			t.Errorf("journal %q was not put aside", text)
		}
		mustPut(t, d, spread(dir+"/etc"), c)
	}
}

// Without rights nothing is half written, and the words say what to do.
func TestReadOnlyFolder(t *testing.T) {
	ca := newCA(t, "ca")
	v1, v2 := ca.content(t, "v1", "a.test"), ca.content(t, "v2", "a.test")
	dir := t.TempDir()
	target := spread(dir + "/etc")
	mustPut(t, New(Options{State: dir + "/state", Disk: durable.NoSync{}}), target, v1)
	r := put(t, New(Options{State: dir + "/state", Disk: refusing{durable.NoSync{}, dir + "/etc/mail"}}), target, v2)
	if r.Fault == nil || r.Fault.Code != plan.CodeDeploy || !strings.Contains(r.Fault.Words, "root") {
		t.Errorf("fault %+v", r.Fault)
	}
	if got := shown(t, target, v1, v2); got != "v1" {
		t.Errorf("the files show %s", got)
	}
	noTemps(t, dir)
}

// refusing makes nothing in one folder.
type refusing struct {
	durable.Disk
	dir string
}

func (d refusing) Create(path string, data []byte, a durable.Attr) error {
	if filepath.Dir(path) == d.dir {
		return &os.PathError{Op: "open", Path: path, Err: os.ErrPermission}
	}
	return d.Disk.Create(path, data, a)
}

// A switch that fails in the middle is undone, and where that fails too the
// next attempt finishes it.
func TestHalfSwitched(t *testing.T) {
	ca := newCA(t, "ca")
	v1, v2 := ca.content(t, "v1", "a.test"), ca.content(t, "v2", "a.test")
	dir := t.TempDir()
	target := spread(dir + "/etc")
	good := New(Options{State: dir + "/state", Disk: durable.NoSync{}})
	mustPut(t, good, target, v1)
	stuck := &stuckDisk{Disk: durable.NoSync{}, below: dir + "/etc", renames: 1}
	d := New(Options{State: dir + "/state", Disk: stuck})
	r := put(t, d, target, v2)
	if r.Fault == nil || r.Written {
		t.Fatalf("result %+v", r)
	}
	if got := shown(t, target, v1, v2); got != "a mixture" {
		t.Fatalf("the files show %s: the test does not test what it says", got)
	}
	mustPut(t, good, target, v2)
	if got := shown(t, target, v1, v2); got != "v2" {
		t.Errorf("the next attempt leaves %s", got)
	}
}

// stuckDisk refuses all renames below a folder after so many.
type stuckDisk struct {
	durable.Disk
	below   string
	renames int
}

func (d *stuckDisk) Rename(oldPath, newPath string) error {
	if strings.HasPrefix(newPath, d.below) {
		if d.renames--; d.renames < 0 {
			return &os.LinkError{Op: "rename", Old: oldPath, New: newPath, Err: errors.ErrUnsupported}
		}
	}
	return d.Disk.Rename(oldPath, newPath)
}
