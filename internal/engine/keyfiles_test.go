package engine

import (
	"crypto/tls"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/faultfs"
	"github.com/certkeep/certkeep/internal/keys"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/store"
)

// keyFiles are two certificates whose files hold no key: it has one of its own.
func (f *fixture) keyFiles(more string) {
	f.configure(`keys:
  both:
    ` + more + `
    files:
      - {path: ` + f.dir + `/both.key, content: key}
      - {path: ` + f.dir + `/both_backup.key, content: backup-key}
      - {path: ` + f.dir + `/both_previous.key, content: previous-key}
certificates:
  a.test: {key: both, files: [{path: ` + f.dir + `/a.pem, content: fullchain}]}
  b.test: {key: both, files: [{path: ` + f.dir + `/b.pem, content: fullchain}]}
`)
}

// checkKeyFiles fails the test unless the files fit together.
func (f *fixture) checkKeyFiles() {
	f.Helper()
	for _, name := range []string{"a", "b"} {
		f.checkPair(name+".pem", "both.key")
		if t := f.known(name + ".test").Targets["default"]; t.State != plan.TargetReloaded || len(t.Files) != 1 {
			f.Errorf("%s: %+v", name, t)
		}
	}
}

// checkPair fails the test unless the key in a file is that of a certificate in
// one; it may be under the passphrase of a life.
func (f *fixture) checkPair(cert, key string) {
	f.Helper()
	sealed, err := keys.ParseWith([]byte(f.text(key)), []byte(lifePassphrase))
	if err != nil {
		f.Errorf("%s: %v", key, err)
		return
	}
	open, err := keys.Marshal(sealed)
	if err != nil {
		f.Fatal(err)
	}
	if _, err := tls.X509KeyPair([]byte(f.text(cert)), open); err != nil {
		f.Errorf("%s and %s: %v", cert, key, err)
	}
}

func (f *fixture) text(name string) string {
	text, err := os.ReadFile(filepath.Join(f.dir, name))
	if err != nil {
		return ""
	}
	return string(text)
}

// TestKeyFiles switches the files of keys together with those of the
// certificates on them.
func TestKeyFiles(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	f.keyFiles("")
	f.apply()
	f.checkKeyFiles()
	primary, backup := f.text("both.key"), f.text("both_backup.key")
	if primary == "" || backup == "" || backup == primary || f.text("both_previous.key") != "" {
		t.Error("files of the keys are not what they should be")
	}
	before := f.tree()
	if done := f.apply().Done; len(done) != 0 || len(faultfs.Differ(before, f.tree())) != 0 {
		t.Errorf("a further pass did %+v", done)
	}
	f.ask(plan.AskRollover, "b.test")
	f.apply()
	f.checkKeyFiles()
	if f.text("both.key") != backup || f.text("both_previous.key") != primary || f.text("both_backup.key") == backup {
		t.Error("the keys did not move up")
	}
	if n := f.happened("a.test", store.EventInstalled); n != 2 {
		t.Errorf("installed %d times, want 2", n)
	}
}

// TestPreviousKeyIsTakenAway: whoever removes the file of a previous key does
// not want it pinned any longer.
func TestPreviousKeyIsTakenAway(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	f.keyFiles("")
	f.apply()
	f.ask(plan.AskRollover, "a.test")
	f.apply()
	if err := os.Remove(filepath.Join(f.dir, "both_previous.key")); err != nil {
		t.Fatal(err)
	}
	f.apply()
	f.checkKeyFiles()
	if set := f.keySet("both").Keys[ec256]; !set.Previous.IsZero() || f.text("both_previous.key") != "" {
		t.Errorf("the previous key is still there: %+v", set)
	}
	if done := f.apply().Done; len(done) != 0 {
		t.Errorf("a further pass did %+v", done)
	}
	primary := f.text("both.key")
	f.ask(plan.AskRollover, "a.test")
	f.apply()
	f.checkKeyFiles()
	if f.text("both_previous.key") != primary {
		t.Error("the next rollover left no previous key")
	}
}

