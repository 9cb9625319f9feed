package archtest

import (
	"errors"
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"slices"
	"strings"
)

// heldVars are package-level variables that the rules would refuse, and why
// each is right. Key: folder and name.
func heldVars() map[string]string {
	return map[string]string{
		"cmd/certkeep.version":   "set by the linker at build time",
		"internal/plan.meanings": "put together of what each file says of its codes, and only read: it is looked into for every problem of every certificate",
	}
}

// constantCalls make values that nobody changes.
func constantCalls() []string {
	return []string{
		"errors.New", "fmt.Errorf", "regexp.MustCompile", "strings.NewReplacer",
		"template.Must", "netip.MustParsePrefix", "netip.MustParseAddr", "time.Date",
	}
}

func stateRules() []rule {
	return []rule{
		{
			name:  "no init functions",
			why:   "what runs before main cannot be ordered, tested or refused, and registration there hides who uses what",
			check: noInit,
			bad:   []source{"-- internal/dns/dns.go --\npackage dns\nfunc init() {}\n"},
			good:  []source{"-- internal/dns/dns.go --\npackage dns\ntype T struct{}\nfunc (T) init() {}\n"},
		},
		{
			name:  "package-level variables never change",
			why:   "a global that changes is an argument that no signature shows: two daemons in one process, or two tests side by side, would share it",
			check: globalsNeverChange,
			bad: []source{
				"-- internal/dns/a.go --\npackage dns\nvar count = 0\nfunc f() { count++ }\n",
				"-- internal/dns/a.go --\npackage dns\nvar names = map[string]int{}\n-- internal/dns/b.go --\npackage dns\nfunc f() { names[\"a\"] = 1 }\n",
				"-- internal/dns/a.go --\npackage dns\nvar list = []string{\"b\", \"a\"}\nfunc f() { list = append(list, \"c\") }\n",
				"-- internal/dns/a.go --\npackage dns\nimport \"slices\"\nvar list = []string{\"b\", \"a\"}\nfunc f() { slices.Sort(list) }\n",
				"-- internal/dns/a.go --\npackage dns\nvar point = struct{ x int }{1}\nfunc f() *int { return &point.x }\n",
				"-- internal/dns/a.go --\npackage dns\nvar set = map[string]bool{}\nfunc f() { delete(set, \"a\") }\n",
			},
			good: []source{
				"-- internal/dns/a.go --\npackage dns\nvar names = map[string]int{\"a\": 1}\nfunc f() int { names := names; names = nil; _ = names; return 0 }\n",
				"-- internal/dns/a.go --\npackage dns\nfunc f() { count := 0; count++ }\n",
				"-- internal/dns/a_test.go --\npackage dns\nvar server string\nfunc f() { server = \"x\" }\n",
				"-- internal/dns/a.go --\npackage dns\nvar _ = func() int { x := 1; x++; return x }\n",
			},
		},
		{
			name:  "package-level variables hold plain values",
			why:   "a pointer, lock, channel or made map at package level is there to be changed; where one truly is constant, heldVars says why",
			check: globalsArePlain,
			bad: []source{
				"-- internal/dns/a.go --\npackage dns\nimport \"sync\"\nvar mu sync.Mutex\n",
				"-- internal/dns/a.go --\npackage dns\nvar client = &struct{}{}\n",
				"-- internal/dns/a.go --\npackage dns\nvar cache = make(map[string]int)\n",
				"-- internal/dns/a.go --\npackage dns\nvar hook func()\n",
				"-- internal/dns/a.go --\npackage dns\nimport \"net/http\"\nvar c = http.NewServeMux()\n",
			},
			good: []source{
				"-- internal/dns/a.go --\npackage dns\nimport \"errors\"\nvar ErrGone = errors.New(\"gone\")\n",
				"-- internal/dns/a.go --\npackage dns\nimport _ \"embed\"\n//go:embed page.html\nvar page string\n",
				"-- internal/dns/a.go --\npackage dns\nvar _ error = (*T)(nil)\ntype T struct{}\nfunc (*T) Error() string { return \"\" }\n",
				"-- cmd/certkeep/main.go --\npackage main\nvar version = \"devel\"\n",
			},
		},
		{
			name:  "nobody sets another package's variable",
			why:   "the other package's callers do not know of it; pass the value instead",
			check: noForeignAssignments,
			bad: []source{
				"-- internal/dns/a_test.go --\npackage dns\nimport \"net/http\"\nfunc f() { http.DefaultClient = nil }\n",
			},
			good: []source{"-- internal/dns/a.go --\npackage dns\nfunc f() { var http struct{ A int }; http.A = 1 }\n"},
		},
	}
}

func noInit(t *tree) []string {
	var found []string
	for _, f := range t.files {
		for _, decl := range f.ast.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				found = append(found, t.at(fn, "func init"))
			}
		}
	}
	return found
}

// noImports stands for every package that a file imports: the rules about
// variables look at the names of one package, never into others.
type noImports struct{}

func (noImports) Import(string) (*types.Package, error) {
	return nil, errors.New("imports are not followed")
}

// names resolves the names of each package, test files included, as far as
// that goes without its imports.
func (t *tree) names() map[*file]*types.Info {
	rooms := map[string][]*file{}
	for _, f := range t.files {
		key := f.dir + " " + f.ast.Name.Name
		rooms[key] = append(rooms[key], f)
	}
	infos := map[*file]*types.Info{}
	for room, files := range rooms {
		info := &types.Info{Uses: map[*ast.Ident]types.Object{}, Defs: map[*ast.Ident]types.Object{}}
		parsed := make([]*ast.File, len(files))
		for i, f := range files {
			parsed[i], infos[f] = f.ast, info
		}
		conf := types.Config{Importer: noImports{}, Error: func(error) {}}
		//nolint:errcheck // The imports are missing, so there are always errors; the names of the package itself are resolved all the same.
		_, _ = conf.Check(room, t.fset, parsed, info)
	}
	return infos
}

