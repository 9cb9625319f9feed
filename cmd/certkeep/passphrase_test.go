package main

import (
	"slices"
	"testing"

	"github.com/certkeep/certkeep/internal/config"
)

// TestLinesOfPassphrases: which line of standard input belongs to which key.
func TestLinesOfPassphrases(t *testing.T) {
	t.Parallel()
	const ours = "passphrase: stdin, challenges: [{http-01: {webroot: /srv}}]"
	for name, test := range map[string]struct {
		text string
		want []string
	}{
		"ours, by name": {"certificates: {z.test: {" + ours + "}, a.test: {" + ours + "}}\n", []string{"a.test", "z.test"}},
		"acmebot's, as they stand there": {`{
			"settings": {"key_passphrase": true},
			"certificates": {"b.test": {"alt_names": {"b.test": ["@"]}}, "a.test": {"alt_names": {"a.test": ["@"]}}},
			"private_keys": {
				"zeta": {"certificates": {"z.test": {"alt_names": {"z.test": ["@"]}}, "y.test": {"alt_names": {"y.test": ["@"]}}}},
				"alpha": {"certificates": {"x.test": {"alt_names": {"x.test": ["@"]}}}}
			}}`, []string{"zeta", "alpha", "b.test", "a.test"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg, _, err := config.LoadBytes("c", []byte(test.text))
			if err != nil {
				t.Fatal(err)
			}
			a := &app{ui: &ui{}}
			if got := a.passphrases(cfg, nil).expect; !slices.Equal(got, test.want) {
				t.Errorf("lines belong to %q, want %q", got, test.want)
			}
		})
	}
}
