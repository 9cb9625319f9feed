package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/certkeep/certkeep/internal/keys"
)

// What acmebot's keys become is a configuration that loads.
func TestTranslationsLoad(t *testing.T) {
	for _, c := range translationCases(t) {
		if len(c.errors) > 0 {
			continue
		}
		out := &findings{files: []string{"/etc/acmebot/acmebot.json"}}
		if _, _, err := decode(out, []*node{parseYAML(out, 0, []byte(c.yaml))}, testFacts()); err != nil {
			t.Errorf("%s\n%v", c.yaml, err)
		}
	}
}

// Receipts lie where acmebot's folders and names say, whatever stands in them.
func TestReceiptsLieWhereAcmebotHasThem(t *testing.T) {
	const logs = `
settings: {ct_submit_logs: [own, two]}
ct_logs:
  own: {url: "https://id.example/", id: "pLkJkLQYWBSHuxOizGdwCjw1mAT5G9+443fNDsgN3BA="}
  two: {url: "https://two.example/", id: "pLkJkLQYWBSHuxOizGdwCjw1mAT5G9+443fNDsgN3BA="}
certificates: {a.example.com: }
`
	for places, want := range map[string]string{
		``: "/etc/ssl/scts/a.example.com/ecdsa/two.sct",
		`file_names: {sct: "{name}.{ct_log_name}.sct"}`:                                             "/etc/ssl/scts/a.example.com/ecdsa/a.example.com.two.sct",
		`directories: {sct: "/s/{ct_log_name}/{name}{suffix}"}`:                                     "/s/two/a.example.com.ecdsa/two.sct",
		`directories: {sct: "/s/{ct_log_name}"}` + "\n" + `file_names: {sct: "{name}{suffix}.sct"}`: "/s/two/a.example.com.ecdsa.sct",
	} {
		cfg := mustLoad(t, strings.TrimPrefix(logs, "\n")+places)
		cert := cfg.Certificate("a.example.com")
		if got := cfg.SCTFile(cert, keys.ECDSAP384, "two"); got != want {
			t.Errorf("%s: %s, want %s", places, got, want)
		}
		if !slices.Contains(cfg.statementFiles(cert), want) {
			t.Errorf("%s: %s is not among the files that are claimed", places, want)
		}
	}
}

// A passphrase in a file that everybody can read is warned of, and what it does
// not keep secret.
func TestInlinePassphrases(t *testing.T) {
	file := filepath.Join(t.TempDir(), "acmebot.json")
	if err := os.WriteFile(file, []byte(`{"settings": {"key_passphrase": "hush"}, "certificates": {"a.example.com": {}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for mode, want := range map[os.FileMode]bool{0o600: false, 0o640: false, 0o644: true} {
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
		_, warnings, err := Load(file)
		if err != nil {
			t.Fatal(err)
		}
		said := func(words string) bool {
			return slices.ContainsFunc(warnings, func(w Warning) bool {
				return strings.HasPrefix(w.Words, "settings.key_passphrase: ") && strings.Contains(w.Words, words)
			})
		}
		if got := said("can be read by everybody"); got != want {
			t.Errorf("%v: warned: %v", mode, got)
		}
		if !said("the copies of the keys in Certkeep's state are not") {
			t.Errorf("%v: %v", mode, warnings)
		}
	}
}