func globalsNeverChange(t *tree) []string {
	infos := t.names()
	var found []string
	for _, f := range t.files {
		for _, change := range changes(f.ast) {
			v := globalIn(infos[f], change.of)
			if v == nil || strings.HasSuffix(t.fset.Position(v.Pos()).Filename, "_test.go") {
				continue // a test may keep what it started in a variable of its own
			}
			found = append(found, t.at(change.at, "%s %s", change.how, v.Name()))
		}
	}
	return found
}

// globalIn returns the package-level variable that an expression starts from,
// as in count, names["a"] and point.x, or nil.
func globalIn(info *types.Info, e ast.Expr) *types.Var {
	for {
		switch x := e.(type) {
		case *ast.ParenExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.SelectorExpr:
			e = x.X
		case *ast.StarExpr:
			e = x.X
		case *ast.SliceExpr:
			e = x.X
		case *ast.Ident:
			if v, ok := info.Uses[x].(*types.Var); ok && v.Pkg() != nil && v.Parent() == v.Pkg().Scope() {
				return v
			}
			return nil
		default:
			return nil
		}
	}
}

type change struct {
	of  ast.Expr
	at  ast.Node
	how string
}

// changes lists what a file assigns to, takes the address of, or hands to a
// function of the standard library that changes its argument in place.
func changes(root *ast.File) []change {
	var list []change
	ast.Inspect(root, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			for _, left := range n.Lhs {
				list = append(list, change{left, n, "assigns to"})
			}
		case *ast.RangeStmt:
			list = append(list, change{n.Key, n, "assigns to"}, change{n.Value, n, "assigns to"})
		case *ast.IncDecStmt:
			list = append(list, change{n.X, n, "assigns to"})
		case *ast.UnaryExpr:
			if n.Op == token.AND {
				list = append(list, change{n.X, n, "takes the address of"})
			}
		case *ast.CallExpr:
			if changesArgument(n) {
				list = append(list, change{n.Args[0], n, "changes in place"})
			}
		}
		return true
	})
	return list
}

func changesArgument(call *ast.CallExpr) bool {
	return len(call.Args) > 0 && slices.Contains([]string{
		"delete", "clear", "copy", "maps.Copy", "maps.DeleteFunc",
		"slices.Sort", "slices.SortFunc", "slices.SortStableFunc", "slices.Reverse",
		"slices.Insert", "slices.Delete", "slices.DeleteFunc", "slices.Replace", "slices.Compact", "slices.CompactFunc",
		"sort.Sort", "sort.Stable", "sort.Slice", "sort.SliceStable", "sort.Strings", "sort.Ints",
	}, types.ExprString(call.Fun))
}

func globalsArePlain(t *tree) []string {
	var found []string
	for _, f := range t.files {
		if f.test {
			continue
		}
		for _, decl := range f.ast.Decls {
			group, ok := decl.(*ast.GenDecl)
			if !ok || group.Tok != token.VAR {
				continue
			}
			for _, spec := range group.Specs {
				found = append(found, t.notPlain(f, group, spec.(*ast.ValueSpec))...)
			}
		}
	}
	return found
}

// notPlain names the variables of spec that hold more than a plain value.
func (t *tree) notPlain(f *file, group *ast.GenDecl, spec *ast.ValueSpec) []string {
	if embedded(group.Doc) || embedded(spec.Doc) {
		return nil
	}
	var found []string
	for i, name := range spec.Names {
		if name.Name == "_" || heldVars()[f.dir+"."+name.Name] != "" {
			continue
		}
		if len(spec.Values) == 0 {
			found = append(found, t.at(name, "%s has no value: somebody sets it later", name.Name))
			continue
		}
		value := spec.Values[min(i, len(spec.Values)-1)]
		if what := made(value); what != "" {
			found = append(found, t.at(name, "%s = %s", name.Name, what))
		}
	}
	return found
}

func embedded(doc *ast.CommentGroup) bool {
	return doc != nil && slices.ContainsFunc(doc.List, func(c *ast.Comment) bool { return strings.HasPrefix(c.Text, "//go:embed ") })
}

// made returns what is not plain about a value: a pointer, or the result of a
// call that is not known to make something constant.
func made(value ast.Expr) string {
	switch v := value.(type) {
	case *ast.UnaryExpr:
		if v.Op == token.AND {
			return "a pointer"
		}
	case *ast.CallExpr:
		name := types.ExprString(v.Fun)
		if _, conversion := v.Fun.(*ast.ArrayType); !conversion && !slices.Contains(constantCalls(), name) {
			return fmt.Sprintf("the result of %s", name)
		}
	}
	return ""
}

func noForeignAssignments(t *tree) []string {
	infos := t.names()
	var found []string
	for _, f := range t.files {
		imports := f.imports()
		for _, change := range changes(f.ast) {
			sel, ok := change.of.(*ast.SelectorExpr)
			if !ok || change.how != "assigns to" {
				continue
			}
			x, ok := sel.X.(*ast.Ident)
			if !ok || imports[x.Name] == "" {
				continue
			}
			if _, local := infos[f].Uses[x].(*types.Var); !local {
				found = append(found, t.at(change.at, "assigns to %s.%s", x.Name, sel.Sel.Name))
			}
		}
	}
	return found
}
