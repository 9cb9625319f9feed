package engine

import (
	"crypto/tls"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/certkeep/certkeep/internal/plan"
)

// TestNothingIsLostAtAnyWrite sweeps a certificate's first issue.
func TestNothingIsLostAtAnyWrite(t *testing.T) {
	l := newLife(t)
	l.config = "certificates: {a.test: {}}\n"
	l.judge = func(f *fixture) { f.checkServed("a.test") }
	l.prepare(t, func(*fixture) {})
	l.sweep(t, 7)
}

// TestNothingIsLostAtAnyWriteOfARenewal sweeps a renewal whose files cannot be
// switched by one rename, with a service that is checked, told and looked at,
// and a hook.
func TestNothingIsLostAtAnyWriteOfARenewal(t *testing.T) {
	l := newLife(t)
	key, public := filepath.Join(l.dir, "private/a.pem"), filepath.Join(l.dir, "public/a.pem")
	service := newLive(t, l.dir)
	l.config = fmt.Sprintf(`
services: {web: {check: $DIR/check, reload: $DIR/reload}}
hooks: {installed: {command: $DIR/hook}}
certificates:
  a.test:
    services: [web]
    files:
      - {path: %s, content: key}
      - {path: %s, content: fullchain}
    verify: [{port: %d, address: 127.0.0.1}]
`, key, public, service.port)
	l.judge = func(f *fixture) {
		if _, err := tls.LoadX509KeyPair(public, key); err != nil {
			f.Error(err)
		}
		if service.shows(f) != f.leaf(public) {
			f.Error("the service shows another certificate than the installed one")
		}
		k := f.known("a.test")
		target := k.Targets["default"]
		if len(k.Versions) != 2 || k.Published != k.Versions[1].ID || target.Version != k.Published || target.State != plan.TargetVerified || len(target.Hooks) != 0 {
			f.Errorf("%d versions, published %s, target %+v", len(k.Versions), k.Published, target)
		}
		if told := f.lines("told"); len(told) == 0 || told[len(told)-1] != k.Published {
			f.Errorf("the hook was told of %q, last of all not of %s", told, k.Published)
		}
		if len(k.Asks) != 0 || len(k.Tries) != 0 || len(k.Orders) != 0 {
			f.Errorf("left: asks %v, tries %v, orders %v", k.Asks, k.Tries, k.Orders)
		}
	}
	l.prepare(t, func(f *fixture) {
		f.script("check", "exit 0\n")
		f.script("reload", service.reload(key, public))
		f.script("hook", fmt.Sprintf("echo $CERTKEEP_VERSION >> %s/told\n", l.dir))
		f.apply()
		if err := f.Ask(t.Context(), plan.AskRenew, []string{"a.test"}, ""); err != nil {
			t.Fatal(err)
		}
	})
	l.sweep(t, 12)
}
