package config

import (
	"os"
	"strings"
	"testing"

	"github.com/certkeep/certkeep/internal/config/acmebot"
)

// The page for those who come from acmebot names every key.
func TestDocsNameEveryAcmebotKey(t *testing.T) {
	text, err := os.ReadFile("../../docs/from-acmebot.md")
	if err != nil {
		t.Fatal(err)
	}
	for section, keys := range acmebot.Keys() {
		for _, key := range append(keys, strings.TrimSuffix(section, "[]")) {
			if !strings.Contains(string(text), key) {
				t.Errorf("%s.%s is not in it", section, key)
			}
		}
	}
}

// Whatever an acmebot configuration holds, reading it ends, with errors or
// with a configuration that is shown in a form that loads.
func FuzzAcmebot(f *testing.F) {
	for _, c := range translationCases(f) {
		f.Add([]byte(c.yaml))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		cfg, warnings, err := LoadBytes("c.yaml", data)
		lines := 1 + strings.Count(string(data), "\n") + strings.Count(string(data), "\r")
		for _, w := range warnings {
			checkPlace(t, Finding(w), lines)
		}
		if err != nil {
			return
		}
		if _, _, err := LoadBytes("shown", []byte(cfg.Show())); err != nil {
			t.Fatalf("%v\nin\n%s", err, cfg.Show())
		}
	})
}
