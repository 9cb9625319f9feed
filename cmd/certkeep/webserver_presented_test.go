package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/certkeep/certkeep/internal/servertest"
)

// checkedWeb is a web server beside a config whose certificates Certkeep writes
// below dir/ssl.
func checkedWeb(t *testing.T, server *servertest.WebServer, dir, plain, secure string, names ...string) called {
	t.Helper()
	_, plainPort, _ := strings.Cut(plain, ":")
	_, securePort, _ := strings.Cut(secure, ":")
	text := "state: " + dir + "/state\nlisten: {status: false, outside: {80: " + plainPort + ", 443: " + securePort + "}}\nissue: false\nsolve: false\ndefaults: {path: " + dir + "/ssl}\ncertificates:\n"
	for _, name := range names {
		text += "  " + name + ": {}\n"
	}
	put(t, dir+"/etc/certkeep.yaml", text)
	return called{t, server.Bin(), dir}
}

// TestWebserverCheckPresented has a real nginx show other certificates than its
// virtual hosts declare, in the ways that happen.
func TestWebserverCheckPresented(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	plain, secure, dead := servertest.FreeAddress(t), servertest.FreeAddress(t), servertest.FreeAddress(t)
	server := servertest.NginxIn(t, dir)
	server.Shim(t, "nginx")
	for _, name := range []string{"a.test", "b.test", "c.test", "d.test", "w.test"} {
		placeholder(t, dir+"/ssl/"+name, name, "*."+name)
	}
	host := func(address, folder, names string) string {
		return "server { listen " + address + " ssl; server_name " + names + "; ssl_certificate " + dir + "/ssl/" + folder + "/fullchain.pem; ssl_certificate_key " + dir + "/ssl/" + folder + "/privkey.pem; }\n"
	}
	sound := host(secure, "a.test", "a.test") + host(secure, "b.test", "b.test") + host(secure, "w.test", "w.test *.w.test")
	server.Configure(t, "server { listen "+plain+"; }\n"+sound)
	server.Start(t, secure)
	c := checkedWeb(t, server, dir, plain, secure, "a.test", "b.test", "c.test", "d.test", "w.test")
	check := func(code int) string {
		t.Helper()
		return c.must(code, "--config", dir+"/etc/certkeep.yaml", "webserver", "check", "--server", "nginx")
	}
	if text := check(0); !strings.Contains(text, "problems: 0") || strings.Contains(text, "comes first") {
		t.Errorf("a sound server:\n%s", text)
	}

	// Files that changed under a server that was not told.
	placeholder(t, dir+"/ssl/b.test", "b.test")
	contains(t, check(exitFailed), "problem  host b.test: "+secure+" shows visitors of b.test a certificate that no file of its hosts holds, which ends on ", "reload the web server, which may not have read its files since they changed", "problems: 1")

	// A name of which the server does not know yet: whoever comes first shows its own.
	// And an address at which nobody listens, one at which others do not speak TLS.
	server.Configure(t, sound+host(secure, "c.test", "c.test")+host(dead, "d.test", "d.test")+host(plain, "a.test", "a.test"))
	text := check(exitFailed)
	contains(t, text,
		"problem  host c.test: "+secure+" shows visitors of c.test the certificate of a.test (nginx, "+server.Config+":",
		"problem  host d.test: "+dead+" does not answer visitors of d.test over HTTPS: ",
		"problem  host a.test: "+plain+" answers visitors of a.test without TLS")
}

// sharedWeb is a web server with a site that can be enabled, and one that speaks TLS
// by itself.
type sharedWeb struct {
	kind, dir, plain, secure string
	server                   *servertest.WebServer
}

func newSharedWeb(t *testing.T, kind string) sharedWeb {
	t.Helper()
	w := sharedWeb{kind: kind, dir: servertest.Folder(t), plain: servertest.FreeAddress(t), secure: servertest.FreeAddress(t)}
	if kind == "nginx" {
		w.server = servertest.NginxIn(t, w.dir)
		w.server.Shim(t, "nginx")
	} else {
		w.server = servertest.ApacheIn(t, w.dir, "alias", "dir", "rewrite", "headers", "socache_shmcb", "ssl")
		w.server.Shim(t, "apache2ctl")
	}
	placeholder(t, w.dir+"/own", "own.test")
	return w
}

