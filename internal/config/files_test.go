package config

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/certkeep/certkeep/internal/keys"
	"github.com/certkeep/certkeep/internal/plan"
)

// writtenBy lists what a certificate writes, as path, mode and parts.
func writtenBy(c *Certificate) []string {
	var all []string
	for _, t := range c.Targets() {
		for _, f := range t.Files {
			all = append(all, fmt.Sprintf("%s %04o %v", f.Path, f.Mode, f.Content))
		}
	}
	slices.Sort(all)
	return all
}

// acmebot's folders, names and modes.
func TestAcmebotLayout(t *testing.T) {
	base := "certificates: {a.example: {layout: acmebot, group: ssl-cert"
	whole := []string{
		"/etc/ssl/certs/a.example+root.ecdsa.pem 0644 [certificate chain root dh-params ec-params]",
		"/etc/ssl/certs/a.example.ecdsa.pem 0644 [certificate chain dh-params ec-params]",
		"/etc/ssl/certs/a.example_chain.ecdsa.pem 0644 [chain]",
		"/etc/ssl/private/a.example.ecdsa.key 0640 [key]",
		"/etc/ssl/private/a.example_full.ecdsa.key 0640 [key certificate chain dh-params ec-params]",
	}
	for more, want := range map[string][]string{
		"":                             whole,
		", root_file: false":           whole[1:],
		", dh_params: ffdhe2048":       append(slices.Clone(whole), "/etc/ssl/params/a.example_param.pem 0640 [dh-params ec-params]"),
		", ec_params: [secp384r1]":     append(slices.Clone(whole), "/etc/ssl/params/a.example_param.pem 0640 [dh-params ec-params]"),
		", key_types: [ecdsa-p384]":    whole,
		", dh_params: false, path: /x": strings.Split(strings.ReplaceAll(strings.Join(whole, "\n"), "/etc/ssl/", "/x/"), "\n"),
		", ec_params: false, path: /":  strings.Split(strings.ReplaceAll(strings.Join(whole, "\n"), "/etc/ssl/", "/"), "\n"),
	} {
		cfg := mustLoad(t, base+more+"}}\n")
		slices.Sort(want)
		if got := writtenBy(cfg.Certificate("a.example")); !slices.Equal(got, want) {
			t.Errorf("%s:\n%s\nwant\n%s", more, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
	both := writtenBy(mustLoad(t, base+", key_types: [rsa-2048, ecdsa-p256]}}\nkey_type_suffixes: {rsa: \"\", ecdsa: _ec}\n").Certificate("a.example"))
	if len(both) != 10 || !slices.Contains(both, "/etc/ssl/private/a.example.key 0640 [key]") || !slices.Contains(both, "/etc/ssl/private/a.example_ec.key 0640 [key]") {
		t.Errorf("two key types: %s", strings.Join(both, "\n"))
	}
}

// One list in `defaults` serves all certificates that do not say otherwise.
func TestFilesOfDefaults(t *testing.T) {
	cfg := mustLoad(t, `
defaults: {files: [{path: "/t/{name}{suffix}.pem", content: fullchain}, {path: "/t/{name}.{key_type}.key", content: key, target: keys}]}
certificates:
  a.example: {key_types: [rsa-2048, ecdsa-p256]}
  b.example: {files: []}
  c.example: {files: false}
  d.example: {files: }
  e.example: {layout: nixos}
  f.example: {path: /else}
  g.example: {files: [{path: /g, content: chain}]}
`)
	for name, want := range map[string][]string{
		"a.example": {"/t/a.example.ecdsa-p256.key 0600 [key]", "/t/a.example.ecdsa.pem 0644 [fullchain]", "/t/a.example.rsa-2048.key 0600 [key]", "/t/a.example.rsa.pem 0644 [fullchain]"},
		"g.example": {"/g 0644 [chain]"},
	} {
		if got := writtenBy(cfg.Certificate(name)); !slices.Equal(got, want) {
			t.Errorf("%s writes %q, want %q", name, got, want)
		}
	}
	for _, name := range []string{"b.example", "c.example", "d.example"} {
		if targets := cfg.Certificate(name).Targets(); len(targets) != 0 {
			t.Errorf("%s has targets: %+v", name, targets)
		}
	}
	for name, want := range map[string]Target{
		"e.example": {Name: DefaultTarget, Layout: LayoutNixOS, Path: "/etc/ssl/certkeep"}, "f.example": {Name: DefaultTarget, Layout: LayoutStandard, Path: "/else"},
	} {
		if got := cfg.Certificate(name).Targets(); len(got) != 1 || got[0].Layout != want.Layout || got[0].Path != want.Path || got[0].Files != nil {
			t.Errorf("%s has targets: %+v", name, got)
		}
	}
}

// No name of a file holds what shells expand.
func TestPattern(t *testing.T) {
	c := Config{Suffixes: Suffixes{RSA: ".rsa", ECDSA: ".ecdsa"}}
	if got := c.pattern("/{name}/{key_type}{suffix}", "*.a.example", keys.RSA4096); got != "/_.a.example/rsa-4096.rsa" {
		t.Errorf("pattern = %q", got)
	}
}

// A certificate's own word on its passphrase replaces that of `defaults`, and
// a line of it is taken as it is.
func TestPassphrase(t *testing.T) {
	file := filepath.Join(t.TempDir(), "p")
	cfg := mustLoad(t, fmt.Sprintf(`
defaults: {passphrase_file: %s, kdf: scrypt}
certificates:
  a.example:
  b.example: {passphrase: prompt}
  c.example: {passphrase: false}
  d.example: {passphrase_env: D}
`, file))
	for name, want := range map[string]Passphrase{
		"a.example": {Secret: SecretRef{File: file}, KDF: keys.Scrypt},
		"b.example": {Ask: PassphrasePrompt, KDF: keys.Scrypt},
		"c.example": {Ask: PassphraseNone},
		"d.example": {Secret: SecretRef{Env: "D"}, KDF: keys.Scrypt},
	} {
		if got := cfg.Certificate(name).Passphrase; got != want || got.On() == (name == "c.example") {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
	for text, want := range map[string]string{
		"secret\n": "secret", "secret\r\n": "secret", " two words \n": " two words ", "secret": "secret",
		"\n": "", "": "", "two\nlines\n": "",
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := cfg.Certificate("a.example").Passphrase.Read()
		if string(got) != want || (err == nil) != (want != "") || err != nil && strings.Contains(err.Error(), "two") {
			t.Errorf("%q is read as %q, %v", text, got, err)
		}
		if found := cfg.Check(); (len(found) == 0) != (want != "") {
			t.Errorf("%q: Check() = %v", text, found)
		}
	}
}

// A search is wanted only where a file holds what it finds.
func TestWantedDH(t *testing.T) {
	for yaml, want := range map[string]plan.WantedDH{
		"layout: acmebot, dh_params: {own: 3072, with_key: true}":         {Bits: 3072, WithKey: true},
		"files: [{path: /p, content: dh-params}], dh_params: {own: 2048}": {Bits: 2048},
		"files: [{path: /p, content: dh-params}], dh_params: {own: 2500}": {Bits: 2500},
		"files: [{path: /p, content: dh-params}], dh_params: ffdhe2048":   {},
		"files: [{path: /p, content: chain}], dh_params: {own: 2048}":     {},
		"dh_params: {own: 2048}":            {},
		"layout: acmebot, dh_params: false": {},
	} {
		w := mustLoad(t, "certificates: {a.example: {"+yaml+"}}\n").Wanted().Certs[0]
		if w.DH != want || w.Targets[0].DH != (want.Bits > 0) {
			t.Errorf("%s: %+v, %+v", yaml, w.DH, w.Targets[0])
		}
	}
}
