package archtest

import (
	"go/ast"
	"go/token"
	"go/types"
	"slices"
	"strings"
)

// writers are files outside durable that change the file system, and why.
func writers() map[string]string {
	return map[string]string{
		"internal/socket/socket.go": "gives sockets their owner and mode, be it before they have a name; durable knows files",
	}
}

// printers are the files that may print and end the process.
func printers() []string {
	return []string{"cmd/certkeep/ui.go", "cmd/certkeep/main.go"}
}

func effectRules() []rule {
	return []rule{
		{
			name:  "only durable changes files",
			why:   "a write outside durable is neither synced nor counted nor refused by the fault tests, so nobody knows what a crash leaves of it",
			check: onlyDurableWrites,
			bad: []source{
				"-- internal/store/a.go --\npackage store\nimport \"os\"\nvar _ = os.WriteFile(\"x\", nil, 0o600)\n",
				"-- internal/store/a.go --\npackage store\nimport \"os\"\nvar _, _ = os.OpenFile(\"x\", os.O_RDWR, 0o600)\n",
				"-- internal/store/a.go --\npackage store\nimport \"golang.org/x/sys/unix\"\nvar _ = unix.Unlink(\"x\")\n",
				"-- internal/store/a.go --\npackage store\nimport \"golang.org/x/sys/unix\"\nvar _, _ = unix.Openat(3, \"x\", unix.O_RDONLY|unix.O_CREAT, 0)\n",
				"-- internal/store/a.go --\npackage store\nimport sys \"os\"\nvar rm = sys.RemoveAll\n",
				"-- cmd/certkeep/a.go --\npackage main\nimport \"os\"\nvar _, _ = os.CreateTemp(\"\", \"x\")\n",
			},
			good: []source{
				"-- internal/durable/os.go --\npackage durable\nimport \"os\"\nvar _ = os.Rename(\"x\", \"y\")\n",
				"-- internal/store/a.go --\npackage store\nimport \"os\"\nvar _, _ = os.ReadFile(\"x\")\n",
				"-- internal/store/a.go --\npackage store\nimport \"os\"\nimport \"syscall\"\nvar _, _ = os.OpenFile(\"x\", os.O_RDONLY|syscall.O_NOFOLLOW, 0)\n",
				"-- internal/store/a.go --\npackage store\nimport \"golang.org/x/sys/unix\"\nvar _, _ = unix.Openat(3, \"x\", unix.O_RDONLY|unix.O_CLOEXEC, 0)\n",
				"-- internal/store/a_test.go --\npackage store\nimport \"os\"\nvar _ = os.WriteFile(\"x\", nil, 0o600)\n",
			},
		},
		{
			name:  "ui.go alone prints and ends the process",
			why:   "results go to stdout and everything else to stderr by one hand, and os.Exit elsewhere skips what was deferred: locks, listeners, challenge files",
			check: onlyUIPrints,
			bad: []source{
				"-- internal/engine/a.go --\npackage engine\nimport \"fmt\"\nfunc f() { fmt.Println(\"x\") }\n",
				"-- internal/engine/a.go --\npackage engine\nimport \"os\"\nfunc f() { os.Exit(1) }\n",
				"-- internal/engine/a.go --\npackage engine\nimport \"log\"\nfunc f() { log.Fatal(1) }\n",
				"-- cmd/certkeep/apply.go --\npackage main\nimport \"os\"\nvar out = os.Stdout\n",
			},
			good: []source{
				"-- cmd/certkeep/ui.go --\npackage main\nimport \"os\"\nfunc f() { os.Exit(1) }\n",
				"-- internal/engine/a.go --\npackage engine\nimport \"fmt\"\nimport \"io\"\nfunc f(w io.Writer) { fmt.Fprintln(w, \"x\") }\n",
			},
		},
		{
			name:  "the text of an error is not compared",
			why:   "words change; errors.Is and errors.AsType tell kinds of errors apart",
			check: noErrorText,
			bad: []source{
				"-- internal/engine/a.go --\npackage engine\nimport \"strings\"\nfunc f(err error) bool { return strings.Contains(err.Error(), \"x\") }\n",
				"-- internal/engine/a.go --\npackage engine\nfunc f(err error) bool { return err.Error() == \"x\" }\n",
			},
			good: []source{
				"-- internal/engine/a.go --\npackage engine\nfunc f(err error) string { return \"x: \" + err.Error() }\n",
			},
		},
		{
			name:  "errors.AsType, not errors.As",
			why:   "AsType is checked by the compiler and needs no variable declared before",
			check: noErrorsAs,
			bad:   []source{"-- internal/engine/a.go --\npackage engine\nimport \"errors\"\nfunc f(err error) bool { var e *T; return errors.As(err, &e) }\n"},
			good:  []source{"-- internal/engine/a.go --\npackage engine\nimport \"errors\"\nfunc f(err error) bool { _, ok := errors.AsType[*T](err); return ok }\n"},
		},
	}
}

