package engine

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/plan"
)

// certbotTree makes /etc/letsencrypt as certbot does, of installed files.
func (f *fixture) certbotTree(from, name string) string {
	f.Helper()
	etc := filepath.Join(f.dir, "letsencrypt")
	archive, live := filepath.Join(etc, "archive", name), filepath.Join(etc, "live", name)
	for _, folder := range []string{archive, live} {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			f.Fatal(err)
		}
	}
	for _, base := range []string{"privkey", "cert", "chain", "fullchain"} {
		data, err := os.ReadFile(filepath.Join(from, base+".pem"))
		if err != nil {
			f.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(archive, base+"1.pem"), data, 0o600); err != nil {
			f.Fatal(err)
		}
		if err := os.Symlink("../../archive/"+name+"/"+base+"1.pem", filepath.Join(live, base+".pem")); err != nil {
			f.Fatal(err)
		}
	}
	for path, text := range map[string]string{etc + "/live/README": "certbot's\n", live + "/README": "certbot's\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			f.Fatal(err)
		}
	}
	return etc
}

// forget begins with a state that knows nothing.
func (f *fixture) forget() {
	f.Helper()
	if err := f.store.Close(); err != nil {
		f.Fatal(err)
	}
	f.store = nil
	if err := os.RemoveAll(filepath.Join(f.dir, "state")); err != nil {
		f.Fatal(err)
	}
	f.reopen()
}

// TestMovesInFromCertbot finds certbot's folder: nothing is ordered, and what
// servers read there stays the same. The folder makes way and stays beside; a
// renewal then stands at the same path.
func TestMovesInFromCertbot(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	f.configure("certificates: {a.test: {}}\n")
	f.apply()
	etc := f.certbotTree(filepath.Join(f.dir, "out/a.test"), "a.test")
	f.forget()
	f.ca.ResetRequests()
	f.configure("certificates: {a.test: {layout: certbot, path: " + etc + "}}\n")
	f.apply()
	if n := f.ca.Count(acmetest.NewOrder); n != 0 {
		t.Errorf("%d orders", n)
	}
	live := filepath.Join(etc, "live/a.test")
	if k := f.known("a.test"); k.Published == "" || k.Targets["default"].State != plan.TargetReloaded {
		t.Errorf("known %+v", k)
	}
	before, err := os.ReadFile(filepath.Join(etc, "archive/a.test/cert1.pem"))
	if err != nil {
		t.Fatal(err)
	}
	if taken, err := os.ReadFile(filepath.Join(live, "cert.pem")); err != nil || string(taken) != string(before) {
		t.Errorf("live/a.test has another certificate: %v", err)
	}
	left, err := os.ReadFile(filepath.Join(etc, "live/.a.test.replaced-1/README"))
	if err != nil || string(left) != "certbot's\n" {
		t.Errorf("certbot's folder: %q, %v", left, err)
	}
	f.ask(plan.AskRenew, "a.test")
	f.apply()
	after, err := os.ReadFile(filepath.Join(live, "cert.pem"))
	if err != nil || string(after) == string(before) {
		t.Errorf("live/a.test has the certificate that certbot left: %v", err)
	}
}
