package deploy

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/faultfs"
	"github.com/certkeep/certkeep/internal/plan"
)

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
