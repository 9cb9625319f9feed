package store_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/faultfs"
	"github.com/certkeep/certkeep/internal/seal"
	"github.com/certkeep/certkeep/internal/store"
)

// sealChange is a change of how a store is sealed.
type sealChange struct {
	before, after, next store.Keys // next: by which the process after the kill opens
	unseal              bool
	under               string // what all is under in the end; "none" in the clear
	inClear             int    // files
}

// TestSealFaults lets every write of sealing, of a change of keys and of
// unsealing go wrong in every way: at every point each secret can be read by the
// keys that the next process has, and that one goes on to the end.
func TestSealFaults(t *testing.T) {
	t.Parallel()
	old, fresh := seal.NewKey(), seal.NewKey()
	for name, c := range map[string]sealChange{
		"seal":   {before: nil, after: ring(old), next: ring(old), under: old.ID()},
		"rotate": {before: ring(old), after: ring(fresh, old), next: ring(fresh, old), under: fresh.ID()},
		"back":   {before: ring(old), after: ring(fresh, old), next: ring(old, fresh), under: old.ID()},
		"unseal": {before: ring(old), after: ring(old), next: ring(old), unseal: true, under: "none", inClear: 4},
	} {
		for _, fault := range append(faultfs.Faults(), faultfs.Full) {
			for _, power := range []bool{false, true} {
				if power && fault != faultfs.Killed && fault != faultfs.AnswerLost || name == "back" && fault != faultfs.Killed {
					continue // what a power cut leaves does not depend on it
				}
				t.Run(fmt.Sprintf("%s-%v-power-%v", name, fault, power), func(t *testing.T) {
					t.Parallel()
					for n := 1; !t.Failed(); n++ {
						if !c.one(t, sweepCase{fault, power, n}) {
							return
						}
					}
				})
			}
		}
	}
}

// one is one case of the sweep. It reports whether the fault happened.
func (c sealChange) one(t *testing.T, at sweepCase) bool {
	t.Helper()
	path := filepath.Join(t.TempDir(), "state")
	disk := faultfs.New(durable.NoSync{})
	tr := newTreasure(t)
	tr.keys = tr.keys[:1]
	s, err := openUnder(t, path, disk, store.Holder, c.before)
	if err == nil {
		err = errors.Join(tr.fill(t.Context(), s), sealAll(t, s), s.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	disk.Arm(at.n, at.fault)
	err = c.do(t, path, disk, c.after)
	tripped := disk.Tripped()
	if at.power {
		if err := disk.PowerCut(); err != nil {
			t.Fatal(err)
		}
	}
	disk.Disarm()
	if err != nil && !errors.Is(err, faultfs.ErrFault) {
		t.Errorf("err = %v, want the fault", err)
	}
	if s, err = openUnder(t, path, disk, store.Holder, c.next); err != nil {
		t.Fatalf("the next process cannot begin: %v", err)
	}
	tr.check(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := c.do(t, path, disk, c.next); err != nil {
		t.Errorf("going on: %v", err)
	}
	c.judge(t, path, disk, tr)
	if t.Failed() {
		t.Errorf("so it was at change %d of the sweep", at.n)
	}
	return tripped
}

// do makes the change, as a process of its own.
func (c sealChange) do(t *testing.T, path string, disk durable.Disk, keys store.Keys) error {
	t.Helper()
	s, err := store.OpenSealed(t.Context(), store.Options{Path: path, Disk: disk, Node: "web1", Mode: store.Holder, Keys: keys, Unseal: c.unseal})
	if err != nil {
		return err
	}
	lock := filepath.Join(path, "lock")
	note, err := os.ReadFile(lock)
	if err != nil {
		t.Fatal(err)
	}
	err = sealAll(t, s)
	if closing := s.Close(); closing != nil {
		t.Fatal(closing)
	}
	if errors.Is(err, faultfs.ErrKilled) { // a killed process leaves its note
		if err := os.WriteFile(lock, note, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return err
}

func sealAll(t *testing.T, s *store.Store) error {
	t.Helper()
	report, err := s.Seal(t.Context(), nil)
	if len(report.Left) > 0 {
		t.Errorf("left: %q", report.Left)
	}
	return err
}

// judge looks at the end.
func (c sealChange) judge(t *testing.T, path string, disk durable.Disk, tr treasure) {
	t.Helper()
	s, err := openUnder(t, path, disk, store.Reader, c.next)
	if err != nil {
		t.Fatal(err)
	}
	tr.check(t, s)
	known, err := s.KnownSeal(t.Context())
	switch {
	case err != nil, c.unseal != (known == nil):
		t.Errorf("KnownSeal = %+v, %v", known, err)
	case known != nil && (known.Key != c.under || len(known.Others) != 0):
		t.Errorf("KnownSeal = %+v", known)
	}
	count, err := s.Seals(t.Context())
	if err != nil || len(count) != 1 || count[c.under] == 0 {
		t.Errorf("Seals = %v, %v", count, err)
	}
	if found := inTheClear(t, path); len(found) != c.inClear {
		t.Errorf("in the clear: %q", found)
	}
	tree, err := faultfs.Tree(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name := range tree {
		if durable.IsTemp(filepath.Base(name)) {
			t.Errorf("%s is left", name)
		}
	}
}

// TestKeyChangesUnderWriters changes the key while secrets are written: whatever
// is stored in the end is under the last key.
func TestKeyChangesUnderWriters(t *testing.T) {
	t.Parallel()
	all := []seal.Key{seal.NewKey()}
	s := sealedStore(t, filepath.Join(t.TempDir(), "state"), ring(all...))
	done := make(chan error)
	for i := range 4 {
		issuer := fmt.Sprint("ca", i)
		go func() {
			var failed error
			for range 12 {
				key, _ := newKey(t)
				_, err := s.PutKey(t.Context(), key)
				failed = errors.Join(failed, err, s.UpdateAccount(t.Context(), issuer, func(a *store.Account) error { return a.SetKey(key) }),
					s.ArchiveAccount(t.Context(), issuer, "x"))
			}
			done <- failed
		}()
	}
	var changed error
	for range 5 {
		all = append([]seal.Key{seal.NewKey()}, all...)
		keys := slices.Clone(all)
		if changed = s.UseKeys(t.Context(), ring(keys...)); changed == nil {
			_, changed = s.Seal(t.Context(), nil)
		}
		if changed != nil {
			break
		}
		// What was given up is not needed any more.
		all = all[:1]
	}
	for range 4 {
		changed = errors.Join(changed, <-done)
	}
	count, err := s.Seals(t.Context())
	if err != nil || len(count) != 1 || count[all[0].ID()] == 0 {
		t.Errorf("Seals = %v, %v; the last key is %s", count, err, all[0].ID())
	}
	if err := errors.Join(changed, s.Close()); err != nil {
		t.Error(err)
	}
}
