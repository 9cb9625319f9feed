package engine

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/faultfs"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/seal"
	"github.com/certkeep/certkeep/internal/store"
)

// under opens the store as a new process that has some store keys.
func (f *fixture) under(keys ...seal.Key) {
	f.Helper()
	if err := f.store.Close(); err != nil {
		f.Fatal(err)
	}
	s, err := store.OpenSealed(f.Context(), store.Options{
		Path: filepath.Join(f.dir, "state"), Disk: f.disk, Node: "node1", Mode: store.Holder,
		Keys: func() (seal.Ring, error) { return seal.NewRing(keys...), nil },
	})
	if err != nil {
		f.Fatal(err)
	}
	f.use(s)
}

// secrets are all records that hold some, and what is installed.
func (f *fixture) secrets() map[string]string {
	f.Helper()
	all := map[string]string{}
	for _, folder := range []string{"state/records/keys", "state/records/accounts", "state/records/keysets", "out"} {
		tree, err := faultfs.Tree(filepath.Join(f.dir, folder), nil)
		if err != nil {
			f.Fatal(err)
		}
		for name, is := range tree {
			all[folder+"/"+name] = is
		}
	}
	return all
}

// TestMissingStoreKeyMakesNothingAnew begins without the store key in the one
// case in which the store does not refuse that: the record of the seal is gone
// too. Keys that cannot be opened are no reason to make others, to order, or to
// install anything in their place; with the key all goes on.
func TestMissingStoreKeyMakesNothingAnew(t *testing.T) {
	const config = "certificates: {a.test: {}, b.test: {key_reuse: true, backup_key: true}}\n"
	f := newFixture(t, acmetest.Options{})
	key := seal.NewKey()
	f.under(key)
	f.configure(config)
	f.apply()
	if err := os.Remove(filepath.Join(f.dir, "state/records/seal.json")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a.test", "b.test"} {
		if err := os.Remove(filepath.Join(f.dir, "out", name)); err != nil {
			t.Fatal(err)
		}
	}
	for name, keys := range map[string][]seal.Key{"without a key": nil, "with another": {seal.NewKey()}} {
		f.under(keys...)
		f.configure(config)
		before := f.secrets()
		f.ca.ResetRequests()
		f.askEach(map[string]plan.AskKind{"a.test": plan.AskApply, "b.test": plan.AskRenew})
		report, err := f.Apply(t.Context(), nil, Only{})
		if err != nil {
			t.Fatal(err)
		}
		failed := 0
		for _, o := range report.Done {
			if o.Fault == nil {
				continue
			}
			failed++
			if o.Fault.Code != plan.CodeSealed {
				t.Errorf("%s: %s %s failed with %+v", name, o.Step.Kind, o.Step.Cert, o.Fault)
			}
		}
		if n := len(finalized(f.ca)); n != 0 || failed == 0 {
			t.Errorf("%s: %d orders, %d failures", name, n, failed)
		}
		if differ := faultfs.Differ(before, f.secrets()); len(differ) != 0 {
			t.Errorf("%s: changed %q", name, differ)
		}
		for _, cert := range []string{"a.test", "b.test"} {
			known := f.known(cert)
			if version, ok := known.Version(known.Published); !ok || version.Broken != "" {
				t.Errorf("%s: the version of %s counts as broken: %+v", name, cert, version)
			}
		}
		_ = os.Remove(filepath.Join(f.dir, "state/records/seal.json"))
	}
	f.under(key)
	f.configure(config)
	f.askEach(map[string]plan.AskKind{"a.test": plan.AskApply, "b.test": plan.AskApply})
	f.apply()
	f.checkServed("a.test")
	f.checkServed("b.test")
	known, err := f.store.KnownSeal(t.Context())
	if err != nil || known == nil || known.Key != key.ID() || len(known.Others) != 0 {
		t.Errorf("KnownSeal = %+v, %v", known, err)
	}
}

// TestSealedRollback: where a service refuses a new version, the spread files
// of the one before come back out of copies that are sealed, also where the
// store key has changed since these were made.
func TestSealedRollback(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	first, second := seal.NewKey(), seal.NewKey()
	f.under(first)
	reload := f.script("reload", fmt.Sprintf("! test -e %s/refuse\n", f.dir))
	config := fmt.Sprintf(`services: {web: {reload: %s}}
certificates: {a.test: {services: [web], files: [{path: %[2]s/a.key, content: key}, {path: %[2]s/a.pem, content: fullchain}]}}
`, reload, f.dir)
	f.configure(config)
	f.apply()
	good := f.known("a.test").Published
	read := func() (files [2]string) {
		for i, name := range []string{"a.key", "a.pem"} {
			text, err := os.ReadFile(filepath.Join(f.dir, name))
			if err != nil {
				t.Fatal(err)
			}
			files[i] = string(text)
		}
		return files
	}
	before := read()
	for _, keys := range [][]seal.Key{{first}, {second, first}} {
		f.under(keys...)
		f.configure(config)
		f.script("refuse", "")
		f.ask(plan.AskRenew, "a.test")
		f.failing()
		if read() != before || f.known("a.test").Targets["default"].Version != good {
			t.Error("what worked before does not stand again")
		}
		copies, err := filepath.Glob(filepath.Join(f.dir, "state/archive/a.test/*/*"))
		if err != nil || len(copies) == 0 {
			t.Fatalf("copies: %q, %v", copies, err)
		}
		sealed := 0
		for _, path := range copies {
			text, err := os.ReadFile(path)
			if err != nil || strings.Contains(string(text), "PRIVATE KEY") {
				t.Errorf("%s is not sealed: %v", path, err)
			}
			if seal.IsFile(text) {
				sealed++
			}
		}
		if sealed == 0 {
			t.Errorf("none of %q is sealed", copies)
		}
	}
	if err := os.Remove(filepath.Join(f.dir, "refuse")); err != nil {
		t.Fatal(err)
	}
	f.askApply("a.test")
	f.apply()
	if target := f.known("a.test").Targets["default"]; target.Version == good || read() == before {
		t.Errorf("the new version is not installed: %+v", target)
	}
}
