package engine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/keys"
	"github.com/certkeep/certkeep/internal/plan"
)

// TestAccountOfAnotherClientIsTakenOver begins with nothing but the key that
// another client left: the account is the same. One that was replaced stays so.
func TestAccountOfAnotherClientIsTakenOver(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	left, bad := filepath.Join(f.dir, "left.pem"), filepath.Join(f.dir, "bad.json")
	for name, file := range map[string]string{"found": left, "spoilt": bad, "none": filepath.Join(f.dir, "missing.json")} {
		f.issuers += fmt.Sprintf("  %s: {directory: %q, roots_file: %s, account_key_file: %s}\n", name, f.ca.DirectoryURL(), f.roots, file)
	}
	f.issuers = f.issuers[2:]
	f.configure("certificates: {}\n")
	first, err := f.RegisterAccount(t.Context(), "pebble")
	if err != nil {
		t.Fatal(err)
	}
	key, err := first.Signer()
	if err != nil {
		t.Fatal(err)
	}
	text, err := keys.Marshal(key)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.WriteFile(left, text, 0o600), os.WriteFile(bad, []byte("{}"), 0o600)); err != nil {
		t.Fatal(err)
	}
	found, err := f.RegisterAccount(t.Context(), "found")
	if err != nil || found.URL != first.URL || found.Key != first.Key {
		t.Errorf("found %s, want %s: %v", found.URL, first.URL, err)
	}
	reset, err := f.ResetAccount(t.Context(), "found")
	if err != nil || reset.URL == first.URL || reset.Key == first.Key {
		t.Errorf("after a reset: %s: %v", reset.URL, err)
	}
	if none, err := f.RegisterAccount(t.Context(), "none"); err != nil || none.URL == first.URL {
		t.Errorf("without a file: %s: %v", none.URL, err)
	}
	_, err = f.RegisterAccount(t.Context(), "spoilt")
	if wrong, ok := errors.AsType[*FaultError](err); !ok || wrong.Fault.Code != plan.CodeSecret {
		t.Errorf("of a file that holds no key: %v", err)
	}
}

// TestAccountKeyAsAcmebotWritesIt reads the key in the form of client_key.json.
func TestAccountKeyAsAcmebotWritesIt(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	file := filepath.Join(f.dir, "client_key.json")
	key, err := keys.Generate(keys.RSA2048)
	if err != nil {
		t.Fatal(err)
	}
	text, err := keys.MarshalJWK(key)
	if err == nil {
		err = os.WriteFile(file, text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	f.issuers = fmt.Sprintf("found: {directory: %q, roots_file: %s, account_key_file: %s}", f.ca.DirectoryURL(), f.roots, file)
	f.configure("certificates: {}\n")
	account, err := f.RegisterAccount(t.Context(), "found")
	if err != nil {
		t.Fatal(err)
	}
	if want, err := keys.Fingerprint(key.Public()); err != nil || account.Key != want {
		t.Errorf("the account has the key %s, want %s: %v", account.Key, want, err)
	}
}
