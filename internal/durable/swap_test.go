package durable

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestMkdirChangesNothingElse has the owner of a folder put a symlink in the
// place of the new folder while it is being made: what it leads to keeps its
// mode. A web application can do so in its webroot.
func TestMkdirChangesNothingElse(t *testing.T) {
	dir := t.TempDir()
	victim := filepath.Join(dir, "victim")
	if err := os.WriteFile(victim, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "new")
	temp := tempName(path, strings.Repeat("0", tempLen))
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-done:
				return
			default:
			}
			if os.Rename(temp, temp+"x") == nil { // errors: it is not there now
				_ = os.Symlink(victim, temp)
				_ = os.Remove(temp + "x")
			}
		}
	}()
	for range 1000 {
		_ = NoSync{}.Mkdir(path, Attr{Mode: 0o755, UID: -1, GID: -1}) // may well fail
		_ = os.Remove(path)
	}
	close(done)
	<-ended
	if info, err := os.Lstat(victim); err != nil || info.Mode() != 0o600 {
		t.Errorf("the victim has become %v, %v", info.Mode(), err)
	}
}

// TestMkdirTakesOverNoSecrets: somebody renames a private folder of ours, with
// something in it, to the temporary name of one that everybody may enter.
func TestMkdirTakesOverNoSecrets(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "new")
	secret := filepath.Join(tempName(path, strings.Repeat("0", tempLen)), "secret")
	if err := os.MkdirAll(filepath.Dir(secret), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(secret, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := (OS{}).Mkdir(path, Attr{Mode: 0o755, UID: -1, GID: -1}); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(filepath.Dir(secret)); err != nil || info.Mode() != fs.ModeDir|0o700 {
		t.Errorf("the private folder has become %v, %v", info, err)
	}
}
