package engine

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/keys"
	"github.com/certkeep/certkeep/internal/plan"
)

// put writes a key as another tool left it some days ago; under a passphrase
// where one is given.
func (f *fixture) put(name, passphrase string, days int) (fingerprint string) {
	f.Helper()
	key, err := keys.Generate(keys.ECDSAP256)
	if err != nil {
		f.Fatal(err)
	}
	text, err := keys.Marshal(key)
	if passphrase != "" {
		text, err = keys.MarshalEncrypted(key, []byte(passphrase), keys.PBKDF2)
	}
	if err != nil {
		f.Fatal(err)
	}
	path, then := filepath.Join(f.dir, name), time.Now().Add(-time.Duration(days)*24*time.Hour)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		f.Fatal(err)
	}
	if err := os.Chtimes(path, then, then); err != nil {
		f.Fatal(err)
	}
	if fingerprint, err = keys.Fingerprint(key.Public()); err != nil {
		f.Fatal(err)
	}
	return fingerprint
}

// TestKeyThatCannotBeOpened: keys of another tool whose passphrase is said
// wrongly are left alone, nothing is ordered on others in their place, and they
// are used once it is said rightly.
func TestKeyThatCannotBeOpened(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	primary, next := f.put("both.key", "right", 100), f.put("both_backup.key", "right", 50)
	before := []string{f.text("both.key"), f.text("both_backup.key")}
	secret := filepath.Join(f.dir, "secret")
	say := func(text string) {
		t.Helper()
		if err := os.WriteFile(secret, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	certs := Only{Kinds: []plan.Kind{plan.KindAdopt, plan.KindIssue, plan.KindKeys}} // as --only certs
	f.keyFiles("")
	if _, err := f.Apply(t.Context(), nil, certs); err != nil || f.ca.Count(acmetest.NewOrder) != 0 {
		t.Errorf("with only some steps there were %d orders: %v", f.ca.Count(acmetest.NewOrder), err)
	}
	for _, wrong := range []string{"", "passphrase_file: " + secret} {
		say("wrong\n")
		f.keyFiles(wrong)
		f.ask(plan.AskApply, "a.test", "b.test")
		if fault := f.failing(); fault.Code != plan.CodeSecret {
			t.Errorf("with %q the fault is %+v", wrong, fault)
		}
		if n := f.ca.Count(acmetest.NewOrder); n != 0 || f.text("both.key") != before[0] || f.text("both_backup.key") != before[1] {
			t.Fatalf("with %q there were %d orders, or a file was written", wrong, n)
		}
		f.problem(plan.CodeSecret)
	}
	say("right\n")
	f.ask(plan.AskApply, "a.test", "b.test")
	f.apply()
	if set := f.keySet("both").Keys[ec256]; set.Primary.SHA256 != primary || set.Next.SHA256 != next || f.key("a.test", ec256) != primary {
		t.Errorf("other keys are used: %+v", set)
	}
	f.checkIdle()
}

// TestKeyThatCannotBeOpenedIsTakenAway: then others are made at once, and no
// problem is left.
func TestKeyThatCannotBeOpenedIsTakenAway(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	f.put("both.key", "right", 0)
	f.keyFiles("")
	for range 4 {
		f.ask(plan.AskApply, "a.test", "b.test")
		f.failing()
	}
	if err := os.Remove(filepath.Join(f.dir, "both.key")); err != nil {
		t.Fatal(err)
	}
	f.apply()
	f.checkKeyFiles()
	if tries := f.keySet("both").Tries; tries.Count != 0 {
		t.Errorf("tries are left: %+v", tries)
	}
}

// TestAgeOfKeysOfAnotherTool: a backup key is made when the primary one becomes
// that, so that one is as old as the other's file; its own is older where it was
// a backup key until then.
func TestAgeOfKeysOfAnotherTool(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	f.put("both.key", "", 700)
	f.put("both_backup.key", "", 50)
	f.keyFiles("expires: 365d\n    auto_rollover: true")
	f.apply()
	set := f.keySet("both").Keys[ec256]
	if days := time.Since(set.Primary.Since).Hours() / 24; days < 49 || days > 51 || set.Next.IsZero() || !set.Previous.IsZero() {
		t.Errorf("the primary key is %v days old: %+v", days, set)
	}
}

// TestBackupKeyAlone: where the primary key is gone, the one that was kept ready
// for that takes its place.
func TestBackupKeyAlone(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	next := f.put("both_backup.key", "", 50)
	f.keyFiles("")
	f.apply()
	f.checkKeyFiles()
	if set := f.keySet("both").Keys[ec256]; set.Primary.SHA256 != next || set.Next.IsZero() || set.Next.SHA256 == next || f.key("b.test", ec256) != next {
		t.Errorf("the backup key is not used: %+v", set)
	}
}

// TestKeyOfItsReader: acmebot gives key files to the user who reads them.
func TestKeyOfItsReader(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	f := newFixture(t, acmetest.Options{})
	primary, next := f.put("both.key", "", 700), f.put("both_backup.key", "", 50)
	for _, name := range []string{"both.key", "both_backup.key"} {
		if err := os.Chown(filepath.Join(f.dir, name), 1234, 0); err != nil {
			t.Fatal(err)
		}
	}
	f.keyFiles("")
	if fault := f.failing(); fault.Code != plan.CodeSecret {
		t.Errorf("files of nobody known: %+v", fault)
	}
	f.configure(`keys:
  both:
    files:
      - {path: ` + f.dir + `/both.key, content: key, owner: "1234"}
      - {path: ` + f.dir + `/both_backup.key, content: backup-key, owner: "1234"}
certificates:
  a.test: {key: both, files: [{path: ` + f.dir + `/a.pem, content: fullchain}]}
  b.test: {key: both, files: [{path: ` + f.dir + `/b.pem, content: fullchain}]}
`)
	f.ask(plan.AskApply, "a.test", "b.test")
	f.apply()
	if set := f.keySet("both").Keys[ec256]; set.Primary.SHA256 != primary || set.Next.SHA256 != next {
		t.Errorf("other keys are used: %+v", set)
	}
}
