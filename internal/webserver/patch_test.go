package webserver

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/certkeep/certkeep/internal/servertest"
)

// TestPatch has patch(1) carry out what is proposed for files as people write
// them.
func TestPatch(t *testing.T) {
	t.Parallel()
	program := servertest.Find(t, "patch")
	for _, c := range []struct{ name, server, text, want string }{
		{"usual", Nginx, "# site\nserver {\n    listen 80;\n}\n", "# site\nserver {\n    include x;\n    listen 80;\n}\n"},
		{"within http", Nginx, "http {\n  server { # www\n    listen 80;\n  }\n}\n", "http {\n  server { # www\n    include x;\n    listen 80;\n  }\n}\n"},
		{"brace below", Nginx, "server # {\n\n{\n\tlisten 80;\n}\n", "server # {\n\n{\n\tinclude x;\n\tlisten 80;\n}\n"},
		{"one line without end", Nginx, "server { listen 80; }", "server {\n\tinclude x;\n\tlisten 80; }"},
		{"far apart", Nginx, "server {\n}\n" + strings.Repeat("# \n", 9) + "server {\n}\n", "server {\n\tinclude x;\n}\n" + strings.Repeat("# \n", 9) + "server {\n\tinclude x;\n}\n"},
		{"Apache", Apache, "Listen 80\n<VirtualHost \\\n  *:80>\n  ServerName a.test\n</VirtualHost>\n", "Listen 80\n<VirtualHost \\\n  *:80>\n  include x;\n  ServerName a.test\n</VirtualHost>\n"},
		{"Windows", Nginx, "server {\r\n  listen 80;\r\n}\r\n", "server {\r\n  include x;\n  listen 80;\r\n}\r\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "sites enabled")
			if err := os.WriteFile(path, []byte(c.text), 0o644); err != nil {
				t.Fatal(err)
			}
			var additions []Addition
			for i, line := range strings.Split(c.text, "\n") {
				if word := strings.TrimSpace(line); strings.HasPrefix(word, "server") || strings.HasPrefix(word, "<VirtualHost") {
					additions = append(additions, Addition{Line: i + 1, Text: "include x;"})
				}
			}
			diff, err := Patch(c.server, path, c.text, additions)
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(program, "-p1", "-d", "/", "--binary", "--fuzz=0")
			cmd.Stdin = strings.NewReader(diff)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s\n%s", err, out, diff)
			}
			got, err := os.ReadFile(path)
			if err != nil || string(got) != c.want {
				t.Errorf("%v: %q, want %q\n%s", err, got, c.want, diff)
			}
		})
	}
}

func TestPatchRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		server, text string
		lines        []int
	}{
		{Nginx, "listen 80;\nserver {\n}\n", []int{1}},
		{Nginx, "server {\n}\n", []int{9}},
		{Nginx, "server\n", []int{1}},
		{Nginx, "server { } server { }\n", []int{1, 1}},
		{Apache, "ServerName a.test\n", []int{1}},
		{Apache, "<VirtualHost \\\n", []int{1}},
	} {
		var additions []Addition
		for _, line := range c.lines {
			additions = append(additions, Addition{Line: line, Text: "include x;"})
		}
		if diff, err := Patch(c.server, "/x", c.text, additions); !errors.Is(err, ErrNoPlace) {
			t.Errorf("%q: %v\n%s", c.text, err, diff)
		}
	}
	if diff, err := Patch(Nginx, "/x\n+++ b/etc/passwd", "server {\n}\n", []Addition{{Line: 1, Text: "include x;"}}); !errors.Is(err, ErrName) {
		t.Errorf("a name of two lines: %v\n%s", err, diff)
	}
	if diff, err := Patch(Nginx, "/x", "server {\n}\n", nil); err != nil || diff != "" {
		t.Errorf("nothing to add: %q, %v", diff, err)
	}
}