// TestKeyFileComesBack writes again what is gone.
func TestKeyFileComesBack(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	f.keyFiles("")
	f.apply()
	names := []string{"both.key", "both_backup.key", "a.pem", "b.pem"}
	before := map[string]string{}
	for _, name := range names {
		before[name] = f.text(name)
	}
	for _, name := range names[:3] {
		if err := os.Remove(filepath.Join(f.dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(f.dir, "b.pem"), []byte("garbage"), 0o600); err != nil {
		t.Fatal(err)
	}
	f.apply()
	f.checkKeyFiles()
	for _, name := range names {
		if before[name] != f.text(name) {
			t.Errorf("%s is not as before", name)
		}
	}
}

// place puts a key where the keys have a file, as another tool would.
func (f *fixture) place(name string) string {
	f.Helper()
	key, err := keys.Generate(keys.ECDSAP256)
	if err != nil {
		f.Fatal(err)
	}
	text, err := keys.Marshal(key)
	if err != nil {
		f.Fatal(err)
	}
	path := filepath.Join(f.dir, name)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		f.Fatal(err)
	}
	old := time.Now().Add(-400 * 24 * time.Hour)
	if err := os.Chtimes(path, old, old); err != nil {
		f.Fatal(err)
	}
	return string(text)
}

// TestKeyFromOutsideIsFollowed takes over keys that lie at the files of the
// keys before the first issue, and such that appear later.
func TestKeyFromOutsideIsFollowed(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	primary, backup := f.place("both.key"), f.place("both_backup.key")
	f.keyFiles("")
	f.apply()
	f.checkKeyFiles()
	set := f.keySet("both").Keys[ec256]
	if f.text("both.key") != primary || f.text("both_backup.key") != backup || time.Since(set.Next.Made) < 399*24*time.Hour || time.Since(set.Primary.Since) < 399*24*time.Hour {
		t.Errorf("the keys there were not taken over: %+v", set)
	}
	if _, err := keys.Parse([]byte(primary)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"both.key", "both_backup.key"} {
		placed := f.place(name)
		f.apply()
		f.checkKeyFiles()
		if f.text(name) != placed {
			t.Errorf("%s is not what was put there", name)
		}
	}
	if f.text("both_previous.key") != primary {
		t.Error("the key before is not the previous one")
	}
}

// TestProvidedKeys never makes or changes keys that the administrator makes.
func TestProvidedKeys(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	f.keyFiles("provided: true")
	if _, err := f.Apply(t.Context(), nil, Only{}); err != nil {
		t.Fatal(err)
	}
	if p := f.problem(plan.CodeKeyMissing); p.Remedy == "" || len(finalized(f.ca)) != 0 {
		t.Errorf("without a key: %+v, %d orders", p, len(finalized(f.ca)))
	}
	first := f.place("both.key")
	f.apply()
	f.checkKeyFiles()
	f.ask(plan.AskRollover, "a.test")
	f.apply()
	if f.text("both.key") != first || f.text("both_backup.key") != "" {
		t.Error("a provided key was changed, or another made")
	}
	second := f.place("both.key")
	f.apply()
	f.checkKeyFiles()
	if f.text("both.key") != second || f.text("both_previous.key") != first {
		t.Error("another provided key was not followed")
	}
	if done := f.apply().Done; len(done) != 0 {
		t.Errorf("a further pass did %+v", done)
	}
}

// TestBackupKeyBesideTheCertificate writes the next key where a certificate
// keeps its own.
func TestBackupKeyBesideTheCertificate(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	f.configure(`certificates:
  a.test:
    key_reuse: true
    backup_key: true
    files: [{path: ` + f.dir + `/a.pem, content: [key, fullchain]}, {path: ` + f.dir + `/next.key, content: backup-key}]
`)
	f.apply()
	next := f.text("next.key")
	if next == "" {
		t.Fatal("the backup key was not written")
	}
	f.ask(plan.AskRollover, "a.test")
	f.apply()
	key, err := keys.Parse([]byte(next))
	if err != nil {
		t.Fatal(err)
	}
	if fingerprint, _ := keys.Fingerprint(key.Public()); f.key("a.test", ec256) != fingerprint || f.text("next.key") == next {
		t.Error("the next key was not used, or no other one written")
	}
	if done := f.apply().Done; len(done) != 0 {
		t.Errorf("a further pass did %+v", done)
	}
}

// TestBrokenVersionHoldsUpNoOther: a stored version that cannot be read keeps
// no other certificate on the same key from being installed, and is replaced.
func TestBrokenVersionHoldsUpNoOther(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	f.keyFiles("")
	f.apply()
	before := f.text("b.pem")
	f.spoil("versions/a.test/"+f.known("a.test").Published+".json", "torn")
	f.ask(plan.AskRenew, "b.test")
	report, err := f.Apply(t.Context(), []string{"b.test"}, Only{Kinds: []plan.Kind{plan.KindIssue, plan.KindResume, plan.KindInstall, plan.KindAdopt}})
	if err != nil {
		t.Fatal(err)
	}
	if f.text("b.pem") == before {
		t.Errorf("b was not installed: %+v", report.Done)
	}
	f.apply()
	f.checkKeyFiles()
	if done := f.apply().Done; len(done) != 0 {
		t.Errorf("a further pass did %+v", done)
	}
}

// TestKeyFilesOfAKindThatNobodyAsksFor: the files of a kind of key that no
// certificate is on for now change with the others. One that stayed would be
// followed as if somebody had put the key there.
func TestKeyFilesOfAKindThatNobodyAsksFor(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	config := func(keyTypes string) {
		f.configure(fmt.Sprintf(`keys:
  both:
    key_types: [ecdsa-p256, ecdsa-p384]
    files:
      - {path: "%[1]s/{key_type}.key", content: key}
      - {path: "%[1]s/{key_type}.next", content: backup-key}
      - {path: "%[1]s/{key_type}.last", content: previous-key}
certificates:
  a.test: {key: both, key_types: [%[2]s], files: [{path: "%[1]s/{key_type}.pem", content: fullchain}]}
`, f.dir, keyTypes))
	}
	check := func(when string) {
		t.Helper()
		for keyType, set := range f.keySet("both").Keys {
			for suffix, key := range map[string]plan.Key{"key": set.Primary, "next": set.Next, "last": set.Previous} {
				have := ""
				if text := f.text(keyType + "." + suffix); text != "" {
					parsed, err := keys.Parse([]byte(text))
					if err != nil {
						t.Fatal(err)
					}
					if have, err = keys.Fingerprint(parsed.Public()); err != nil {
						t.Fatal(err)
					}
				}
				if have != key.SHA256 {
					t.Errorf("%s: %s.%s has %q, want %q", when, keyType, suffix, have, key.SHA256)
				}
			}
		}
	}
	config("ecdsa-p256")
	f.apply()
	check("at first")
	config("ecdsa-p256, ecdsa-p384")
	f.apply()
	check("asked for")
	config("ecdsa-p256")
	for range 2 {
		was := f.keySet("both").Keys["ecdsa-p384"]
		f.ask(plan.AskRollover, "a.test")
		f.apply()
		check("after a change of keys")
		if now := f.keySet("both").Keys["ecdsa-p384"]; now.Primary.SHA256 != was.Next.SHA256 || now.Previous.SHA256 != was.Primary.SHA256 {
			t.Errorf("the keys were %+v and are %+v", was, now)
		}
		f.checkIdle()
	}

	// One that is lost holds up nobody who is on another kind.
	lost := f.keySet("both").Keys["ecdsa-p384"].Primary.SHA256
	if err := os.Remove(filepath.Join(f.dir, "state/records/keys", lost+".json")); err != nil {
		t.Fatal(err)
	}
	was := f.text("ecdsa-p256.pem")
	f.ask(plan.AskRenew, "a.test")
	f.apply()
	if f.text("ecdsa-p256.pem") == was {
		t.Error("the certificate was not renewed")
	}
}
