package engine

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/keys"
	"github.com/certkeep/certkeep/internal/store"
)

// TestUnusedKeyIsPruned: a key that a crash left without an order goes, also
// where no daemon runs. One that is young may be about to be used.
func TestUnusedKeyIsPruned(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	var left []string
	for range 2 {
		key, err := keys.Generate("ecdsa-p256")
		if err != nil {
			t.Fatal(err)
		}
		fingerprint, err := f.store.PutKey(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		left = append(left, fingerprint)
	}
	file := filepath.Join(f.dir, "state/records/keys", left[0]+".json")
	record, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	old := regexp.MustCompile(`"created":"[^"]*"`).ReplaceAll(record, []byte(`"created":"2020-01-01T00:00:00Z"`))
	if bytes.Equal(old, record) {
		t.Fatalf("no date in %s", record)
	}
	if err := os.WriteFile(file, old, 0o600); err != nil {
		t.Fatal(err)
	}
	f.configure("certificates: {a.test: {}}\n")
	f.apply()
	if _, err := f.store.Key(t.Context(), left[0]); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the old key: %v", err)
	}
	if _, err := f.store.Key(t.Context(), left[1]); err != nil {
		t.Errorf("the young key: %v", err)
	}
}
