package dir_test

import (
	"path/filepath"
	"testing"

	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/faultfs"
	"github.com/certkeep/certkeep/internal/store/dir"
)

// TestSeenIsDurable: what a reader could see when something else was stored
// survives a power cut, also where its own sync had failed or never came.
func TestSeenIsDurable(t *testing.T) {
	for name, c := range map[string]struct {
		fault   faultfs.Fault
		restart bool
	}{
		"the sync failed":  {faultfs.Refused, false},
		"killed before it": {faultfs.Killed, true},
	} {
		t.Run(name, func(t *testing.T) {
			root := filepath.Join(t.TempDir(), "records")
			disk := faultfs.New(durable.OS{})
			d := dir.New(root, disk)
			if _, err := d.Put(t.Context(), "a/b/k", []byte("x"), ""); err != nil {
				t.Fatal(err)
			}
			before := disk.Count()
			if _, err := d.Put(t.Context(), "a/b/l", []byte("x"), ""); err != nil {
				t.Fatal(err)
			}
			last := disk.Count() - before // its last step is the sync
			disk.Arm(last, c.fault)
			if _, err := d.Put(t.Context(), "a/b/seen", []byte("text"), ""); err == nil {
				t.Fatal("nothing went wrong")
			}
			disk.Disarm()
			if c.restart {
				d = dir.New(root, disk)
				if err := d.Sweep(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if e, err := d.Get(t.Context(), "a/b/seen"); err != nil || string(e.Value) != "text" {
				t.Fatalf("it cannot be seen: %+v, %v", e, err)
			}
			if _, err := d.Put(t.Context(), "other/k", []byte("follows"), ""); err != nil {
				t.Fatal(err)
			}
			if err := disk.PowerCut(); err != nil {
				t.Fatal(err)
			}
			if e, err := d.Get(t.Context(), "a/b/seen"); err != nil || string(e.Value) != "text" {
				t.Errorf("after the power cut: %+v, %v", e, err)
			}
		})
	}
}

// TestSeenBeforeDeleted: what was seen is durable before anything is deleted on
// its account: pointers go first.
func TestSeenBeforeDeleted(t *testing.T) {
	root := filepath.Join(t.TempDir(), "records")
	disk := faultfs.New(durable.OS{})
	d := dir.New(root, disk)
	pointer, err := d.Put(t.Context(), "groups/a", []byte("points to v"), "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Put(t.Context(), "versions/v", []byte("x"), ""); err != nil {
		t.Fatal(err)
	}
	disk.Arm(4, faultfs.Refused) // mkdir, create, rename, sync
	if _, err := d.Put(t.Context(), "groups/a", []byte("empty"), pointer); err == nil {
		t.Fatal("nothing went wrong")
	}
	disk.Disarm()
	if err := d.Delete(t.Context(), "versions/v", ""); err != nil {
		t.Fatal(err)
	}
	if err := disk.PowerCut(); err != nil {
		t.Fatal(err)
	}
	if e, err := d.Get(t.Context(), "groups/a"); err != nil || string(e.Value) != "empty" {
		t.Errorf("after the power cut: %q, %v", e.Value, err)
	}
}
