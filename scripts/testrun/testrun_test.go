package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Lines as go test -json writes them.
const passing = `{"Action":"start","Package":"m/a"}
{"Action":"run","Package":"m/a","Test":"TestX"}
{"Action":"output","Package":"m/a","Test":"TestX","Output":"=== RUN   TestX\n"}
{"Action":"output","Package":"m/a","Test":"TestX","Output":"    x_test.go:1: words of a passing test\n"}
{"Action":"pass","Package":"m/a","Test":"TestX"}
{"Action":"run","Package":"m/a","Test":"TestOwner"}
{"Action":"run","Package":"m/a","Test":"TestOwner/group"}
{"Action":"output","Package":"m/a","Test":"TestOwner/group","Output":"=== RUN   TestOwner/group\n"}
{"Action":"output","Package":"m/a","Test":"TestOwner/group","Output":"    a_test.go:9: needs root\n"}
{"Action":"output","Package":"m/a","Test":"TestOwner/group","Output":"    --- SKIP: TestOwner/group (0.00s)\n"}
{"Action":"skip","Package":"m/a","Test":"TestOwner/group"}
{"Action":"pass","Package":"m/a","Test":"TestOwner"}
{"Action":"output","Package":"m/a","Output":"PASS\n"}
{"Action":"output","Package":"m/a","Output":"ok  \tm/a\t0.1s\n"}
{"Action":"pass","Package":"m/a"}
{"Action":"output","Package":"m/b","Output":"?   \tm/b\t[no test files]\n"}
{"Action":"skip","Package":"m/b"}
`

const failing = `{"Action":"build-output","ImportPath":"m/c","Output":"c.go:1: does not compile\n"}
{"Action":"run","Package":"m/a","Test":"TestX"}
{"Action":"output","Package":"m/a","Test":"TestX","Output":"    x_test.go:1: words of a failing test\n"}
{"Action":"output","Package":"m/a","Test":"TestX","Output":"--- FAIL: TestX (0.00s)\n"}
{"Action":"fail","Package":"m/a","Test":"TestX"}
{"Action":"run","Package":"m/a","Test":"TestHang"}
{"Action":"output","Package":"m/a","Test":"TestHang","Output":"panic: test timed out\n"}
{"Action":"output","Package":"m/a","Output":"FAIL\tm/a\t9s\n"}
{"Action":"fail","Package":"m/a"}
`

func TestFollow(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	tests, err := follow(&out, strings.NewReader(passing))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := out.String(), "ok  \tm/a\t0.1s\n?   \tm/b\t[no test files]\n"; got != want {
		t.Errorf("printed %q, want %q", got, want)
	}
	group := test{"m/a", "TestOwner/group"}
	if len(tests.skipped) != 1 || tests.skipped[group] != "a_test.go:9: needs root" {
		t.Errorf("skipped %v", tests.skipped)
	}
	if len(tests.ran) != 3 {
		t.Errorf("ran %v", tests.ran)
	}

	out.Reset()
	if _, err := follow(&out, strings.NewReader("go: cannot find module\n"+failing)); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"go: cannot find module\n", "does not compile", "words of a failing test", "--- FAIL: TestX", "test timed out", "FAIL\tm/a\t9s\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in %q", want, out.String())
		}
	}
}

func TestJudge(t *testing.T) {
	t.Parallel()
	tests, err := follow(new(strings.Builder), strings.NewReader(passing))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		list string
		root bool
		ok   bool
	}{
		{"not listed", "", false, false},
		{"listed", "a TestOwner root chown", false, true},
		{"listed by its own name", "m/a TestOwner/group root chown", false, true},
		{"needs root and has it", "a TestOwner root chown", true, false},
		{"kernel feature, as root", "a TestOwner kernel user namespaces", true, true},
		{"another package", "xa TestOwner root chown", false, false},
		{"only the beginning of a name", "a TestOwn root chown", false, false},
		{"stale line", "a TestOwner root chown\na TestGone root chown", false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			allowed, err := readSkips(written(t, tt.list))
			if err != nil {
				t.Fatal(err)
			}
			var out strings.Builder
			if err := judge(&out, tests, allowed, tt.root); (err == nil) != tt.ok {
				t.Errorf("judged %v", err)
			}
			if !strings.Contains(out.String(), "skipped: m/a TestOwner/group") {
				t.Errorf("the skip is not shown: %q", out.String())
			}
		})
	}
}

func TestReadSkips(t *testing.T) {
	t.Parallel()
	list, err := readSkips(written(t, "# words\n\n  internal/deploy  TestOwner  root  changes the owner\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := skip{test{"internal/deploy", "TestOwner"}, needsRoot, "changes the owner"}
	if len(list) != 1 || list[0] != want {
		t.Errorf("got %v", list)
	}
	for _, line := range []string{"internal/deploy TestOwner", "internal/deploy TestOwner root", "internal/deploy TestOwner weather it rains"} {
		if _, err := readSkips(written(t, line)); err == nil {
			t.Errorf("%q was accepted", line)
		}
	}
	if _, err := readSkips(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a missing list was accepted")
	}
}

// TestRun runs go test for real, over a module that is made for it.
func TestRun(t *testing.T) {
	t.Chdir(t.TempDir())
	for name, text := range map[string]string{
		"go.mod":    "module m\n\ngo 1.26\n",
		"a_test.go": "package m\nimport \"testing\"\nfunc TestA(t *testing.T) { t.Skip(\"no moon\") }\nfunc TestB(*testing.T) {}\n",
		"none":      "",
		"moon":      "m TestA kernel a moon\n",
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var out strings.Builder
	if err := run(&out, "moon", []string{"./..."}); err != nil {
		t.Errorf("a listed skip fails the run: %v\n%s", err, out.String())
	}
	if !strings.HasPrefix(out.String(), "ok  \tm\t") || !strings.Contains(out.String(), "no moon") {
		t.Errorf("printed %q", out.String())
	}
	if err := run(&out, "none", []string{"./..."}); err == nil {
		t.Error("a skip that is not listed passes")
	}
	if err := os.WriteFile("b_test.go", []byte("package m\nimport \"testing\"\nfunc TestC(t *testing.T) { t.Error() }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := run(&out, "moon", []string{"./..."}); err == nil {
		t.Error("a failing test passes")
	}
}

func written(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "skips")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}
