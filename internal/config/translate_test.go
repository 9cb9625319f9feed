package config

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/config/acmebot"
)

// translationCase is a case of testdata/acmebot.txt. Its text is acmebot's
// configuration; lines with "=> " and "~> " are errors and warnings, lines
// with "= " and "! " are what the result has and has not, as PATH: VALUE.
type translationCase struct {
	yaml             string
	errors, warnings []string
	has, hasNot      []string
}

func translationCases(t testing.TB) []translationCase {
	t.Helper()
	data, err := os.ReadFile("testdata/acmebot.txt")
	if err != nil {
		t.Fatal(err)
	}
	var cases []translationCase
	for _, part := range strings.Split(string(data), "\n----\n")[1:] {
		var c translationCase
		for line := range strings.Lines(part) {
			text := strings.TrimSuffix(line, "\n")
			into := map[string]*[]string{"=> ": &c.errors, "~> ": &c.warnings, "= ": &c.has, "! ": &c.hasNot}
			sign, said, ok := strings.Cut(text, " ")
			if to := into[sign+" "]; ok && to != nil {
				*to = append(*to, said)
				continue
			}
			c.yaml += line
		}
		cases = append(cases, c)
	}
	return cases
}

// testFacts are those of a machine where the group ssl-cert is missing, and
// the roots of RSA certificates are there.
func testFacts() acmebot.Facts {
	facts := noFacts()
	facts.Dir, facts.Now = "/etc/acmebot", time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	facts.Group = func(name string) string {
		if name == "ssl-cert" {
			return `there is no group "ssl-cert"`
		}
		return ""
	}
	facts.Exists = func(path string) bool { return strings.HasSuffix(path, "/root_cert.rsa.pem") }
	return facts
}

func TestTranslation(t *testing.T) {
	for _, c := range translationCases(t) {
		out := &findings{files: []string{"/etc/acmebot/acmebot.json"}}
		root, ok := translated(out, []*node{parseYAML(out, 0, []byte(c.yaml))}, testFacts())
		if !ok {
			t.Errorf("%s\nis not recognized", c.yaml)
			continue
		}
		var gotErrors, gotWarnings []string
		for _, f := range out.errors {
			gotErrors = append(gotErrors, strings.TrimPrefix(f.String(), "/etc/acmebot/acmebot.json:"))
		}
		for _, f := range out.warnings {
			if text := strings.TrimPrefix(f.String(), "/etc/acmebot/acmebot.json:"); !strings.Contains(text, "ssl-cert") || strings.Contains(c.yaml, "ssl-cert") {
				gotWarnings = append(gotWarnings, text)
			}
		}
		if !slices.Equal(gotErrors, c.errors) {
			t.Errorf("%s\nerrors:\n\t%s\nwant:\n\t%s", c.yaml, strings.Join(gotErrors, "\n\t"), strings.Join(c.errors, "\n\t"))
		}
		if !slices.Equal(gotWarnings, c.warnings) {
			t.Errorf("%s\nwarnings:\n\t%s\nwant:\n\t%s", c.yaml, strings.Join(gotWarnings, "\n\t"), strings.Join(c.warnings, "\n\t"))
		}
		if root == nil {
			continue
		}
		lines := flat(root)
		for _, want := range c.has {
			if !slices.Contains(lines, want) {
				t.Errorf("%s\nbecomes\n\t%s\nwithout\n\t%s", c.yaml, strings.Join(lines, "\n\t"), want)
			}
		}
		for _, unwanted := range c.hasNot {
			if slices.ContainsFunc(lines, func(line string) bool { return strings.HasPrefix(line, unwanted) }) {
				t.Errorf("%s\nbecomes\n\t%s\nwith\n\t%s", c.yaml, strings.Join(lines, "\n\t"), unwanted)
			}
		}
	}
}

// flat lists all values of a tree as PATH: VALUE.
func flat(n *node) []string {
	var lines []string
	for _, p := range n.pairs {
		switch {
		case p.value.kind == table && len(p.value.pairs) > 0:
			for _, below := range flat(p.value) {
				lines = append(lines, p.key+"."+below)
			}
		case p.value.kind == list && p.value.nested():
			for _, item := range p.value.items {
				lines = append(lines, p.key+"[]: "+renderFlow(item))
			}
		default:
			lines = append(lines, p.key+": "+renderFlow(p.value))
		}
	}
	return lines
}

// Whether a file is acmebot's is seen by its sections; one key of ours that is
// none of acmebot's makes it ours.
func TestAcmebotIsRecognized(t *testing.T) {
	for yaml, want := range map[string]bool{
		"account: {email: a@example.com}":               true,
		"settings:":                                     true,
		"private_keys: {}\ncertificates: {a.example: }": true,
		"certificates: {a.example: }":                   false,
		"authorizations: {example.com: [www]}":          false,
		"settings: {}\nemail: a@example.com":            false,
		"defaults: {}\naccount: {}":                     false,
		"":                                              false,
		"[]":                                            false,
	} {
		out := &findings{files: []string{"c"}}
		if _, ok := translated(out, []*node{parseYAML(out, 0, []byte(yaml))}, noFacts()); ok != want {
			t.Errorf("%s: %v", yaml, ok)
		}
	}
}

// Every key of acmebot's has a case.
func TestEveryAcmebotKeyIsTried(t *testing.T) {
	var all strings.Builder
	for _, c := range translationCases(t) {
		all.WriteString(c.yaml)
	}
	for section, keys := range acmebot.Keys() {
		if !strings.Contains(all.String(), strings.TrimSuffix(section, "[]")+":") {
			t.Errorf("the section %s is in no case", section)
		}
		for _, key := range keys {
			if !strings.Contains(all.String(), key+":") {
				t.Errorf("%s.%s is in no case", section, key)
			}
		}
	}
}
