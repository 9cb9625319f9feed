package engine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/plan"
)

// TestHooksOfRepairs: acmebot's hook of a file runs whenever the file was
// written, and so do those of files that somebody deleted or altered and that
// came back as they were. Of those beside them nobody is told.
func TestHooksOfRepairs(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	f.configure(fmt.Sprintf(`keys:
  both:
    backup_key: true
    files: [{path: %[1]s/k.key, content: key}, {path: %[1]s/next.key, content: backup-key}, {path: %[1]s/old.key, content: previous-key}]
certificates:
  a.test: {key: both, dh_params: ffdhe2048, ec_params: [secp384r1], files: [{path: %[1]s/a.pem, content: fullchain}, {path: %[1]s/a-chain.pem, content: chain}, {path: %[1]s/a_param.pem, content: [dh-params, ec-params]}]}
  b.test: {dh_params: ffdhe2048, ec_params: [secp384r1], files: [{path: %[1]s/b.pem, content: [key, fullchain]}, {path: %[1]s/b_param.pem, content: [dh-params, ec-params]}]}
%[2]s`, f.dir, f.acmebotHooks()))
	f.apply()
	f.ask(plan.AskRollover, "a.test")
	f.apply()
	f.told()
	before := map[string]string{}
	for _, name := range []string{"a_param.pem", "b_param.pem", "next.key", "old.key", "a-chain.pem"} {
		before[name] = f.read(name)
	}
	const who = "certificate_name=a.test key_name=both key_type=ecdsa"
	alter := func(path string) error { return os.WriteFile(path, []byte("spoilt\n"), 0o600) }
	old := func(path string) error { // what changed just now may be a key that somebody is writing
		past := time.Now().Add(-time.Minute)
		return errors.Join(alter(path), os.Chtimes(path, past, past))
	}
	for _, c := range []struct {
		name  string
		spoil func(path string) error
		want  string
	}{
		{"a_param.pem", os.Remove, "params_installed certificate_name=a.test key_name=both key_type=ecdsa params_file=DIR/a_param.pem"},
		{"b_param.pem", alter, "params_installed certificate_name=b.test key_name=b.test key_type=ecdsa params_file=DIR/b_param.pem"},
		{"next.key", os.Remove, "backup_key_installed backup_key_file=DIR/next.key " + who},
		{"old.key", old, "previous_key_installed " + who + " previous_key_file=DIR/old.key"},
		{"a-chain.pem", os.Remove, "chain_installed certificate_name=a.test chain_file=DIR/a-chain.pem key_name=both key_type=ecdsa"},
	} {
		if err := c.spoil(filepath.Join(f.dir, c.name)); err != nil {
			t.Fatal(err)
		}
		f.ask(plan.AskApply, "a.test", "b.test")
		f.apply()
		if f.read(c.name) != before[c.name] {
			t.Errorf("%s did not come back as it was", c.name)
		}
		if told := f.told(); !slices.Equal(told, []string{c.want}) {
			t.Errorf("%s: told\n%s\nwant\n%s", c.name, strings.Join(told, "\n"), c.want)
		}
	}
	f.checkIdle()

	// A process that was killed after it had written left the file in place, and
	// the fact that it was altered.
	err := f.store.UpdateTargets(t.Context(), "b.test", func(targets map[string]plan.Target) error {
		fact := targets["default"]
		fact.Altered = []string{filepath.Join(f.dir, "b_param.pem")}
		targets["default"] = fact
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	f.apply()
	if told := f.told(); len(told) != 1 || !strings.HasPrefix(told[0], "params_installed certificate_name=b.test") {
		t.Errorf("after a kill told %q", told)
	}
}
