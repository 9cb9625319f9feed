package engine

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/store"
)

// TestActivatedOnRestart: a service that others restart is told of the first
// certificate, for it serves none. A renewal is written, checked, and left to
// them; once a handshake shows it, it is verified.
func TestActivatedOnRestart(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	l := newLive(t, f.dir)
	key, full := filepath.Join(f.dir, "out/a.test/privkey.pem"), filepath.Join(f.dir, "out/a.test/fullchain.pem")
	reload := f.script("reload", l.reload(key, full))
	check := f.script("check", "echo check >> "+f.dir+"/log")
	f.configure(fmt.Sprintf(`services: {web: {check: %s, reload: %s}}
certificates: {a.test: {services: [web], activate: on-restart, verify: [%d]}}
`, check, reload, l.port))
	f.apply()
	first := f.known("a.test")
	if got := first.Targets["default"]; got.State != plan.TargetVerified || got.Awaits != nil {
		t.Fatalf("the first certificate: %+v", got)
	}
	lines := len(f.lines("log"))
	f.ask(plan.AskRenew, "a.test")
	f.apply()
	k := f.known("a.test")
	got := k.Targets["default"]
	if k.Published == first.Published || got.Version != k.Published || got.State != plan.TargetWritten || got.Awaits == nil || got.Awaits.Serves != first.Published {
		t.Fatalf("the renewal: %+v", got)
	}
	if after := f.lines("log"); len(after) == lines || slices.Contains(after[lines:], "reload") {
		t.Errorf("the service was told, or not checked: %v", after[lines:])
	}
	if l.shows(f) == f.leaf(full) {
		t.Error("the service has read its files")
	}
	if n := f.happened("a.test", store.EventVerifyFailed); n != 0 {
		t.Errorf("%d handshakes are told to have failed", n)
	}
	if problems := f.problems("a.test"); len(problems) != 0 {
		t.Errorf("problems: %v", problems)
	}
	if done := f.apply().Done; len(done) != 0 {
		t.Errorf("a further pass did %+v", done)
	}
	if out, err := exec.CommandContext(t.Context(), reload).CombinedOutput(); err != nil { // somebody restarts it
		t.Fatalf("%v: %s", err, out)
	}
	f.ask(plan.AskVerify, "a.test")
	f.apply()
	if got := f.known("a.test").Targets["default"]; got.State != plan.TargetVerified || got.Awaits != nil {
		t.Errorf("after the restart: %+v", got)
	}
	if _, err := os.Stat(full); err != nil {
		t.Error(err)
	}
}
