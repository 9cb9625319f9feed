package engine

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/store"
)

// TestRenamedInTheConfig: a certificate that has another name in the config is
// not ordered again. What is stored under the old name stays, and is there when
// the name comes back; when it is forgotten, the key that both are on stays.
func TestRenamedInTheConfig(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	f.configure(`certificates: {old: {names: [a.test, b.test]}}`)
	f.apply()
	orders := f.ca.Count()
	before := f.served("old")

	f.configure(`certificates: {new: {names: [b.test, a.test]}}`)
	f.apply()
	if got := f.served("new"); got.SHA256 != before.SHA256 {
		t.Fatalf("new serves %s, want what was stored of old, %s", got.SHA256, before.SHA256)
	}
	if f.known("new").Targets["default"].Version != f.known("new").Published {
		t.Error("it is not installed under its new name")
	}
	if f.happened("new", store.EventIssued) != 1 {
		t.Error("the history does not tell of it")
	}

	f.configure(`certificates: {new: {names: [b.test, a.test]}, old: {names: [a.test]}}`)
	f.apply()
	if got := f.served("old"); got.SHA256 != before.SHA256 {
		t.Error("a certificate that came back with fewer names was issued anew")
	}

	f.configure(`certificates: {new: {names: [b.test, a.test]}}`)
	if err := f.store.Forget(f.Context(), "old"); err != nil {
		t.Fatal(err)
	}
	if _, err := f.store.Key(f.Context(), before.Key); err != nil {
		t.Errorf("the key is gone with the old name: %v", err)
	}
	f.apply()
	if now := f.ca.Count(); now != orders {
		t.Errorf("%d orders were opened, want %d", now, orders)
	}
}

// TestServesWhatItHasOfTheNames: what has some of the names is served until the
// order is through, and where the CA cannot be reached for longer.
func TestServesWhatItHasOfTheNames(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	f.configure(`certificates: {old: {names: [a.test]}}`)
	f.apply()
	before := f.served("old")
	veto := f.script("veto", `test -e "`+f.dir+`/yes"`)
	f.configure(`hooks: {renewing: {command: ` + veto + `}}
certificates: {new: {names: [a.test, c.test]}}`)
	if _, err := f.Apply(t.Context(), nil, Only{}); err != nil {
		t.Fatal(err)
	}
	if got := f.served("new"); got.SHA256 != before.SHA256 {
		t.Fatal("what has one of the names is not served while the order is put off")
	}
	if err := os.WriteFile(filepath.Join(f.dir, "yes"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	f.ask(plan.AskApply, "new")
	f.apply()
	if got := f.served("new"); len(got.Request.Names) != 2 {
		t.Errorf("new serves %v", got.Request.Names)
	}
}
