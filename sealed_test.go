package certkeep_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/certkeep/certkeep"
	"github.com/certkeep/certkeep/internal/seal"
)

// TestServesFromASealedStore: a program serves and renews by the store key that
// its configuration names; what only follows does, too; and without the key
// nothing is opened.
func TestServesFromASealedStore(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	file := filepath.Join(t.TempDir(), "store.key")
	if err := os.WriteFile(file, seal.NewKey().Text(), 0o600); err != nil {
		t.Fatal(err)
	}
	const certificates = "certificates: {a.example: {}}\n"
	sealed := s.config(certificates + "store_key_file: " + file + "\n")
	s.open(certkeep.Options{Config: sealed})
	first := s.awaits("a.example", "")
	err := filepath.WalkDir(filepath.Join(s.dir, "state"), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		if bytes.Contains(text, []byte("PRIVATE KEY")) {
			t.Errorf("%s is in the clear", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	k, err := certkeep.Open(certkeep.Options{Config: s.config(certificates)})
	if err == nil {
		_ = k.Close()
		t.Fatal("a sealed store was opened without its key")
	}
	if !strings.Contains(err.Error(), "sealed under store key") {
		t.Error(err)
	}
	s.keeper(certkeep.Options{Config: sealed}) // beside the other
	s.renew("a.example")
	s.awaits("a.example", first)
}
