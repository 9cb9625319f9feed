package engine

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/keys"
	"github.com/certkeep/certkeep/internal/plan"
)

// TestKeyPutThereMeanwhile: a key that somebody puts at its place between two
// looks at the files is followed, and not written over by an installation.
func TestKeyPutThereMeanwhile(t *testing.T) {
	for _, provided := range []bool{false, true} {
		t.Run(fmt.Sprintf("provided %t", provided), func(t *testing.T) {
			f := newFixture(t, acmetest.Options{})
			f.place("both.key")
			f.keyFiles(fmt.Sprintf("provided: %t", provided))
			f.apply()
			f.checkKeyFiles()
			placed := f.place("both.key")
			f.ask(plan.AskRenew, "b.test")
			world, err := f.World(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			world.Known.Keys["both"].Inspected = time.Now()
			p := newPass(f.Engine, world, Only{})
			p.once = true
			if err := p.run(t.Context()); err != nil || p.failed() {
				t.Fatalf("%v, %+v", err, p.outcomes)
			}
			f.checkKeyFiles()
			if f.text("both.key") != placed {
				t.Error("the key that was put there is gone")
			}
			if done := f.apply().Done; len(done) != 0 {
				t.Errorf("a further pass did %+v", done)
			}
		})
	}
}

// TestKeyIsBeingWritten: a file that somebody is writing is left to them, and
// followed once it is whole.
func TestKeyIsBeingWritten(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	f.keyFiles("")
	f.apply()
	path := filepath.Join(f.dir, "both.key")
	whole := f.place("both.key")
	if err := os.WriteFile(path, []byte(whole[:len(whole)/2]), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Apply(t.Context(), nil, Only{}); err != nil {
		t.Fatal(err)
	}
	if f.text("both.key") != whole[:len(whole)/2] {
		t.Error("it was written over")
	}
	f.askApply("a.test")
	if err := os.WriteFile(path, []byte(whole), 0o600); err != nil {
		t.Fatal(err)
	}
	f.apply()
	f.checkKeyFiles()
	if f.text("both.key") != whole {
		t.Error("it was not followed")
	}
	// What is left half written is written again.
	if err := os.WriteFile(path, []byte(whole[:len(whole)/2]), 0o600); err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(path, old, old); err != nil {
		t.Fatal(err)
	}
	f.apply()
	f.checkKeyFiles()
}

// TestKeyFromTheFuture: the age of a key is not what a clock that was ahead
// says of its file.
func TestKeyFromTheFuture(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	f.keyFiles("")
	f.place("both.key")
	future := time.Now().Add(10 * 365 * 24 * time.Hour)
	if err := os.Chtimes(filepath.Join(f.dir, "both.key"), future, future); err != nil {
		t.Fatal(err)
	}
	f.apply()
	f.checkKeyFiles()
	if set := f.keySet("both").Keys[ec256]; set.Primary.Since.After(time.Now()) || set.Primary.Made.After(time.Now()) {
		t.Errorf("keys %+v", set)
	}
}

// TestKeyUnderAPassphraseIsFollowed, and where the passphrase cannot be read
// for a while the file is left as it is meanwhile.
func TestKeyUnderAPassphraseIsFollowed(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	secret := filepath.Join(f.dir, "secret")
	say := func(text string) {
		if err := os.WriteFile(secret, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	say("one\n")
	f.keyFiles("passphrase_file: " + secret + "\n    kdf: scrypt")
	f.apply()
	path := filepath.Join(f.dir, "both.key")
	check := func() string {
		t.Helper()
		key, err := keys.ParseWith([]byte(f.text("both.key")), []byte("one"))
		if err != nil {
			t.Fatal(err)
		}
		fingerprint, err := keys.Fingerprint(key.Public())
		if err != nil || f.keySet("both").Keys[ec256].Primary.SHA256 != fingerprint || f.key("a.test", ec256) != fingerprint || f.key("b.test", ec256) != fingerprint {
			t.Errorf("the key in the file is not the one in use: %v", err)
		}
		return f.text("both.key")
	}
	first := check()
	key, err := keys.Generate(keys.ECDSAP256)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := keys.MarshalEncrypted(key, []byte("one"), keys.Scrypt)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, sealed, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(secret); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Apply(t.Context(), nil, Only{}); err != nil {
		t.Fatal(err)
	}
	if f.text("both.key") != string(sealed) {
		t.Error("without its passphrase it was written over")
	}
	say("one\n")
	f.ask(plan.AskApply, "a.test", "b.test")
	f.apply()
	if check() == first {
		t.Error("it was not followed")
	}
	if done := f.apply().Done; len(done) != 0 {
		t.Errorf("a further pass did %+v", done)
	}
}

// TestBackupKeyMovedUp: who moves the next key to the place of the primary one
// changes keys; and whoever provides keys may go back to the one before.
func TestBackupKeyMovedUp(t *testing.T) {
	for _, provided := range []bool{false, true} {
		t.Run(fmt.Sprintf("provided %t", provided), func(t *testing.T) {
			f := newFixture(t, acmetest.Options{})
			first, second := f.place("both.key"), f.place("both_backup.key")
			f.keyFiles(fmt.Sprintf("provided: %t", provided))
			f.apply()
			f.checkKeyFiles()
			move := func(from, to string) {
				if err := os.Rename(filepath.Join(f.dir, from), filepath.Join(f.dir, to)); err != nil {
					t.Fatal(err)
				}
				f.apply()
				f.checkKeyFiles()
				if done := f.apply().Done; len(done) != 0 {
					t.Errorf("a further pass did %+v", done)
				}
			}
			move("both_backup.key", "both.key")
			if f.text("both.key") != second || f.text("both_previous.key") != first || f.text("both_backup.key") == second {
				t.Errorf("the keys did not move up: %+v", f.keySet("both"))
			}
			move("both_previous.key", "both.key")
			if back := f.text("both.key") == first; back != provided {
				t.Errorf("gone back %t: %+v", back, f.keySet("both"))
			}
		})
	}
}
