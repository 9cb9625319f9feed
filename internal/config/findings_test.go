package config

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// mustLoad reads a configuration in which nothing is wrong.
func mustLoad(t testing.TB, yaml string) *Config {
	t.Helper()
	cfg, _, err := LoadBytes("c.yaml", []byte(yaml))
	if err != nil {
		t.Fatalf("%v\nin\n%s", err, yaml)
	}
	return cfg
}

// findingCases reads the cases of testdata/findings.txt.
func findingCases(t testing.TB) []findingCase {
	t.Helper()
	data, err := os.ReadFile("testdata/findings.txt")
	if err != nil {
		t.Fatal(err)
	}
	var cases []findingCase
	for _, part := range strings.Split(string(data), "\n----\n")[1:] {
		var c findingCase
		for line := range strings.Lines(part) {
			text := strings.TrimSuffix(line, "\n")
			if said, ok := strings.CutPrefix(text, "=> "); ok {
				c.errors = append(c.errors, said)
			} else if said, ok := strings.CutPrefix(text, "~> "); ok {
				c.warnings = append(c.warnings, said)
			} else {
				c.yaml += line
			}
		}
		cases = append(cases, c)
	}
	if len(cases) < 100 {
		t.Fatalf("only %d cases were found", len(cases))
	}
	return cases
}

type findingCase struct {
	yaml             string
	errors, warnings []string
}

func TestFindings(t *testing.T) {
	for _, c := range findingCases(t) {
		cfg, warnings, err := LoadBytes("c.yaml", []byte(c.yaml))
		var gotErrors, gotWarnings []string
		if err != nil {
			all, ok := errors.AsType[Errors](err)
			if !ok || len(all) == 0 {
				t.Errorf("%s\nthe error is a %T, not Errors", c.yaml, err)
			}
			for _, f := range all {
				gotErrors = append(gotErrors, f.String())
			}
		}
		if (err == nil) != (cfg != nil) {
			t.Errorf("%s\nConfig and error do not exclude each other", c.yaml)
		}
		for _, w := range warnings {
			gotWarnings = append(gotWarnings, w.String())
		}
		if !slices.Equal(gotErrors, c.errors) {
			t.Errorf("%s\nerrors:\n\t%s\nwant:\n\t%s", c.yaml, strings.Join(gotErrors, "\n\t"), strings.Join(c.errors, "\n\t"))
		}
		if !slices.Equal(gotWarnings, c.warnings) {
			t.Errorf("%s\nwarnings:\n\t%s\nwant:\n\t%s", c.yaml, strings.Join(gotWarnings, "\n\t"), strings.Join(c.warnings, "\n\t"))
		}
	}
}

// Keys of later work are unknown, not ignored: who wrote them expects
// something that does not happen.
func TestLaterKeysAreUnknown(t *testing.T) {
	for _, yaml := range []string{
		"store: {postgres: {url_file: /x}}",
		"listen: {dns: false}",
		"certificates: {a.example.com: {account: x}}",
	} {
		_, _, err := LoadBytes("c.yaml", []byte(yaml))
		all, _ := errors.AsType[Errors](err)
		if len(all) != 1 || !strings.HasPrefix(all[0].Words, "unknown key ") {
			t.Errorf("%s: %v, want one unknown key", yaml, err)
		}
	}
}

func TestErrorsAreBounded(t *testing.T) {
	var b strings.Builder
	b.WriteString("certificates:\n")
	for i := range 1000 {
		fmt.Fprintf(&b, "  c%d: {nmaes: []}\n", i)
	}
	_, _, err := LoadBytes("c.yaml", []byte(b.String()))
	all, _ := errors.AsType[Errors](err)
	lines := strings.Split(err.Error(), "\n")
	if len(all) < 1000 || len(lines) != shownErrors+1 || !strings.HasPrefix(lines[shownErrors], "… and ") {
		t.Errorf("%d findings render as %d lines, the last %q", len(all), len(lines), lines[len(lines)-1])
	}
}

// What an error repeats must not be a secret that somebody wrote into the
// configuration by mistake.
func TestErrorsKeepSecrets(t *testing.T) {
	const secret = "hunter2-hunter2"
	for _, yaml := range []string{
		"issuers: {zerossl: {eab: {kid: k, hmac_file: %s}}}",
		"issuers: {zerossl: {eab: {kid: k, hmac_env: %s}}}",
		"issuers: {zerossl: {eab: {kid: k, hmac: %s}}}",
		"issuers: {zerossl: {proxy: 'http://u:%s@proxy:3128'}}",
		"issuers: {zerossl: {proxy: 'u:%s@proxy'}}",
		"issuers: {corp: {directory: 'https://u:%s@ca.example'}}",
	} {
		_, _, err := LoadBytes("c.yaml", fmt.Appendf(nil, yaml, secret))
		if err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", yaml, err)
		}
	}
}
