package main

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/certkeep/certkeep/internal/servertest"
)

// called is the program, to be run beside a web server of the test's: its
// folder comes first in PATH.
type called struct {
	t        *testing.T
	bin, dir string
}

// run runs the program, and returns its exit code and what it printed.
func (c called) run(args ...string) (code int, stdout, stderr string) {
	c.t.Helper()
	program, err := os.Executable()
	if err != nil {
		c.t.Fatal(err)
	}
	cmd := exec.Command("certkeep", args...)
	cmd.Path, cmd.Err = program, nil
	cmd.Dir = c.dir
	cmd.Env = []string{"PATH=" + c.bin + ":" + os.Getenv("PATH"), "HOME=" + c.dir}
	var out, wrong strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &wrong
	err = cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode(), out.String(), wrong.String()
	}
	if err != nil {
		c.t.Fatal(err)
	}
	return 0, out.String(), wrong.String()
}

// must is run, and the code has to be as wanted. It returns what was printed.
func (c called) must(code int, args ...string) string {
	c.t.Helper()
	got, stdout, stderr := c.run(args...)
	if got != code {
		c.t.Fatalf("certkeep %s: exit code %d, want %d\n%s%s", strings.Join(args, " "), got, code, stdout, stderr)
	}
	return stdout + stderr
}

// shaped reads JSON of a shape of docs/json.md.
func (c called) shaped(shape, text string, into any) {
	c.t.Helper()
	doc, err := readShapes()
	if err != nil {
		c.t.Fatal(err)
	}
	var v any
	if err := errors.Join(json.Unmarshal([]byte(text), &v), json.Unmarshal([]byte(text), into)); err != nil {
		c.t.Fatalf("%v\n%s", err, text)
	}
	if wrong := doc.compare(shape, v); len(wrong) > 0 {
		c.t.Fatalf("not as in docs/json.md:\n%s", strings.Join(wrong, "\n"))
	}
}

// contains fails where a text lacks a part.
func contains(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("this is not said: %q\n%s", part, text)
		}
	}
}

func TestWebserverList(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := servertest.NginxIn(t, dir)
	w.Shim(t, "nginx")
	w.Configure(t, `server { listen 127.0.0.1:8080; listen 8443 ssl; server_name a.test b.test; ssl_certificate a.pem; ssl_certificate_key a.key; ssl_reject_handshake on; }
server { server_name "~^x"; }`)
	c := called{t, w.Bin(), dir}
	// nginx prints nothing of a configuration that it refuses.
	code, _, stderr := c.run("webserver", "list", "--server", "nginx")
	if code != exitFailed || !strings.Contains(stderr, "a.pem") {
		t.Errorf("a certificate that is missing: code %d, %s", code, stderr)
	}
	w.Configure(t, `server { listen 127.0.0.1:8080; listen 127.0.0.1:8443 ssl; server_name a.test b.test; ssl_reject_handshake on; }
server { listen 127.0.0.1:8080; server_name "~^x"; }`)
	contains(t, c.must(0, "webserver", "list", "--server", "nginx"),
		"a.test  nginx, "+w.Config+":", "  listens on  127.0.0.1:8080, 127.0.0.1:8443 (TLS)\n", "  aliases     b.test\n", "~^x  nginx, ")
	var found webHosts
	c.shaped("webserver list", c.must(0, "--json", "webserver", "list", "--server", "nginx"), &found)
	if len(found.Hosts) != 2 || !slices.Equal(found.Hosts[0].Names, []string{"a.test", "b.test"}) || !found.Hosts[0].TLS() {
		t.Errorf("found %+v", found.Hosts)
	}
	contains(t, c.must(2, "webserver", "list", "--server", "ngin"), `did you mean "nginx"?`)
	contains(t, c.must(2, "webserver"), "certkeep webserver --help")
}
