package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/certkeep/certkeep/internal/acmetest"
)

// poison is what somebody hopes to be printed as it is: escape sequences of a
// terminal in both of their forms, a line of a log of its own, a carriage return that
// hides what was before it, and marks that turn the direction of writing.
const poison = "poison\x1b[2J\x1b]0;title\a \u009b31m\r\n2026-01-01T00:00:00Z level=ERROR msg=forged\r\u202egnp.exe\u2028\u200b\x00\x7f"

// TestHostileWords has a CA, a hook and a service say poison, in every log
// format. What is printed, logged and stored of it is harmless.
func TestHostileWords(t *testing.T) {
	program := buildProgram(t)
	detail, err := json.Marshal(map[string]any{
		"type": "urn:ietf:params:acme:error:rejectedIdentifier", "detail": poison, "instance": "https://ca.test/" + poison,
		"subproblems": []map[string]any{{"type": poison, "detail": poison, "identifier": map[string]string{"type": "dns", "value": poison}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"logfmt", "json", "human"} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			ca := acmetest.Start(t, acmetest.Options{})
			s := newStage(t, program, ca, map[string]string{"certkeep.yaml": `
state: $DIR/state
accept_terms: true
listen: {http: "$HTTP", status: false}
log: {level: debug, format: ` + format + `, file: $DIR/log}
issuers: {test: {directory: $DIRECTORY, roots_file: $DIR/roots.pem}}
services: {web: {check: $DIR/bin/spit, reload: /bin/true}}
hooks: {installed: {command: $DIR/bin/spit}}
defaults: {issuer: [test], path: $DIR/ssl, renew: {ari: false}}
certificates: {hooked: {names: [hooked.test]}, served: {names: [served.test], services: [web]}, refused: {names: [refused.test]}}
`, "bin/spit": "#!/bin/sh\nprintf '%b' '" + octal(poison) + "' >&2; exit 1\n"})
			s.run("apply", "hooked", "served")
			ca.Intercept(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
				if acmetest.KindOf(r) != acmetest.NewOrder {
					next.ServeHTTP(w, r)
					return
				}
				w.Header().Set("Content-Type", "application/problem+json")
				w.WriteHeader(http.StatusForbidden)
				_, _ = w.Write(detail)
			})
			for _, args := range []string{"-v apply", "status", "--json status", "status --check", "plan", "--json plan", "history refused", "--json history refused", "history hooked", "--json history hooked"} {
				said := s.run(strings.Fields(args)...)
				harmless(t, "certkeep "+args, said)
			}
			harmless(t, "the log", s.read("log"))
			for _, of := range []string{"hooked", "served", "refused"} {
				harmless(t, "the history of "+of, s.read("state/records/events/"+of+".jsonl"))
			}
			for _, said := range []string{s.said.String(), s.read("log")} {
				if strings.Count(said, "poison") < 3 {
					t.Errorf("too little was said for a test:\n%s", said)
				}
			}
		})
	}
}

// octal is a text for printf's %b.
func octal(text string) string {
	var b strings.Builder
	for i := range len(text) {
		fmt.Fprintf(&b, "\\0%03o", text[i])
	}
	return b.String()
}

// harmless fails where a text has a character that is not to be seen, or a
// line that others wrote.
func harmless(t *testing.T, place, text string) {
	t.Helper()
	if !utf8.ValidString(text) {
		t.Errorf("%s is not UTF-8: %q", place, text)
	}
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if i := strings.IndexFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }); i >= 0 {
			t.Errorf("%s has %q in %q", place, []rune(line[i:])[0], line)
		}
		if strings.HasPrefix(line, "2026-01-01") {
			t.Errorf("%s has a forged line: %q", place, line)
		}
	}
}

// TestHostileConfig has poison as values of a config and as an argument.
func TestHostileConfig(t *testing.T) {
	program, ca := buildProgram(t), acmetest.Start(t, acmetest.Options{})
	quoted, err := json.Marshal(poison)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"value": "email: %s\n", "key": "%s: 1\n", "name": "certificates: {a: {names: [%s]}}\n", "certificate": "certificates: {%s: {names: [a.test]}}\n",
		"folder": "state: $DIR/%s\n", "issuer": "defaults: {issuer: [%s]}\n", "command": "hooks: {installed: {command: %s}}\n",
		"file": "issuers: {test: {directory: $DIRECTORY, roots_file: %s}}\n", "webroot": "challenges: [{http-01: {webroot: %s}}]\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, program, ca, map[string]string{"certkeep.yaml": fmt.Sprintf(text, quoted)})
			for _, args := range [][]string{{"config", "check"}, {"config", "show"}, {"plan"}, {"status"}, {"--json", "status"}, {"status", "--check"}, {"apply"}} {
				harmless(t, "certkeep "+strings.Join(args, " "), s.run(args...))
			}
		})
	}
	s := newStage(t, program, ca, map[string]string{"certkeep.yaml": "state: $DIR/state\ncertificates: {a: {names: [a.test]}}\n"})
	argument := strings.ReplaceAll(poison, "\x00", "")
	for _, args := range [][]string{{"status", argument}, {"apply", argument}, {"history", argument}, {"forget", "--yes", argument}, {"restore", argument}, {argument}, {"--config", argument, "status"}} {
		harmless(t, fmt.Sprintf("certkeep %q", args), s.run(args...))
	}
}
