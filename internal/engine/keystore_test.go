package engine

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/certkeep/certkeep/internal/acmetest"
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
