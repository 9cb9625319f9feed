package engine

import (
	"crypto/tls"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/faultfs"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/store"
)

// life is a stretch of a certificate's life. One of its writes after the
// other goes wrong, in one way after the other; each time the next process
// has to make good for it.
type life struct {
	ca     *acmetest.CA
	dir    string       // the same in every case: paths are facts
	start  string       // copy of dir as every case begins
	under  durable.Disk // that the faults happen above
	disk   *faultfs.Disk
	config string                      // $DIR stands for dir
	adapt  func(cfg *config.Config)    // to what no config may say; may be nil
	judge  func(f *fixture)            // looks at the end of each case
	afresh func()                      // takes back what a case did outside the folder; may be nil
	orders int                         // that are finalised
	certs  []string                    // that a person asks for after a failure
	shard  struct{ number, among int } // of several lives that share the cases; none where zero
}

// newLife makes a folder to live in, and a CA.
func newLife(t *testing.T) *life { return newLifeAt(t, acmetest.Options{}) }

func newLifeAt(t *testing.T, o acmetest.Options) *life {
	t.Helper()
	base := t.TempDir()
	l := &life{
		ca: acmetest.Start(t, o), dir: filepath.Join(base, "life"), start: filepath.Join(base, "start"),
		under:  durable.NoSync{}, // faultfs knows what was synced
		orders: 1, certs: []string{"a.test"},
	}
	if err := os.Mkdir(l.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return l
}

// prepare lives through what is not swept; every case begins after it.
func (l *life) prepare(t *testing.T, before func(*fixture)) {
	t.Helper()
	f := l.fixture(t)
	l.configure(f)
	before(f)
	if err := f.store.Close(); err != nil {
		t.Fatal(err)
	}
	copyTree(t, l.dir, l.start)
}

// configure takes over the config.
func (l *life) configure(f *fixture) {
	f.Helper()
	cfg := f.config(strings.ReplaceAll(l.config, "$DIR", l.dir))
	if l.adapt != nil {
		l.adapt(cfg)
	}
	if err := f.Configure(cfg); err != nil {
		f.Fatal(err)
	}
}

// fixture opens what is in the folder.
func (l *life) fixture(t *testing.T) *fixture {
	t.Helper()
	l.disk = faultfs.New(l.under)
	f := &fixture{T: t, ca: l.ca, dir: l.dir, disk: l.disk, roots: filepath.Join(l.dir, "ca.pem")}
	if err := os.WriteFile(f.roots, l.ca.RootPEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	f.reopen()
	return f
}

// begin is a new case.
func (l *life) begin(t *testing.T) *fixture {
	t.Helper()
	if err := os.RemoveAll(l.dir); err != nil {
		t.Fatal(err)
	}
	copyTree(t, l.start, l.dir)
	if l.afresh != nil {
		l.afresh()
	}
	f := l.fixture(t)
	l.configure(f)
	l.ca.ResetRequests()
	return f
}

// copyTree copies a folder with all that is in it: modes, times and symlinks.
func copyTree(t *testing.T, from, to string) {
	t.Helper()
	if out, err := exec.Command("cp", "-a", from, to).CombinedOutput(); err != nil {
		t.Fatalf("copy %s: %v: %s", from, err, out)
	}
}

// powerCut stands beside the faults of faultfs: the process is killed, and
// every name that was not synced is lost.
const powerCut faultfs.Fault = -1

// sweep tries every write and every fault, or with CERTKEEP_SWEEP unset a
// sample: of each fault every so many writes, beginning at another one each.
func (l *life) sweep(t *testing.T, every int) {
	f := l.begin(t)
	l.disk.Disarm()
	f.apply()
	l.check(f)
	total := l.disk.Count()
	t.Logf("%d changes to the disk: %v", total, l.disk.Tally())
	if os.Getenv("CERTKEEP_SWEEP") == "all" {
		every = 1
	}
	cases := 0
	for i, fault := range append(faultfs.Faults(), faultfs.Full, powerCut) {
		for n := 1; n <= total; n++ {
			if (n+i*every/6)%every != 0 {
				continue
			}
			if cases++; cases%max(1, l.shard.among) != l.shard.number {
				continue
			}
			name := fmt.Sprintf("%v at %d", fault, n)
			if fault == powerCut {
				name = fmt.Sprintf("power cut at %d", n)
			}
			t.Run(name, func(t *testing.T) { l.one(t, n, fault) })
		}
	}
}

// one is one case.
func (l *life) one(t *testing.T, n int, fault faultfs.Fault) {
	f := l.begin(t)
	how := fault
	if fault == powerCut {
		how = faultfs.Killed
	}
	l.disk.Arm(n, how)
	if _, err := f.Apply(t.Context(), nil, Only{}); err != nil {
		t.Logf("first pass: %v", err)
	}
	if !l.disk.Tripped() {
		t.Log("the pass made fewer changes this time")
	}
	if fault == powerCut {
		if err := l.disk.PowerCut(); err != nil {
			t.Fatal(err)
		}
	}
	l.disk.Disarm()
	f.reopen()
	l.configure(f)
	if err := f.Recover(t.Context()); err != nil {
		t.Fatal(err)
	}
	if fault == faultfs.Refused || fault == faultfs.AnswerLost || fault == faultfs.Full {
		// A failure that was reported backs off; a person skips that.
		if err := f.Ask(t.Context(), plan.AskApply, l.certs, ""); err != nil {
			t.Fatal(err)
		}
	}
	f.apply()
	l.check(f)
}

// check is what has to be true in the end, whatever happened: the CA was
// asked to finalise no more orders than are needed, nothing is left behind, and
// all is done: a further pass changes no byte and asks nobody.
func (l *life) check(f *fixture) {
	f.Helper()
	if n := len(finalized(l.ca)); n != l.orders {
		f.Errorf("%d orders were finalised, want %d", n, l.orders)
	}
	l.judge(f)
	f.checkTidy()
	before, asked := f.tree(), l.ca.Count()
	if again := f.apply(); len(again.Done) != 0 {
		f.Errorf("a further pass did %+v", again.Done)
	}
	if differ := faultfs.Differ(before, f.tree()); len(differ) != 0 {
		f.Errorf("a further pass changed %q", differ)
	}
	if n := l.ca.Count() - asked; n != 0 {
		f.Errorf("a further pass asked the CA %d times", n)
	}
}

// tree is all that lies in the fixture's folder.
func (f *fixture) tree() map[string]string { return f.treeOf(f.dir) }

// treeOf is all that lies in a folder.
func (f *fixture) treeOf(folder string) map[string]string {
	f.Helper()
	tree, err := faultfs.Tree(folder, nil)
	if err != nil {
		f.Fatal(err)
	}
	return tree
}

// finalized are the orders that the CA was asked to finalise.
func finalized(ca *acmetest.CA) map[string]bool {
	orders := map[string]bool{}
	for _, r := range ca.Requests() {
		if r.Kind == acmetest.Finalize {
			orders[r.Path] = true
		}
	}
	return orders
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
		// A program that another life is just starting would hold the lock too.
		syscall.ForkLock.RLock()
		err = f.store.Close()
		syscall.ForkLock.RUnlock()
		if err != nil {
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