// fileChanges are the functions that change files, by import path.
func fileChanges(importPath string) []string {
	system := []string{
		"Chmod", "Chown", "Creat", "Fallocate", "Fchmod", "Fchmodat", "Fchown", "Fchownat", "Ftruncate", "Lchown", "Link", "Linkat",
		"Mkdir", "Mkdirat", "Mkfifo", "Mknod", "Rename", "Renameat", "Renameat2", "Rmdir", "Symlink",
		"Symlinkat", "Truncate", "Unlink", "Unlinkat",
	}
	return map[string][]string{
		"os": {
			"Chmod", "Chown", "Chtimes", "CopyFS", "Create", "CreateTemp", "Lchown", "Link", "Mkdir", "MkdirAll", "MkdirTemp",
			"OpenRoot", "Remove", "RemoveAll", "Rename", "Symlink", "Truncate", "WriteFile",
		},
		"io/ioutil":             {"TempDir", "TempFile", "WriteFile"},
		"syscall":               system,
		"golang.org/x/sys/unix": system,
	}[importPath]
}

func onlyDurableWrites(t *tree) []string {
	var found []string
	for _, f := range t.production() {
		if f.dir == "internal/durable" || writers()[f.path] != "" {
			continue
		}
		f.selected(func(importPath, name string, at ast.Node) {
			if slices.Contains(fileChanges(importPath), name) {
				found = append(found, t.at(at, "uses %s.%s", importPath, name))
			}
		})
		imports := f.imports()
		ast.Inspect(f.ast, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok && opens(imports, call) && !readOnly(call) {
				found = append(found, t.at(call, "opens a file for writing"))
			}
			return true
		})
	}
	return found
}

// opens reports whether call opens a file with flags.
func opens(imports map[string]string, call *ast.CallExpr) bool {
	sel, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	x, ok := sel.X.(*ast.Ident)
	if !ok {
		return false
	}
	switch imports[x.Name] {
	case "os":
		return sel.Sel.Name == "OpenFile"
	case "syscall", "golang.org/x/sys/unix":
		return slices.Contains([]string{"Open", "Openat", "Openat2"}, sel.Sel.Name)
	}
	return false
}

// readOnly reports whether the flags of a call that opens say so in plain
// words.
func readOnly(call *ast.CallExpr) bool {
	return slices.ContainsFunc(call.Args, func(arg ast.Expr) bool {
		flags := types.ExprString(arg)
		return strings.Contains(flags, "O_RDONLY") && !strings.Contains(flags, "O_CREAT") && !strings.Contains(flags, "O_TRUNC")
	})
}

func onlyUIPrints(t *tree) []string {
	loud := map[string][]string{
		"fmt": {"Print", "Printf", "Println"},
		"os":  {"Exit", "Stdout", "Stderr"},
		"log": {"Fatal", "Fatalf", "Fatalln", "Panic", "Panicf", "Panicln", "Print", "Printf", "Println"},
	}
	var found []string
	for _, f := range t.production() {
		if slices.Contains(printers(), f.path) {
			continue
		}
		f.selected(func(importPath, name string, at ast.Node) {
			if slices.Contains(loud[importPath], name) {
				found = append(found, t.at(at, "uses %s.%s", importPath, name))
			}
		})
	}
	return found
}

// isErrorText reports whether e is x.Error().
func isErrorText(e ast.Expr) bool {
	call, ok := e.(*ast.CallExpr)
	if !ok || len(call.Args) > 0 {
		return false
	}
	sel, ok := call.Fun.(*ast.SelectorExpr)
	return ok && sel.Sel.Name == "Error"
}

func noErrorText(t *tree) []string {
	comparisons := []string{"strings.Contains", "strings.HasPrefix", "strings.HasSuffix", "strings.EqualFold", "strings.Index", "strings.Cut", "strings.ContainsAny"}
	var found []string
	for _, f := range t.production() {
		ast.Inspect(f.ast, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.BinaryExpr:
				if (n.Op == token.EQL || n.Op == token.NEQ) && (isErrorText(n.X) || isErrorText(n.Y)) {
					found = append(found, t.at(n, "compares the text of an error"))
				}
			case *ast.CallExpr:
				if slices.Contains(comparisons, types.ExprString(n.Fun)) && slices.ContainsFunc(n.Args, isErrorText) {
					found = append(found, t.at(n, "looks into the text of an error"))
				}
			}
			return true
		})
	}
	return found
}

func noErrorsAs(t *tree) []string {
	var found []string
	for _, f := range t.files {
		f.selected(func(importPath, name string, at ast.Node) {
			if importPath == "errors" && name == "As" {
				found = append(found, t.at(at, "uses errors.As"))
			}
		})
	}
	return found
}
