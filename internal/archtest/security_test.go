package archtest

import (
	"fmt"
	"go/ast"
	"regexp"
	"slices"
	"strings"
)

// threats is the document whose claims are proven by tests.
const threats = "docs/security.md"

// unverified are the files that may look at a certificate without verifying
// it, and why.
func unverified() map[string]string {
	return map[string]string{
		"internal/verify/handshake.go":  "compares what a service presents with what was installed, which is stricter",
		"internal/webserver/visit.go":   "asks local virtual hosts alone, as a CA does that follows a redirect: for a public text that it has just put there, and for certificates, to compare them with files",
		"internal/issuer/unverified.go": "obeys verify_tls: false, which an administrator has to write, and which is warned of",
	}
}

func securityRules() []rule {
	return []rule{
		{
			name:  "TLS is verified",
			why:   "an answer of a CA that is not authenticated decides which certificates are trusted and who is asked; one setting of an issuer turns it off, in one place",
			check: tlsIsVerified,
			bad: []source{
				"-- internal/issuer/a.go --\npackage issuer\nimport \"crypto/tls\"\nvar _ = tls.Config{InsecureSkipVerify: true}\n",
				"-- internal/issuer/a.go --\npackage issuer\nimport \"crypto/tls\"\nfunc f(c *tls.Config) { c.InsecureSkipVerify = true }\n",
			},
			good: []source{
				"-- internal/issuer/a.go --\npackage issuer\nimport \"crypto/tls\"\nvar _ = tls.Config{MinVersion: tls.VersionTLS12}\n",
				"-- internal/issuer/a_test.go --\npackage issuer\nimport \"crypto/tls\"\nvar _ = tls.Config{InsecureSkipVerify: true}\n",
			},
		},
		{
			name:  "every claim of security has its test",
			why:   "a promise that nothing proves is worse than none, since people rely on it",
			check: claimsAreTested,
			bad: []source{
				"-- docs/security.md --\n| tried | comes of it | test |\n|---|---|---|\n| a | b | |\n",
				"-- docs/security.md --\n| tried | test |\n|---|---|\n| a | `internal/a/a_test.go` TestGone |\n-- internal/a/a_test.go --\npackage a\nfunc TestThere() {}\n",
				"-- docs/security.md --\n| tried | test |\n|---|---|\n| a | `internal/a/a_test.go` |\n-- internal/a/a_test.go --\npackage a\nfunc TestThere() {}\n",
				"-- docs/security.md --\n| tried | test |\n|---|---|\n| a | `internal/a/a_test.go` TestThere, TestGone |\n-- internal/a/a_test.go --\npackage a\nfunc TestThere() {}\n",
				"-- docs/security.md --\n| tried | test |\n|---|---|\n| a | `cmd/certkeep/testdata/gone.txtar` |\n",
				"-- docs/security.md --\nNo table at all.\n",
			},
			good: []source{
				"-- docs/security.md --\nTestProse.\n\n| tried | test |\n|---|---|\n| `a/b` | `internal/a/a_test.go` TestThere, FuzzThere |\n-- internal/a/a_test.go --\npackage a\nfunc TestThere() {}\nfunc FuzzThere() {}\n",
				"-- docs/security.md --\n| tried | test |\n|---|---|\n| a | `cmd/certkeep/testdata/there.txtar` |\n-- cmd/certkeep/testdata/there.txtar --\n",
			},
		},
	}
}

func tlsIsVerified(t *tree) []string {
	var found []string
	for _, f := range t.production() {
		if unverified()[f.path] != "" {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			if id, ok := n.(*ast.Ident); ok && id.Name == "InsecureSkipVerify" {
				found = append(found, t.at(id, "does not verify"))
			}
			return true
		})
	}
	return found
}

// claimsAreTested looks at the tables of the document: the last cell of each
// row names tests, as a file and functions in it, or a script.
func claimsAreTested(t *tree) []string {
	text, written := t.texts[threats]
	if !written {
		return nil
	}
	var found []string
	rows := 0
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		isHead := i+1 < len(lines) && strings.HasPrefix(lines[i+1], "|---")
		if !strings.HasPrefix(line, "|") || strings.HasPrefix(line, "|---") || isHead {
			continue
		}
		rows++
		cells := strings.Split(strings.Trim(line, "|"), "|")
		for _, wrong := range t.untested(cells[len(cells)-1]) {
			found = append(found, fmt.Sprintf("%s: %s: %s", threats, strings.TrimSpace(cells[0]), wrong))
		}
	}
	if rows == 0 {
		found = append(found, threats+" claims nothing")
	}
	return found
}

// untested says what is wrong with a cell that names tests.
func (t *tree) untested(cell string) []string {
	named := regexp.MustCompile("`([^`]+)`((?:,? (?:Test|Fuzz)\\w+)*)")
	var wrong []string
	places := named.FindAllStringSubmatch(cell, -1)
	if len(places) == 0 {
		return []string{"no test is named"}
	}
	for _, m := range places {
		names := strings.FieldsFunc(m[2], func(r rune) bool { return r == ',' || r == ' ' })
		switch isScript := strings.HasSuffix(m[1], ".txtar"); {
		case isScript && !t.paths[m[1]]:
			wrong = append(wrong, m[1]+" is gone")
		case !isScript && len(names) == 0:
			wrong = append(wrong, "no test of "+m[1]+" is named")
		}
		for _, name := range names {
			if !t.declares(m[1], name) {
				wrong = append(wrong, fmt.Sprintf("%s has no %s", m[1], name))
			}
		}
	}
	return wrong
}

// declares reports whether a file has a function of that name.
func (t *tree) declares(path, name string) bool {
	i := slices.IndexFunc(t.files, func(f *file) bool { return f.path == path })
	return i >= 0 && slices.ContainsFunc(t.files[i].ast.Decls, func(d ast.Decl) bool {
		f, ok := d.(*ast.FuncDecl)
		return ok && f.Name.Name == name
	})
}
