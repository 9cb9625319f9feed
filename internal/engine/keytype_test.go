package engine

import (
	"fmt"
	"os"
	"testing"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/plan"
)

// TestRestoreOfAnotherKindOfKey goes back to a version of a kind of key that
// the config does not ask for any more: it is installed, and hooks are told
// the files that are there.
func TestRestoreOfAnotherKindOfKey(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	hook := f.script("hook", fmt.Sprintf("echo $LEGO_CERT_PATH >> %s/told\n", f.dir))
	config := func(keyType string) string {
		return fmt.Sprintf(`hooks: {installed: {command: [%[2]s]}}
certificates:
  a.test:
    key_types: [%[1]s]
    files: [{path: "%[3]s/{key_type}.key", content: key}, {path: "%[3]s/{key_type}.pem", content: fullchain}]
`, keyType, hook, f.dir)
	}
	f.configure(config(ec256))
	f.apply()
	first := f.known("a.test").Published
	f.configure(config("ecdsa-p384"))
	f.apply()
	if _, ok := f.known("a.test").Versions[1].Pair("ecdsa-p384"); !ok {
		t.Fatalf("no other kind of key: %+v", f.known("a.test"))
	}
	if err := f.Ask(t.Context(), plan.AskRestore, []string{"a.test"}, first); err != nil {
		t.Fatal(err)
	}
	f.apply()
	known := f.known("a.test")
	if target := known.Targets["default"]; known.Published != first || target.Version != first || target.State != plan.TargetReloaded {
		t.Errorf("published is %s, want %s; the target is %+v", known.Published, first, target)
	}
	for _, told := range f.lines("told") {
		if _, err := os.Stat(told); err != nil {
			t.Errorf("a hook was told of %s: %v", told, err)
		}
	}
	if got := f.lines("told"); len(got) != 3 || got[0] != got[2] {
		t.Errorf("the hook was told of %q", got)
	}
	if done := f.apply().Done; len(done) != 0 {
		t.Errorf("a further pass did %+v", done)
	}
}
