package engine

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/store"
)

// TestOldAccountKeyFromBackup puts back a state that was saved before the
// account's key was changed. The CA takes that key for a bad signature: the
// account is replaced, once, and the certificates are renewed.
func TestOldAccountKeyFromBackup(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	const config = "certificates: {a.test: {}, b.test: {}}\n"
	f.configure(config)
	f.apply()
	record := filepath.Join(f.dir, "state/records/accounts/pebble.json")
	saved, err := os.ReadFile(record)
	if err != nil {
		t.Fatal(err)
	}
	before := f.account("pebble")
	if _, err := f.RollAccountKey(t.Context(), "pebble"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(record, saved, 0o600); err != nil {
		t.Fatal(err)
	}
	f.reopen()
	f.configure(config)
	f.ask(plan.AskRenew, "a.test", "b.test")
	f.apply()
	for _, name := range []string{"a.test", "b.test"} {
		f.checkServed(name)
		if k := f.known(name); len(k.Versions) != 2 {
			t.Errorf("%s: %d versions after a renewal", name, len(k.Versions))
		}
	}
	if now := f.account("pebble"); now.URL == before.URL || now.Key == before.Key || now.Status != store.AccountValid {
		t.Errorf("account = %+v, was %+v", now, before)
	}
	archived, err := filepath.Glob(filepath.Join(f.dir, "state/records/accounts/archive/pebble/*"))
	if err != nil || len(archived) != 1 {
		t.Errorf("archived accounts: %v, %v", archived, err)
	}
}
