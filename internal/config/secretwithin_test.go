package config

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestSecretWithinAFile(t *testing.T) {
	dir := writeFiles(t, map[string]string{
		"a.json":  `{"settings": {"key_passphrase": "hush"}, "private_keys": {"a/b~": {"key_passphrase": 12}}, "list": []}`,
		"bad.yml": "a: [hush\n",
	})
	for ref, want := range map[string]string{
		"a.json#/settings/key_passphrase":            "hush",
		"a.json#/private_keys/a~1b~0/key_passphrase": "12",
		"a.json#/settings/none":                      "",
		"a.json#/settings":                           "",
		"a.json#/list/0":                             "",
		"a.json#/settings/key_passphrase/further":    "",
		"bad.yml#/a":                                 "",
		"none.json#/a":                               "",
	} {
		got, err := SecretRef{File: filepath.Join(dir, ref)}.Read()
		if string(got) != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q, %v", ref, got, err)
		}
		if err != nil && strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: the error tells the secret: %v", ref, err)
		}
	}
}
