package engine

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/handover"
	"github.com/certkeep/certkeep/internal/plan"
)

// standingIn is a certificate whose service notes how often it was told.
func standingIn(t *testing.T) (f *fixture, told func() int) {
	t.Helper()
	f = newFixture(t, acmetest.Options{})
	script := f.script("reload", "echo told >> "+f.dir+"/told\n")
	f.configure(fmt.Sprintf("services: {web: {reload: %s}}\ncertificates: {a.test: {services: [web], path: %s/ssl, ocsp: {file: %[2]s/a.ocsp}}}\n", script, f.dir))
	return f, func() int {
		text, err := os.ReadFile(f.dir + "/told")
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		return strings.Count(string(text), "told\n")
	}
}

// TestStandIn puts a placeholder somewhere that nobody knows of: the next pass
// tells its services of it ahead of the order, keeps it, and stores it.
func TestStandIn(t *testing.T) {
	f, told := standingIn(t)
	cfg := f.current().cfg
	stand := func(cfg *config.Config) {
		t.Helper()
		if err := StandIn(t.Context(), cfg, []string{"a.test", "unknown.test"}, nil); err != nil {
			t.Fatal(err)
		}
	}
	stand(cfg)
	key := f.read("ssl/a.test/privkey.pem")
	f.read("a.ocsp")
	if _, there := f.known("a.test").Targets["default"]; there || told() != 0 {
		t.Errorf("a fact was stored, or %d told", told())
	}
	stand(cfg)
	if f.read("ssl/a.test/privkey.pem") != key {
		t.Error("made again")
	}
	if err := f.ca.DNS.AddA("a.test", "127.0.0.9"); err != nil {
		t.Fatal(err)
	}
	f.failing()
	if spare := f.known("a.test").Targets["default"].Spare; spare == nil || told() != 1 || f.read("ssl/a.test/privkey.pem") != key {
		t.Errorf("known as %+v, %d told", spare, told())
	}
	f.reopen() // a new process looks again, and has nothing to tell
	if err := f.Configure(cfg); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Apply(t.Context(), nil, Only{}); err != nil {
		t.Fatal(err)
	}
	if told() != 1 {
		t.Errorf("told %d times", told())
	}
	if err := f.ca.DNS.ClearA("a.test"); err != nil {
		t.Fatal(err)
	}
	if err := f.Ask(t.Context(), plan.AskApply, []string{"a.test"}, ""); err != nil {
		t.Fatal(err)
	}
	f.apply()
	if known := f.known("a.test").Targets["default"]; known.Spare != nil || told() != 2 || f.read("ssl/a.test/privkey.pem") == key {
		t.Errorf("after all %+v, %d told", known, told())
	}
	before := f.read("ssl/a.test/fullchain.pem")
	if err := os.Remove(f.dir + "/ssl/a.test/privkey.pem"); err != nil {
		t.Fatal(err)
	}
	stand(cfg)
	if f.read("ssl/a.test/fullchain.pem") != before {
		t.Error("a placeholder took the place of a certificate")
	}
}

// TestStandInByHelper: a helper keeps a placeholder that it finds, and tells of it.
func TestStandInByHelper(t *testing.T) {
	f, told := standingIn(t)
	spare := handover.Job{Cert: "a.test", Target: "default", Version: "placeholder", Spare: true}
	if r := f.handed(spare)[0]; r.Fault != nil || !r.Changed || told() != 0 {
		t.Errorf("first: %+v, %+v, %d told", r, r.Fault, told())
	}
	key := f.read("ssl/a.test/privkey.pem")
	if r := f.handed(spare)[0]; r.Fault != nil || r.Changed || told() != 1 || f.read("ssl/a.test/privkey.pem") != key {
		t.Errorf("second: %+v, %+v, %d told", r, r.Fault, told())
	}
	if _, err := os.Stat(filepath.Join(f.dir, "ssl/a.test/placeholder")); err != nil {
		t.Error(err)
	}
}
