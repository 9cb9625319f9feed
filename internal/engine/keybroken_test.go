package engine

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/plan"
)

// TestServiceOfAnother: a service whose configuration is broken keeps no
// certificate from its place that it does not use, though both are on one key.
// Where the key itself changes all stays as it is until every service takes it.
func TestServiceOfAnother(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	check := f.script("check", "! test -e "+f.dir+"/broken\n")
	f.configure(fmt.Sprintf(`keys: {both: {files: [{path: %[1]s/both.key, content: key}]}}
services:
  good: {reload: %[3]s}
  bad: {check: %[2]s, reload: %[3]s}
certificates:
  a.test: {key: both, services: [good], files: [{path: %[1]s/a.pem, content: fullchain}]}
  b.test: {key: both, services: [bad], files: [{path: %[1]s/b.pem, content: fullchain}]}
`, f.dir, check, f.script("reload", "")))
	f.apply()
	f.checkKeyFiles()
	if err := os.WriteFile(filepath.Join(f.dir, "broken"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	a, b, key := f.text("a.pem"), f.text("b.pem"), f.text("both.key")
	f.ask(plan.AskRenew, "a.test", "b.test")
	if _, err := f.Apply(t.Context(), nil, Only{}); err != nil {
		t.Fatal(err)
	}
	f.checkKeyFiles()
	if f.text("a.pem") == a || f.text("b.pem") != b {
		t.Error("the renewed certificate was not installed, or one where it is not taken")
	}
	if _, told := f.problems("b.test")[plan.CodeServiceCheck]; !told || len(f.problems("a.test")) != 0 {
		t.Errorf("problems %+v and %+v", f.problems("a.test"), f.problems("b.test"))
	}
	a = f.text("a.pem")
	f.ask(plan.AskRollover, "a.test")
	if _, err := f.Apply(t.Context(), nil, Only{}); err != nil {
		t.Fatal(err)
	}
	if f.text("a.pem") != a || f.text("b.pem") != b || f.text("both.key") != key {
		t.Error("the key was changed in part")
	}
	if err := os.Remove(filepath.Join(f.dir, "broken")); err != nil {
		t.Fatal(err)
	}
	f.ask(plan.AskApply, "a.test", "b.test")
	f.apply()
	f.checkKeyFiles()
	if f.text("both.key") == key {
		t.Error("the key did not change")
	}
	if done := f.apply().Done; len(done) != 0 {
		t.Errorf("a further pass did %+v", done)
	}
}
