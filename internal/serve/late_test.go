package serve

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/certkeep/certkeep/internal/chain"
	"github.com/certkeep/certkeep/internal/keys"
)

// A renewal that cannot be read just now, for want of files perhaps, is shown as
// soon as it can be, though nothing is published any more.
func TestReadLater(t *testing.T) {
	t.Parallel()
	for name, hide := range map[string]func(t *testing.T, site *site, id string) (show func()){
		"version": hideVersion,
		"record":  hideRecord,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				site := newSite(t)
				site.publish("a", []string{"a.example", "one.example"}, keys.ECDSAP256)
				shelf := site.shelf(10)
				shows(t, shelf, "a.example")
				show := hide(t, site, site.publish("a", []string{"a.example", "two.example"}, keys.ECDSAP256))
				site.changed(shelf, "a")
				time.Sleep(10 * firstAgain)
				if names := shows(t, shelf, "a.example"); !slices.Contains(names, "one.example") {
					t.Errorf("shows %v, which cannot be read", names)
				}
				show()
				time.Sleep(lastAgain)
				if c := shelf.Held(hello("a.example")); c == nil || !slices.Contains(chain.Names(c.Leaf), "two.example") {
					t.Error("the renewal is not shown when it can be read again")
				}
				shelf.taking.Lock()
				defer shelf.taking.Unlock()
				if len(shelf.late) > 0 {
					t.Error("it is read again and again")
				}
			})
		})
	}
}

func hideVersion(t *testing.T, site *site, id string) func() {
	record, err := site.store.Version(t.Context(), "a", id)
	if err != nil {
		t.Fatal(err)
	}
	if err := site.store.DeleteVersion(t.Context(), "a", id); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := site.store.PutVersion(t.Context(), record); err != nil {
			t.Error(err)
		}
	}
}

func hideRecord(t *testing.T, site *site, _ string) func() {
	found, err := filepath.Glob(filepath.Join(site.store.Dir(), "records", "groups", "a*"))
	if err != nil || len(found) != 1 {
		t.Fatalf("records %v, %v", found, err)
	}
	text, err := os.ReadFile(found[0])
	if err != nil {
		t.Fatal(err)
	}
	write := func(text []byte) {
		if err := os.WriteFile(found[0], text, 0o600); err != nil {
			t.Error(err)
		}
	}
	write([]byte("{"))
	return func() { write(text) }
}
