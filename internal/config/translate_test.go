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
	facts.Exists = func(path string) bool {
		return strings.HasSuffix(path, "/root_cert.rsa.pem") || strings.HasSuffix(path, "/both.key") || strings.HasPrefix(path, "/etc/ssl/scts/was.example.com")
	}
	facts.Exposed = func(string) string { return "" }
	return facts
}

func TestTranslation(t *testing.T) {
	for _, c := range translationCases(t) {
		out := &findings{files: []string{"/etc/acmebot/acmebot.json"}}
		facts := testFacts()
		if strings.Contains(c.yaml, "exposed") {
			facts.Exposed = func(path string) string { return "acmebot.json can be read by everybody; chmod o= acmebot.json" }
		}
		root, ok := translated(out, []*node{parseYAML(out, 0, []byte(c.yaml))}, facts)
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

// Whether files are acmebot's is seen by their sections, and by what stands in
// certificates, hooks and services; one key of ours that is none of acmebot's
// makes them ours. They may lie in conf.d in pieces, which "---" divides here.
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
		"certificates: {a.example: {alt_names: {}}}":                true,
		"certificates: {a.example: {ocsp_must_staple: true}}":       true,
		"certificates: {a.example: {names: [a], alt_names: {}}}":    false,
		"certificates: {a.example: {services: nginx, verify: 443}}": false,
		"certificates: [a]": false,
		"certificates: {a.example: }\nhooks: {certificate_installed: x}":              true,
		"certificates: {a.example: }\nhooks: {installed: x}":                          false,
		"certificates: {a.example: }\nhooks: {certificate_installed: {command: [x]}}": false,
		"certificates: {a.example: {services: a}}\nservices: {a: systemctl reload a}": true,
		"certificates: {a.example: {services: a}}\nservices: {a: {reload: x}}":        false,
		"certificates: {a.example: {names: [b], services: a}}\nservices: {a: x}":      false,
		"certificates: {a.example: }\n---\nsettings: {}":                              true,
		"\n---\nsettings: {}": true,
		"certificates: {a.example: {alt_names: {a.example: '@'}}}\n---\nservices: {a: x}":  true,
		"certificates: {a.example: }\n---\nsettings: {}\n---\nemail: a@example.com":        false,
		"certificates: {a.example: {alt_names: {}}}\n---\ndefaults: {issuer: letsencrypt}": false,
	} {
		out := &findings{}
		var trees []*node
		for i, part := range strings.Split(yaml, "\n---\n") {
			out.files = append(out.files, "c")
			trees = append(trees, parseYAML(out, i, []byte(part)))
		}
		if _, ok := translated(out, trees, noFacts()); ok != want {
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
