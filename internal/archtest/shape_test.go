package archtest

import (
	"fmt"
	"go/ast"
	"path"
	"regexp"
	"slices"
	"strings"
)

// Limits of size, in lines.
const (
	maxFile = 400
	maxFunc = 60
)

// longFiles and longFuncs may be longer, each with its reason. Key: the path,
// and for a function the path, a colon and its name.
func longFiles() map[string]string { return map[string]string{} }
func longFuncs() map[string]string { return map[string]string{} }

func shapeRules() []rule {
	long := strings.Repeat("\n", maxFile+1)
	return []rule{
		{
			name:  "no package is named for nothing",
			why:   "a package called util, common, core, types or helpers has no subject, so everything ends up in it; name it for what it knows",
			check: trueNames,
			bad: []source{
				"-- internal/helpers/a.go --\npackage helpers\n",
				"-- internal/dnsutil/a.go --\npackage dnsutil\n",
			},
			good: []source{"-- internal/dns/a.go --\npackage dns\n"},
		},
		{
			name:  "every package says what it is for",
			why:   "the package comment is where a reader starts: what it is for, which function to call first, what it promises",
			check: packageComments,
			bad: []source{
				"-- internal/dns/a.go --\npackage dns\n",
				"-- internal/dns/a.go --\n// Some words.\npackage dns\n",
			},
			good: []source{
				"-- internal/dns/a.go --\n// Package dns writes records.\npackage dns\n-- internal/dns/b.go --\npackage dns\n",
				"-- cmd/certkeep/main.go --\n// Command certkeep keeps certificates.\npackage main\n",
			},
		},
		{
			name:  "nothing left for later without an issue",
			why:   "a note that nobody owns is never done; open an issue and name it as #12",
			check: ownedNotes,
			bad:   []source{"-- internal/dns/a.go --\npackage dns\n\n// " + "TO" + "DO: later\n"},
			good: []source{
				"-- internal/dns/a.go --\npackage dns\n\n// " + "TO" + "DO(#12): later\n",
				"-- internal/dns/a.go --\npackage dns\n\nconst s = \"" + "FIX" + "ME\"\n",
			},
		},
		{
			name:  "files and functions stay short",
			why:   fmt.Sprintf("a file over %d lines has more than one reason to change, a function over %d more than one thought; split it, or give a reason in longFiles or longFuncs", maxFile, maxFunc),
			check: shortEnough,
			bad: []source{
				source("-- internal/dns/a.go --\npackage dns\n" + long),
				"-- internal/dns/a.go --\npackage dns\nfunc f() {" + source(strings.Repeat("\n", maxFunc)) + "}\n",
			},
			good: []source{
				source("-- internal/dns/a_test.go --\npackage dns\n" + long),
				"-- internal/dns/a.go --\npackage dns\nfunc f() {" + source(strings.Repeat("\n", maxFunc-1)) + "}\n",
			},
		},
	}
}

func trueNames(t *tree) []string {
	empty := []string{"base", "common", "core", "helper", "helpers", "lib", "misc", "shared", "types", "util", "utils"}
	var found []string
	for _, f := range t.files {
		name := strings.TrimSuffix(f.ast.Name.Name, "_test")
		if slices.Contains(empty, name) || slices.Contains(empty, path.Base(f.dir)) || strings.HasSuffix(name, "util") || strings.HasSuffix(name, "utils") {
			found = append(found, t.at(f.ast, "package %s", name))
		}
	}
	return found
}

func packageComments(t *tree) []string {
	said, first := map[string]bool{}, map[string]*file{}
	for _, f := range t.files {
		name := f.ast.Name.Name
		if strings.HasSuffix(name, "_test") {
			continue // belongs to the package that it tests
		}
		if first[f.dir] == nil {
			first[f.dir] = f
		}
		want := "Package " + name + " "
		if name == "main" {
			want = "Command " + path.Base(f.dir) + " "
		}
		if doc := f.ast.Doc; doc != nil && strings.HasPrefix(doc.Text(), want) {
			said[f.dir] = true
		}
	}
	var found []string
	for dir, f := range first {
		if !said[dir] {
			found = append(found, t.at(f.ast.Name, "no comment that begins with \"Package %s\" or \"Command %s\"", f.ast.Name.Name, path.Base(dir)))
		}
	}
	slices.Sort(found)
	return found
}

func ownedNotes(t *tree) []string {
	note := regexp.MustCompile(`\b(` + "TO" + `DO|` + "FIX" + `ME|` + "XX" + `X)\b`)
	issue := regexp.MustCompile(`#\d+`)
	var found []string
	for _, f := range t.files {
		for _, group := range f.ast.Comments {
			for _, c := range group.List {
				if note.MatchString(c.Text) && !issue.MatchString(c.Text) {
					found = append(found, t.at(c, "%s", c.Text))
				}
			}
		}
	}
	return found
}

func shortEnough(t *tree) []string {
	var found []string
	for _, f := range t.files {
		if f.test {
			continue // tables are as long as what they list
		}
		if f.lines > maxFile && longFiles()[f.path] == "" {
			found = append(found, fmt.Sprintf("%s: %d lines", f.path, f.lines))
		}
		for _, decl := range f.ast.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok || longFuncs()[f.path+":"+fn.Name.Name] != "" {
				continue
			}
			if n := t.fset.Position(fn.End()).Line - t.fset.Position(fn.Pos()).Line + 1; n > maxFunc {
				found = append(found, t.at(fn, "func %s has %d lines", fn.Name.Name, n))
			}
		}
	}
	return found
}
