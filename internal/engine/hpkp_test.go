package engine

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/servertest"
)

// TestPins: headers name the keys in use, follow them, and are what nginx
// takes; with one key none is written, and a person is told.
func TestPins(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	reload := f.script("reload", fmt.Sprintf("echo reload >> %s/log\n", f.dir))
	config := fmt.Sprintf(`
services: {web: {reload: %s}}
certificates: {a.test: {key_types: [ecdsa-p256%%s], services: [web], hpkp: {file: "%s/pins/{name}.{server}", headers: {nginx: true, own: "{server} {header}\n"}, max_age: 30d}}}
`, reload, f.dir)
	f.configure(fmt.Sprintf(config, ""))
	f.apply()
	if p := f.problem(plan.CodePins); p.Severity != plan.Warning {
		t.Errorf("problem %+v", p)
	}
	if _, err := os.Stat(filepath.Join(f.dir, "pins")); err == nil {
		t.Error("a header with one pin was written")
	}
	f.configure(fmt.Sprintf(config, ", rsa-2048"))
	f.apply()
	reloads := len(f.lines("log"))
	f.checkPins()
	if again := f.apply(); len(again.Done) != 0 {
		t.Errorf("a further pass did %+v", again.Done)
	}
	f.ask(plan.AskRenew, "a.test")
	f.apply()
	f.checkPins()
	if n := len(f.lines("log")) - reloads; n != 1 {
		t.Errorf("%d reloads for new keys and their pins, want one", n)
	}
	f.configure(fmt.Sprintf("certificates: {b.test: {key_reuse: true, backup_key: true, hpkp: {file: \"%s/pins/b\", headers: {own: \"{header}\"}}}}\n", f.dir))
	f.apply()
	if text, err := os.ReadFile(filepath.Join(f.dir, "pins/b")); err != nil || strings.Count(string(text), "pin-sha256") != 2 {
		t.Errorf("a key with a backup is pinned as %q: %v", text, err)
	}
	address := servertest.FreeAddress(t)
	servertest.Nginx(t, address, fmt.Sprintf("server { listen %s; include %s/pins/a.test.nginx; }", address, f.dir))
}

// checkPins fails the test unless the headers name the keys of what is
// installed.
func (f *fixture) checkPins() {
	f.Helper()
	own, err := os.ReadFile(filepath.Join(f.dir, "pins/a.test.own"))
	if err != nil {
		f.Fatal(err)
	}
	k := f.known("a.test")
	version, _ := k.Version(k.Published)
	if len(version.Pairs) != 2 {
		f.Fatalf("published %+v", version)
	}
	leaf := sha256.Sum256(f.chain("a.test")[0].RawSubjectPublicKeyInfo)
	if pin := base64.StdEncoding.EncodeToString(leaf[:]); !strings.HasPrefix(string(own), "own pin-sha256=\\\""+pin) {
		f.Errorf("%s does not begin with the pin %s", own, pin)
	}
	if !strings.Contains(string(own), "max-age=2592000;") || strings.Count(string(own), "pin-sha256") != 2 {
		f.Errorf("the header is %s", own)
	}
}
