package engine

import (
	"crypto/tls"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/faultfs"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/store"
)

// TestNothingIsLostAtAnyWrite lets every write of a certificate's first life
// go wrong in every way, and runs again. Whatever happened, the certificate is
// installed and fits its key, the CA was asked to finalise one order, and no
// temporary file is left.
func TestNothingIsLostAtAnyWrite(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	disk := faultfs.New(durable.OS{})
	base := f.dir
	life := func(f *fixture) {
		f.configure("certificates: {a.test: {}}\n")
		f.ca.ResetRequests()
	}
	begin := func(name string) *fixture {
		g := &fixture{T: t, ca: f.ca, dir: filepath.Join(base, name), disk: disk, roots: f.roots}
		if err := os.Mkdir(g.dir, 0o700); err != nil {
			t.Fatal(err)
		}
		return g
	}

	disk.Disarm()
	g := begin("count")
	g.reopen()
	life(g)
	disk.Disarm()
	g.apply()
	total := disk.Count()
	t.Logf("%d changes to the disk: %v", total, disk.Tally())

	for _, fault := range faultfs.Faults() {
		for n := 1; n <= total; n++ {
			t.Run(fmt.Sprintf("%v at %d", fault, n), func(t *testing.T) {
				disk.Disarm()
				g := begin(fmt.Sprintf("%v-%d", fault, n))
				g.T = t
				g.reopen()
				life(g)
				disk.Arm(n, fault)
				if _, err := g.Apply(t.Context(), nil, Only{}); err != nil {
					t.Logf("first pass: %v", err)
				}
				disk.Disarm()
				g.reopen()
				g.configure("certificates: {a.test: {}}\n")
				if err := g.Recover(t.Context()); err != nil {
					t.Fatal(err)
				}
				if fault == faultfs.Refused || fault == faultfs.AnswerLost {
					// A failure that was reported backs off; a person skips that.
					if err := g.Ask(t.Context(), plan.AskApply, []string{"a.test"}, ""); err != nil {
						t.Fatal(err)
					}
				}
				g.apply()
				g.checkServed("a.test")
				if n := g.ca.Count(acmetest.Finalize); n != 1 {
					t.Errorf("%d orders were finalised for one need", n)
				}
				if again := g.apply(); len(again.Done) != 0 {
					t.Errorf("a further pass did %+v", again.Done)
				}
				g.checkTidy()
			})
		}
	}
}

// reopen opens the store, after a kill of the process that had it open.
func (f *fixture) reopen() {
	f.Helper()
	if f.store != nil {
		// A killed process leaves its note in the lock; closing empties it.
		lock := filepath.Join(f.dir, "state", "lock")
		note, err := os.ReadFile(lock)
		if err != nil {
			f.Fatal(err)
		}
		if err := f.store.Close(); err != nil {
			f.Fatal(err)
		}
		if err := os.WriteFile(lock, note, 0o600); err != nil {
			f.Fatal(err)
		}
	}
	s, err := store.Open(f.Context(), filepath.Join(f.dir, "state"), f.disk, "node1", store.Holder)
	if err != nil {
		f.Fatal(err)
	}
	f.use(s)
}

// checkServed fails the test unless the certificate's files fit together.
func (f *fixture) checkServed(name string) {
	f.Helper()
	folder := filepath.Join(f.dir, "out", name)
	if _, err := tls.LoadX509KeyPair(filepath.Join(folder, "fullchain.pem"), filepath.Join(folder, "privkey.pem")); err != nil {
		f.Error(err)
	}
	k := f.known(name)
	if k.Published == "" || k.Targets["default"].Version != k.Published || k.Targets["default"].State != plan.TargetReloaded {
		f.Errorf("published %s, target %+v", k.Published, k.Targets["default"])
	}
}

// checkTidy fails the test where a temporary file or a journal is left.
func (f *fixture) checkTidy() {
	f.Helper()
	err := filepath.WalkDir(f.dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && durable.IsTemp(d.Name()) {
			f.Errorf("%s is left", path)
		}
		return err
	})
	if err != nil {
		f.Error(err)
	}
	if left, err := os.ReadDir(filepath.Join(f.dir, "state", "journal")); err == nil && len(left) > 0 {
		f.Errorf("journal holds %v", left)
	}
}
