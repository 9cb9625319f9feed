package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A key of an external account that everybody may read is told of.
func TestExposedSecret(t *testing.T) {
	path := filepath.Join(t.TempDir(), "eab.key")
	for mode, told := range map[os.FileMode]bool{0o600: false, 0o640: false, 0o644: true, 0o602: true} {
		if err := os.WriteFile(path, []byte("c2VjcmV0"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		c := mustLoad(t, "issuers: {corp: {directory: 'https://ca.example/dir', eab: {kid: k, hmac_file: "+path+"}}}")
		found := c.Check()
		if (len(found) > 0) != told || told && !strings.Contains(found.Error(), "can be read by everybody") {
			t.Errorf("mode %v: %v", mode, found)
		}
	}
}