// configure has the site include its snippet, ahead of the other host or behind it;
// says is more that the other says where it listens.
func (w sharedWeb) configure(t *testing.T, included, first bool, says string) {
	t.Helper()
	pair := []any{w.dir + "/own/fullchain.pem", w.dir + "/own/privkey.pem"}
	line, head := "", ""
	var site, own string
	if w.kind == "nginx" {
		if included {
			line = "include " + w.dir + "/etc/nginx/a.test.conf;"
		}
		site = "server {\n" + line + "\nlisten " + w.plain + ";\nserver_name a.test;\n}\n"
		own = fmt.Sprintf("server { listen "+w.secure+" ssl "+says+"; server_name own.test; ssl_certificate %s; ssl_certificate_key %s; }\n", pair...)
	} else {
		head = "Listen " + w.plain + "\nListen " + w.secure + "\n"
		site = "<VirtualHost " + w.plain + ">\nServerName a.test\n</VirtualHost>\n"
		if included {
			site += "<VirtualHost " + w.secure + ">\nInclude " + w.dir + "/etc/apache/a.test.conf\nServerName a.test\n</VirtualHost>\n"
		}
		own = fmt.Sprintf("<VirtualHost "+w.secure+">\nServerName own.test\nSSLEngine on\nSSLCertificateFile %s\nSSLCertificateKeyFile %s\n</VirtualHost>\n", pair...)
	}
	if !first {
		site, own = own, site
	}
	w.server.Configure(t, head+site+own)
}

// TestWebserverCheckDefault: a site that was enabled takes no visitors away from a
// host of the administrator's without a word.
func TestWebserverCheckDefault(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"nginx", "apache"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			w := newSharedWeb(t, kind)
			c := checkedWeb(t, w.server, w.dir, w.plain, w.secure)
			certkeep := func(args ...string) string {
				t.Helper()
				return c.must(0, append([]string{"--config", w.dir + "/etc/certkeep.yaml", "webserver"}, append(args, "--server", kind)...)...)
			}
			w.configure(t, false, true, "")
			certkeep("enable", "a.test", "--write")
			w.configure(t, true, true, "")
			w.server.Start(t, w.secure)
			const words = " comes first at 127.0.0.1:"
			contains(t, certkeep("check"), "warning  server "+kind+": a.test ("+kind, words, "without it, own.test ("+kind, "certkeep webserver catch-all")
			w.configure(t, true, false, "")
			if text := certkeep("check"); strings.Contains(text, words) {
				t.Errorf("behind the other:\n%s", text)
			}
			if kind == "nginx" {
				w.configure(t, true, true, "default_server")
				if text := certkeep("check"); strings.Contains(text, words) {
					t.Errorf("beside a default:\n%s", text)
				}
			}
		})
	}
}

// TestWebserverCheckApacheLacks: an Apache that speaks no TLS yet is told of, by
// `check` and by `enable`.
func TestWebserverCheckApacheLacks(t *testing.T) {
	t.Parallel()
	dir := servertest.Folder(t)
	plain, secure := servertest.FreeAddress(t), servertest.FreeAddress(t)
	_, securePort, _ := strings.Cut(secure, ":")
	server := servertest.ApacheIn(t, dir, "alias", "dir", "rewrite", "headers")
	server.Shim(t, "apache2ctl")
	c := checkedWeb(t, server, dir, plain, secure)
	hosts := "Listen " + plain + "\n<VirtualHost " + plain + ">\nServerName a.test\n</VirtualHost>\n"
	server.Configure(t, hosts)
	const module, listen = "mod_ssl is not loaded", "it does not listen at port "
	contains(t, c.must(0, "--config", dir+"/etc/certkeep.yaml", "webserver", "enable", "a.test", "--server", "apache"), "warning: apache: "+module, "a2enmod ssl", "warning: apache: "+listen+securePort, "add `Listen "+securePort+"`")
	check := func(code int) string {
		t.Helper()
		return c.must(code, "--config", dir+"/etc/certkeep.yaml", "webserver", "check", "--server", "apache")
	}
	if text := check(0); strings.Contains(text, module) {
		t.Errorf("without a host that speaks TLS:\n%s", text)
	}
	server.Configure(t, hosts+"<VirtualHost *:443>\nServerName a.test\n<IfModule mod_ssl.c>\nSSLEngine on\n</IfModule>\n</VirtualHost>\n")
	contains(t, check(exitFailed), "problem  server apache: "+module, "problem  server apache: "+listen+"443, for no Listen names it")
	server.Configure(t, hosts+"<VirtualHost *:443>\nServerName a.test\nSSLEngine on\n</VirtualHost>\n")
	contains(t, check(exitFailed), "mod_ssl is not loaded", "load mod_ssl: on Debian `a2enmod ssl`")
}
