package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A secret that everybody may read is told of, wherever it is named.
func TestExposedSecret(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secret")
	for mode, told := range map[os.FileMode]bool{0o600: false, 0o640: false, 0o644: true, 0o602: true} {
		if err := os.WriteFile(path, []byte("c2VjcmV0"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{
			"issuers: {corp: {directory: 'https://ca.example/dir', eab: {kid: k, hmac_file: PATH}}}",
			"store_key_file: PATH",
			"notify: {webhook: {url_file: PATH}}",
			"certificates: {www: {names: [www.example.com], passphrase_file: PATH}}",
			"certificates: {www: {names: [www.example.com], files: [{path: /etc/ssl/www.p12, content: pkcs12, password_file: PATH}]}}",
		} {
			said := ""
			if found := mustLoad(t, strings.ReplaceAll(text, "PATH", path)).Check(); len(found) > 0 {
				said = found.Error()
			}
			if strings.Contains(said, "can be read by everybody") != told {
				t.Errorf("mode %v: %s: %s", mode, text, said)
			}
		}
	}
}
