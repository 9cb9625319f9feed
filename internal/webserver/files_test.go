package webserver

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/certkeep/certkeep/internal/servertest"
)

// Files that a real server reads are listed, be there nothing in them.
func TestFiles(t *testing.T) {
	for _, kind := range Servers() {
		dir := t.TempDir()
		empty := filepath.Join(dir, "empty.conf")
		if err := os.WriteFile(empty, []byte("# nothing\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		var server *servertest.WebServer
		if kind == Nginx {
			server = servertest.NginxIn(t, dir)
			server.Shim(t, "nginx")
			server.Configure(t, "include "+empty+";")
		} else {
			server = servertest.ApacheIn(t, dir)
			server.Shim(t, "apache2ctl")
			server.Configure(t, "Listen 127.0.0.1:1\nInclude "+empty)
		}
		t.Setenv("PATH", server.Bin()+":"+os.Getenv("PATH"))
		files, err := Files(t.Context(), kind)
		if err != nil || !slices.Contains(files, server.Config) || !slices.Contains(files, empty) {
			t.Errorf("%s: %q, %v", kind, files, err)
		}
	}
}

func TestInclusions(t *testing.T) {
	is := func(file string) bool { return file == "/s/a.conf" }
	nginx := "server {\n\tinclude /s/a.conf;\n\t# include /s/a.conf;\n include \"/s/a.conf\" ; # ours\nlisten 80; include /s/a.conf;\ninclude /s/*.conf;\ninclude /s/b.conf;\r\n\tinclude '/s/a.conf';\r\n}\n"
	apache := "<VirtualHost *:80>\n  include /s/a.conf\n#Include /s/a.conf\nIncludeOptional \"/s/a.conf\"\nInclude /s/a.conf.d\n"
	for _, test := range []struct {
		server, text string
		want         map[int]bool
	}{{Nginx, nginx, map[int]bool{2: true, 4: false, 5: false, 8: true}}, {Apache, apache, map[int]bool{2: true, 4: true}}} {
		got := map[int]bool{}
		for _, i := range Inclusions(test.server, "/f", test.text, is) {
			got[i.Line] = i.Alone
		}
		if len(got) != len(test.want) {
			t.Errorf("%s: %v, want %v", test.server, got, test.want)
		}
		for line, alone := range test.want {
			if is, there := got[line]; !there || is != alone {
				t.Errorf("%s, line %d: %v, %v", test.server, line, is, there)
			}
		}
	}
}

// What PatchOut says is what patch(1) does.
func TestPatchOut(t *testing.T) {
	t.Parallel()
	program := servertest.Find(t, "patch")
	text := "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12"
	for _, out := range [][]int{{1}, {12}, {5}, {2, 11}} {
		path := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		diff, err := PatchOut(path, text, out)
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(program, "-p1", "-d", "/")
		cmd.Stdin = strings.NewReader(diff)
		if said, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v: %v\n%s\n%s", out, err, said, diff)
		}
		var want strings.Builder
		for i, line := range strings.SplitAfter(text, "\n") {
			if !slices.Contains(out, i+1) {
				want.WriteString(line)
			}
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != want.String() {
			t.Errorf("%v: %q, want %q", out, got, want.String())
		}
	}
	for _, out := range [][]int{nil, {0}, {13}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}} {
		if _, err := PatchOut("/f", text, out); err == nil {
			t.Errorf("%v is taken out", out)
		}
	}
	if _, err := PatchOut("/f\n", text, []int{1}); err == nil {
		t.Error("a name with a line feed")
	}
}
