package plan_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/certkeep/certkeep/internal/plan"
)

// declared are the string constants of a type in a file of this package.
func declared(t *testing.T, file, typeName string) map[string]string {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, decl := range parsed.Decls {
		group, ok := decl.(*ast.GenDecl)
		if !ok || group.Tok != token.CONST {
			continue
		}
		for _, spec := range group.Specs {
			value := spec.(*ast.ValueSpec)
			if of, ok := value.Type.(*ast.Ident); !ok || of.Name != typeName {
				continue
			}
			for i, name := range value.Names {
				text, err := strconv.Unquote(value.Values[i].(*ast.BasicLit).Value)
				if err != nil {
					t.Fatal(err)
				}
				found[name.Name] = text
			}
		}
	}
	if len(found) == 0 {
		t.Fatalf("no constants of type %s in %s", typeName, file)
	}
	return found
}

// Every code that is declared stands in the table, and nothing else does.
func TestEveryCodeIsInTheTable(t *testing.T) {
	t.Parallel()
	codes := declared(t, "code.go", "Code")
	var texts []plan.Code
	for name, text := range codes {
		if !strings.HasPrefix(name, "Code") {
			t.Errorf("%s is not named like a code", name)
		}
		texts = append(texts, plan.Code(text))
	}
	slices.Sort(texts)
	if got := plan.Codes(); !slices.Equal(got, texts) {
		t.Errorf("table %v\ndeclared %v", got, texts)
	}
}

func TestEveryCodeHasARemedy(t *testing.T) {
	t.Parallel()
	seen := map[string]plan.Code{}
	for _, c := range plan.Codes() {
		remedy := c.Remedy()
		if len(remedy) < 20 || !strings.HasSuffix(remedy, ".") {
			t.Errorf("%s: remedy %q is no sentence", c, remedy)
		}
		if other, ok := seen[remedy]; ok {
			t.Errorf("%s and %s have the same remedy", c, other)
		}
		seen[remedy] = c
		if !slices.Contains([]plan.Severity{"", plan.Warning, plan.Critical}, c.Severity()) {
			t.Errorf("%s: severity %q", c, c.Severity())
		}
	}
}

// Codes and reasons stand in JSON and metrics: lower case, hyphens, each once.
func TestCodesAndReasonsAreNames(t *testing.T) {
	t.Parallel()
	shape := regexp.MustCompile(`^[a-z]+(-[a-z]+)*$`)
	for _, all := range []map[string]string{declared(t, "code.go", "Code"), declared(t, "reason.go", "ReasonCode")} {
		texts := slices.Sorted(maps.Values(all))
		if !slices.Equal(slices.Compact(slices.Clone(texts)), texts) {
			t.Errorf("one text for two names: %v", texts)
		}
		for _, text := range texts {
			if !shape.MatchString(text) {
				t.Errorf("%q is no name", text)
			}
		}
	}
}

func TestForeignCode(t *testing.T) {
	t.Parallel()
	if plan.Code("dance").Remedy() != plan.CodeUnexpected.Remedy() || plan.Code("dance").Severity() != "" {
		t.Error("an unknown code is not as good as unexpected")
	}
}
