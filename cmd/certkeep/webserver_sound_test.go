package main

import (
	"os"
	"strings"
	"testing"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/servertest"
)

// TestWebserverSound has sites with names that no certificate can have beside one
// that is as it should be.
func TestWebserverSound(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	server := servertest.NginxIn(t, dir)
	server.Shim(t, "nginx")
	w := newWebTestOffline(t, server, dir, "listen: {status: false}\ndefaults: {path: "+dir+"/ssl}\n")
	configure := func(more string) {
		server.Configure(t, "server { listen 127.0.0.1:80; server_name a.test *.a.test; }\nserver { listen 127.0.0.1:80; server_name b.test "+more+"; }\nserver { listen 127.0.0.1:80; server_name c.test c_c.test; }")
	}
	configure("")
	entry := func(name string) string { return dir + "/etc/conf.d/webserver-" + name + ".yaml" }
	text := w.certkeep(exitFailed, "webserver", "enable", "--all", "--server", "nginx", "--write")
	contains(t, text, `a.test is left out: the wildcard "*.a.test" can be proven by dns-01 only`, `c.test is left out: "c_c.test" has an underscore`, "written   "+entry("b.test"))
	for _, name := range []string{"a.test", "c.test"} {
		if _, err := os.Stat(entry(name)); err == nil || strings.Contains(text, entry(name)) {
			t.Errorf("%s was written", name)
		}
	}
	w.certkeep(exitConfig, "webserver", "enable", "a.test", "--server", "nginx", "--write")
	w.certkeep(0, "webserver", "update", "--write")

	// A name that comes later is the matter of its site, too.
	w.certkeep(0, "webserver", "update", "--write")
	server.Configure(t, "server { listen 127.0.0.1:80; server_name b.test; }\nserver { listen 127.0.0.1:80; server_name 203.0.113.5 d.test; }")
	contains(t, w.certkeep(0, "webserver", "enable", "d.test", "--server", "nginx", "--write"), "d.test: no certificate is asked for with 203.0.113.5")
	contains(t, read(t, entry("d.test")), `names: ["d.test"]`)
	server.Configure(t, "server { listen 127.0.0.1:80; server_name b.test b_b.test; }\nserver { listen 127.0.0.1:80; server_name d.test www.d.test; }")
	contains(t, w.certkeep(exitFailed, "webserver", "update", "--write"), "b.test is left out", "written   "+entry("d.test"))
}

// TestWebserverStatusEverywhere has a status listener at all addresses, of which
// a web server needs one.
func TestWebserverStatusEverywhere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	server := servertest.NginxIn(t, dir)
	server.Shim(t, "nginx")
	server.Configure(t, "server { listen 127.0.0.1:80; server_name a.test; }")
	w := newWebTestOffline(t, server, dir, "listen: {status: {address: \":9780\", token_file: "+dir+"/token}}\n")
	put(t, dir+"/token", strings.Repeat("t", 40))
	contains(t, w.certkeep(0, "webserver", "enable", "a.test", "--server", "nginx", "--certificate-status"), "proxy_pass http://127.0.0.1:9780/")
}

// TestWebserverEmptied has a redirect taken back that a server block includes.
func TestWebserverEmptied(t *testing.T) {
	t.Parallel()
	l := newWebLife(t, "nginx", acmetest.Options{})
	file := l.dir + "/etc/nginx/a.test-http.conf"
	site := func(include string) {
		l.server.Configure(t, "server { listen "+l.secure+" ssl; server_name a.test; ssl_reject_handshake on; }\nserver { "+include+" listen "+l.plain+"; server_name a.test; return 204; }")
	}
	site("")
	put(t, l.config, strings.Replace(read(t, l.config), "http-01: {folder: "+l.dir+"/answers}", "http-01: {manual: {auth_hook: /bin/true, cleanup_hook: /bin/true}}", 1))
	enable := func(mode string) string {
		return l.certkeep(0, "webserver", "enable", "a.test", "--server", "nginx", mode, "--write")
	}
	enable("--force-ssl")
	site("include " + file + ";")
	l.server.Start(t, l.plain)
	l.answers("http://a.test/", 301)
	contains(t, enable("--add-ssl"), "written   "+file)
	l.answers("http://a.test/", 204)
	contains(t, l.certkeep(0, "webserver", "update", "--write"), "is there  "+file)
}
