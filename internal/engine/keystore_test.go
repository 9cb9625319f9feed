package engine

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/plan"
)

// TestKeyStore: a key store is installed under the password of the config, and
// the next pass finds nothing to do.
func TestKeyStore(t *testing.T) {
	t.Setenv("KEYSTORE_TEST_PASSWORD", "correct horse")
	f := newFixture(t, acmetest.Options{})
	f.configure(fmt.Sprintf("certificates: {a.test: {files: [{path: %[1]s/a.p12, content: pkcs12, password_env: KEYSTORE_TEST_PASSWORD}, {path: %[1]s/a.pem, content: fullchain}]}}\n", f.dir))
	f.apply()
	said, err := exec.Command("openssl", "pkcs12", "-in", f.dir+"/a.p12", "-passin", "pass:correct horse", "-nokeys", "-info").CombinedOutput()
	if err != nil || strings.Count(string(said), "BEGIN CERTIFICATE") != 2 {
		t.Errorf("openssl pkcs12: %v\n%s", err, said)
	}
	if again := f.apply(); len(again.Done) != 0 {
		t.Errorf("the second pass did %+v", again.Done)
	}
}

// TestPasswordGone: an install whose password cannot be read is a fact, so that
// a person is told; with the password it is made up for.
func TestPasswordGone(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	password := filepath.Join(f.dir, "password")
	f.configure(fmt.Sprintf("certificates: {a.test: {files: [{path: %[1]s/a.p12, content: pkcs12, password_file: %[2]s}]}}\n", f.dir, password))
	report, err := f.Apply(t.Context(), nil, Only{})
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(report.Done, func(o Outcome) bool { return o.Step.Kind == plan.KindInstall })
	if i < 0 {
		t.Fatalf("nothing was installed: %+v", report.Done)
	}
	fault := report.Done[i].Fault
	if fault == nil || fault.Code != plan.CodeSecret || !strings.Contains(fault.Words, password) {
		t.Errorf("fault %+v", fault)
	}
	if tries := f.known("a.test").Targets["default"].Tries; tries.Count != 1 {
		t.Errorf("counted %d", tries.Count)
	}
	world, err := f.World(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	problems := plan.CertProblems(time.Now(), world, world.Wanted.Certs[0])
	if len(problems) != 1 || problems[0].Code != plan.CodeSecret {
		t.Errorf("problems %+v", problems)
	}
	if err := os.WriteFile(password, []byte("correct horse\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f.askApply("a.test")
	f.apply()
	if state := f.known("a.test").Targets["default"].State; state != plan.TargetReloaded {
		t.Errorf("the target is %s", state)
	}
}
