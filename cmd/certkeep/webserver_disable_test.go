package main

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/servertest"
)

// TestWebserverDisable takes a site of a real nginx and a real Apache back to what
// it was: nothing goes that the server still includes, and another site and its
// certificate are not touched.
func TestWebserverDisable(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"nginx", "apache"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			l := newWebLife(t, kind, acmetest.Options{})
			l.asks(l.directory) // which waits until the server has read its files
			const www, other = "www.example.test", "other.example.test"
			l.has(www, www, false)
			l.has(other, other, false)
			l.process = l.server.Start(t, l.plain)
			contains(t, l.certkeep(0, "webserver", "disable", "--all"), "there is nothing to take away")
			l.certkeep(0, "webserver", "enable", www, "--server", kind, "--force-ssl", "--write")
			l.certkeep(0, "webserver", "enable", other, "--server", kind, "--write")
			l.has(www, www, true)
			l.has(other, other, true)
			l.certkeep(0, "apply")
			l.answers("http://"+www+"/", 301)

			files := l.files(www)
			before := stat(t, append(l.files(other), files...)...)
			contains(t, l.certkeep(exitUsage, "webserver", "disable"), "name the sites")
			contains(t, l.certkeep(exitUsage, "webserver", "disable", "www.exmple.test"), "did you mean")
			contains(t, l.certkeep(exitUsage, "webserver", "disable", www, "--write", "--patch"), "first the lines go")
			contains(t, l.certkeep(0, "webserver", "disable", www), "to remove    "+files[1], "to take out  "+l.server.Config+":")
			contains(t, l.certkeep(exitFailed, "webserver", "disable", www, "--write"), "stays        "+files[1], "first take the lines out")
			if stat(t, append(l.files(other), files...)...) != before {
				t.Fatal("a file was removed that the server includes")
			}
			var found webDisabled
			l.shaped("webserver disable", l.certkeep(0, "--json", "webserver", "disable", www), &found)
			if len(found.Sites) != 1 || len(found.Sites[0].Lines) != len(files)-1 || len(found.Sites[0].Files) != len(files) {
				t.Errorf("found %+v", found)
			}

			l.takeOut(www)
			l.test()
			contains(t, l.certkeep(0, "webserver", "disable", www, "--write"), "removed      "+files[0], "removed      "+files[1], "certkeep forget "+www)
			for _, file := range files {
				if _, err := os.Lstat(file); err == nil {
					t.Errorf("%s is still there", file)
				}
			}
			l.test()
			l.answers("http://"+www+"/", 200) // it was reloaded, and redirects no more
			l.certkeep(0, "apply")
			l.answers("https://"+other+"/", 200)
			contains(t, l.certkeep(0, "webserver", "update", "--write"), "nothing has changed")
			if text := l.certkeep(0, "config", "show"); strings.Contains(text, www) || !strings.Contains(text, other) {
				t.Errorf("the config is\n%s", text)
			}
			if !lives(l.process.PID) {
				t.Error("the server was stopped")
			}
			told := l.certkeep(0, "webserver", "enable", www, "--server", kind, "--write") // and back again
			contains(t, told, "add the lines, reload the server, then: certkeep apply")
			l.has(www, www, true)
			l.reload()
			l.answers("https://"+www+"/", 200)
		})
	}
}

// reload has the server read its configuration again.
func (l *webLife) reload() {
	l.t.Helper()
	signal := map[string]syscall.Signal{"nginx": syscall.SIGHUP, "apache": syscall.SIGUSR1}[l.kind]
	if err := syscall.Kill(l.process.PID, signal); err != nil {
		l.t.Fatal(err)
	}
}

// takeOut takes the lines of a site out, as far as that may be by --patch.
func (l *webLife) takeOut(name string) {
	l.t.Helper()
	code, diff, told := l.run("--config", l.config, "webserver", "disable", name, "--patch")
	if code != 0 || diff == "" {
		l.t.Fatalf("exit code %d\n%s%s", code, told, diff)
	}
	cmd := exec.Command(servertest.Find(l.t, "patch"), "-p1", "-d", "/")
	cmd.Stdin = strings.NewReader(diff)
	if out, err := cmd.CombinedOutput(); err != nil {
		l.t.Fatalf("%v\n%s\n%s", err, out, diff)
	}
	text := read(l.t, l.server.Config)
	if l.kind == "nginx" {
		if strings.Contains(text, name+".conf") {
			l.t.Errorf("the line is still there:\n%s", text)
		}
		return
	}
	contains(l.t, told, "the whole <VirtualHost> at "+l.server.Config, "take it out by hand")
	if strings.Contains(text, name+"-http.conf") || !strings.Contains(text, name+".conf") {
		l.t.Errorf("other lines were taken out:\n%s", text)
	}
	l.has(name, name, false)
}

// TestWebserverDisableKeeps: an entry stays that others use, and says who; a snippet
// that is included by an asterisk stays, too.
func TestWebserverDisableKeeps(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	server := servertest.NginxIn(t, dir)
	server.Shim(t, "nginx")
	hosts := func(more string) {
		server.Configure(t, "server { listen 127.0.0.1:80; server_name a.test; }\nserver { listen 127.0.0.1:80; server_name c.test; }\nserver { listen 127.0.0.1:80; server_name d.test; }\n"+more)
	}
	hosts("server { listen 127.0.0.1:80; server_name a.test b.test; }\n")
	w := newWebTestOffline(t, server, dir, "listen: {status: false}\ndefaults: {path: "+dir+"/ssl}\n")
	for _, args := range [][]string{{"a.test"}, {"b.test", "--use-host", "a.test"}, {"c.test"}, {"d.test"}} {
		w.certkeep(0, append([]string{"webserver", "enable", "--server", "nginx", "--write"}, args...)...)
		hosts("server { listen 127.0.0.1:80; server_name b.test; }\n") // from now on it is a site of its own
	}
	hosts("server { listen 127.0.0.1:443 ssl; server_name e.test; ssl_certificate " + dir + "/ssl/c.test/fullchain.pem; ssl_certificate_key " + dir + "/ssl/c.test/privkey.pem; }")
	put(t, dir+"/etc/conf.d/zz.yaml", "certificates: {d.test: {renew: {before: 50%}}}\n")
	entry := func(name string) string { return dir + "/etc/conf.d/webserver-" + name + ".yaml" }
	contains(t, w.certkeep(0, "webserver", "disable", "a.test", "c.test", "d.test", "--write"),
		"stays        "+entry("a.test")+": the site b.test uses its certificate",
		"stays        "+entry("c.test")+": the virtual host at "+server.Config+":",
		"stays        "+entry("d.test")+": another file of the config says more",
		"removed      "+dir+"/etc/nginx/a.test.conf")
	hosts("server { include " + dir + "/etc/nginx/b*.conf; listen 127.0.0.1:80; server_name b.test; }\n")
	contains(t, w.certkeep(exitFailed, "webserver", "disable", "b.test", "--write"), "included     "+dir+"/etc/nginx/b.test.conf, by no line of its own")
	if _, err := os.Stat(dir + "/etc/nginx/b.test.conf"); err != nil {
		t.Error(err)
	}
	hosts("listen oops;")
	contains(t, w.certkeep(exitFailed, "webserver", "disable", "b.test", "--write"), "have its own test say that the configuration is sound")
}
