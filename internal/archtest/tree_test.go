package archtest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/certkeep/certkeep"

// tree is the source of a module. Paths are relative to its root and use
// slashes.
type tree struct {
	fset  *token.FileSet
	files []*file
	texts map[string]string // go.mod and Markdown, by path
	paths map[string]bool   // every file and folder
}

// file is one Go file.
type file struct {
	path  string
	dir   string
	test  bool // _test.go
	lines int
	src   string
	ast   *ast.File
}

// source is a tiny tree for testing a rule: files, each introduced by a line
// "-- path --".
type source string

// moduleRoot is the nearest folder upwards that holds a go.mod.
func moduleRoot(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for !exists(filepath.Join(dir, "go.mod")) {
		if dir == filepath.Dir(dir) {
			t.Fatal("no go.mod above this folder")
		}
		dir = filepath.Dir(dir)
	}
	return dir
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// readTree parses the module at root. It leaves out what is built, test data,
// and modules of their own; their files are only noted as being there.
func readTree(root string) (*tree, error) {
	t := newTree()
	apart := map[string]bool{} // folders whose Go files are not ours to judge
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil || rel == "." {
			return err
		}
		rel = filepath.ToSlash(rel)
		t.paths[rel] = true
		switch {
		case d.IsDir() && (rel == ".git" || rel == "build"):
			return fs.SkipDir
		case d.IsDir():
			apart[rel] = apart[path.Dir(rel)] || d.Name() == "testdata" || exists(filepath.Join(name, "go.mod"))
			return nil
		case apart[path.Dir(rel)] || !isSource(rel):
			return nil
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		return t.add(rel, string(data))
	})
	return t, err
}

func isSource(rel string) bool {
	return rel == "go.mod" || strings.HasSuffix(rel, ".go") || strings.HasSuffix(rel, ".md")
}

func parseTree(tb testing.TB, src source) *tree {
	tb.Helper()
	t := newTree()
	name, body := "", strings.Builder{}
	flush := func() {
		if name == "" {
			return
		}
		t.paths[name] = true
		for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
			t.paths[dir] = true
		}
		if err := t.add(name, body.String()); err != nil {
			tb.Fatal(err)
		}
		body.Reset()
	}
	for line := range strings.Lines(string(src)) {
		if header, ok := strings.CutPrefix(strings.TrimSpace(line), "-- "); ok {
			flush()
			name = strings.TrimSuffix(header, " --")
			continue
		}
		body.WriteString(line)
	}
	flush()
	return t
}

func newTree() *tree {
	return &tree{fset: token.NewFileSet(), texts: map[string]string{}, paths: map[string]bool{}}
}

func (t *tree) add(name, src string) error {
	if !strings.HasSuffix(name, ".go") {
		t.texts[name] = src
		return nil
	}
	parsed, err := parser.ParseFile(t.fset, name, src, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	t.files = append(t.files, &file{
		path: name, dir: path.Dir(name), test: strings.HasSuffix(name, "_test.go"),
		lines: strings.Count(src, "\n"), src: src, ast: parsed,
	})
	return nil
}

// at renders a position for a message.
func (t *tree) at(n ast.Node, format string, args ...any) string {
	p := t.fset.Position(n.Pos())
	return fmt.Sprintf("%s:%d: %s", p.Filename, p.Line, fmt.Sprintf(format, args...))
}

// production yields the files that end up in the binary.
func (t *tree) production() []*file {
	return slices.Collect(func(yield func(*file) bool) {
		for _, f := range t.files {
			if !f.test && !forTests(f.dir) && !forDevelopers(f.dir) && !yield(f) {
				return
			}
		}
	})
}

// imports returns the import paths of a file by the name that each has in it.
// Where the import is not named, the last element that is no version stands
// for the name.
func (f *file) imports() map[string]string {
	names := map[string]string{}
	for _, spec := range f.ast.Imports {
		where, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue // does not compile
		}
		name := path.Base(where)
		if len(name) > 1 && name[0] == 'v' && strings.Trim(name[1:], "0123456789") == "" {
			name = path.Base(path.Dir(where))
		}
		if spec.Name != nil {
			name = spec.Name.Name
		}
		names[name] = where
	}
	return names
}

// ours returns the folder of an import path of this module.
func ours(importPath string) (string, bool) {
	if importPath == module {
		return ".", true
	}
	return strings.CutPrefix(importPath, module+"/")
}

// selected yields every use of a name of another package in f: the import
// path, the name and the place.
func (f *file) selected(visit func(importPath, name string, at ast.Node)) {
	imports := f.imports()
	ast.Inspect(f.ast, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if x, ok := sel.X.(*ast.Ident); ok && imports[x.Name] != "" {
			visit(imports[x.Name], sel.Sel.Name, sel)
		}
		return true
	})
}
