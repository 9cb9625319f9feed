package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/certkeep/certkeep/internal/servertest"
)

// TestWebserverPatch goes from a config that agrees to nothing, and a site
// behind a symlink, to a certificate by two commands, of which the first hands
// its lines to patch(1).
func TestWebserverPatch(t *testing.T) {
	t.Parallel()
	program := servertest.Find(t, "patch")
	dir := t.TempDir()
	server := servertest.NginxIn(t, dir)
	server.Shim(t, "nginx")
	w := newWebTest(t, server, dir)
	put(t, w.config, strings.NewReplacer("accept_terms: true\n", "", "/answers}", "/answers, shown_within: 10s}").Replace(read(t, w.config)))
	put(t, dir+"/available/www", "# by hand\nserver {\n    listen "+w.plain+";\n    server_name www.example.test;\n    root "+dir+";\n}\n")
	if err := os.MkdirAll(dir+"/enabled", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../available/www", dir+"/enabled/www"); err != nil {
		t.Fatal(err)
	}
	server.Configure(t, "include "+dir+"/enabled/*;")
	server.Start(t, w.plain)

	enable := []string{"--config", w.config, "webserver", "enable", "www.example.test", "--server", "nginx", "--force-ssl", "--email", "admin@example.test", "--accept-terms", "--write", "--patch"}
	code, diff, told := w.run(enable...)
	if code != 0 {
		t.Fatalf("exit code %d\n%s", code, told)
	}
	contains(t, told, "written   "+dir+"/etc/conf.d/webserver.yaml", "the patch adds the lines; then: certkeep apply www.example.test")
	if text := read(t, dir+"/available/www"); strings.Contains(text, "include") {
		t.Errorf("somebody's file was changed:\n%s", text)
	}
	cmd := exec.Command(program, "-p1", "-d", "/")
	cmd.Stdin = strings.NewReader(diff)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s\n%s", err, out, diff)
	}
	contains(t, read(t, dir+"/available/www"), "server {\n    include "+dir+"/etc/nginx/www.example.test.conf;\n    listen")
	w.certkeep(0, "apply")
	w.answers("http://www.example.test/", 301)
	w.certkeep(0, "verify")

	// A second time nothing is left to add, and no byte is written.
	files := []string{dir + "/etc/conf.d/webserver.yaml", dir + "/etc/conf.d/webserver-www.example.test.yaml", dir + "/etc/nginx/www.example.test.conf"}
	before := stat(t, files...)
	if code, diff, told = w.run(enable...); code != 0 || diff != "" || stat(t, files...) != before {
		t.Errorf("a second time: code %d\n%s%s", code, told, diff)
	}
	// What was said before stays, where it is not said again.
	w.certkeep(0, "webserver", "enable", "www.example.test", "--server", "nginx", "--force-ssl", "--accept-terms", "--write")
	if stat(t, files...) != before {
		t.Error("the address was forgotten")
	}

	enables := func(code int, args ...string) string {
		t.Helper()
		return w.certkeep(code, append([]string{"webserver", "enable", "www.example.test", "--server", "nginx"}, args...)...)
	}
	contains(t, enables(2, "--patch"), "--patch goes with --write")
	contains(t, enables(3, "--email", "nobody"), "a mail address")
	put(t, w.config, read(t, w.config)+"email: other@example.test\naccept_terms: [test]\n")
	if err := os.Remove(files[0]); err != nil {
		t.Fatal(err)
	}
	contains(t, enables(2, "--email", "admin@example.test"), "another e-mail address than --email: other@example.test")
	contains(t, enables(2, "--accept-terms"), "whose terms are agreed to: test")
	if text := enables(0, "--email", "other@example.test"); strings.Contains(text, "webserver.yaml") {
		t.Errorf("what the config says is said again:\n%s", text)
	}
}

// TestWebserverPatchLeaves has hosts that a line alone would break, or not
// change: they are told, and others have their patch.
func TestWebserverPatchLeaves(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	server := servertest.NginxIn(t, dir)
	server.Shim(t, "nginx")
	server.Configure(t, "server {\nlisten 127.0.0.1:80; server_name a.test;\nlocation /.well-known/acme-challenge/ { root /srv; }\n}\nserver {\nlisten 127.0.0.1:80; server_name b.test;\n}")
	w := newWebTestOffline(t, server, dir, "listen: {status: false}\ndefaults: {path: "+dir+"/ssl}\n")
	code, diff, told := w.run("--config", w.config, "webserver", "enable", "--all", "--server", "nginx", "--write", "--patch")
	if code != 0 || strings.Contains(diff, "a.test.conf") || !strings.Contains(diff, "+include "+dir+"/etc/nginx/b.test.conf;") {
		t.Errorf("code %d\n%s", code, diff)
	}
	contains(t, told, "take out the location of "+server.Config+":", "then add the line by hand: include "+dir+"/etc/nginx/a.test.conf;")
}

// TestWebserverPatchMacro has a host of a macro beside another one.
func TestWebserverPatchMacro(t *testing.T) {
	t.Parallel()
	dir := servertest.Folder(t)
	server := servertest.ApacheIn(t, dir, "macro", "alias")
	server.Shim(t, "apache2ctl")
	server.Configure(t, "Listen 127.0.0.1:80\n<Macro VHost $name>\n<VirtualHost 127.0.0.1:80>\nServerName $name\n</VirtualHost>\n</Macro>\nUse VHost a.test\n<VirtualHost 127.0.0.1:80>\nServerName b.test\n</VirtualHost>\n")
	w := newWebTestOffline(t, server, dir, "listen: {status: false}\ndefaults: {path: "+dir+"/ssl}\n")
	code, diff, told := w.run("--config", w.config, "webserver", "enable", "--all", "--server", "apache", "--write", "--patch")
	if code != 0 || strings.Contains(diff, "a.test-http.conf") || !strings.Contains(diff, "Include "+dir+"/etc/apache/b.test-http.conf") {
		t.Errorf("code %d\n%s\n%s", code, diff, told)
	}
	contains(t, told, "is no file that a patch could change; add the line by hand: Include "+dir+"/etc/apache/a.test-http.conf")
}
