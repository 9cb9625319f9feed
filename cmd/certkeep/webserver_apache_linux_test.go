package main

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/servertest"
)

// TestWebserverEnableApache is the same way with Apache, whose site redirects
// in two ways, proxies, and has a password.
func TestWebserverEnableApache(t *testing.T) {
	t.Parallel()
	dir := servertest.Folder(t)
	server := servertest.ApacheIn(t, dir, "alias", "rewrite", "headers", "socache_shmcb", "ssl", "authn_core", "auth_basic", "authn_file", "authz_user", "proxy", "proxy_http")
	server.Shim(t, "apache2ctl")
	w := newWebTest(t, server, dir)
	put(t, dir+"/users", "")
	site := func(plain, secure string) {
		text := "Listen " + w.plain + "\nListen " + w.secure + "\n<VirtualHost " + w.plain + ">\n" + plain + `
ServerName www.example.test
ServerAlias example.test
RewriteEngine on
RewriteRule ^ https://elsewhere.example.test/ [R=302,L]
Redirect permanent / https://elsewhere.example.test/
ProxyPass / http://127.0.0.1:1/
<Location "/">
	AuthType Basic
	AuthName x
	AuthUserFile ` + dir + `/users
	Require valid-user
</Location>
</VirtualHost>
`
		if secure != "" {
			text += "<VirtualHost " + w.secure + ">\n" + secure + "\nServerName www.example.test\nServerAlias example.test\nRedirect 410 /\n</VirtualHost>\n"
		}
		server.Configure(t, text)
	}
	site("", "")
	apache := server.Start(t, w.plain)
	w.answers("http://example.test/", 302)
	before := childrenOf(t, apache.PID)

	folder := dir + "/etc/apache/www.example.test"
	enable := []string{"webserver", "enable", "--all", "--server", "apache", "--force-ssl", "--hsts", "1d", "--write"}
	contains(t, w.certkeep(0, enable...), "written   "+folder+".conf", "written   "+folder+"-http.conf",
		"no <VirtualHost> of www.example.test speaks TLS: copy the one at "+server.Config+":", "Include "+folder+".conf", "Include "+folder+"-http.conf")
	site("Include "+folder+"-http.conf", "Include "+folder+".conf")
	w.certkeep(exitMissing, "apply", "--only", "install")
	for end := time.Now().Add(20 * time.Second); slices.ContainsFunc(before, lives); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) { // it ends them in its own time, which this CA would not leave it
			t.Fatalf("%v go on after a graceful restart:\n%s", before, read(t, server.Log))
		}
	}
	w.certkeep(0, "apply")
	contains(t, w.certkeep(0, "webserver", "check", "--server", "apache"), "ok       host www.example.test: its certificate is kept by Certkeep", "ok       challenge example.test: ", "nothing is wrong")
	if resp := w.answers("http://example.test/x", 301); resp.Header.Get("Location") != "https://example.test/x" || resp.Header.Get(hstsName) != "" {
		t.Errorf("over HTTP: %v", resp.Header)
	}
	if resp := w.answers("https://example.test/", 410); resp.Header.Get(hstsName) != "max-age=86400" {
		t.Errorf("over HTTPS: %v", resp.Header)
	}
	contains(t, w.certkeep(0, enable...), "is there  "+folder+".conf", "is there  "+folder+"-http.conf", "included  Include "+folder+".conf", "included  Include "+folder+"-http.conf")
}

// TestWebserverEnableRefuses goes wrong in the ways that people do; nothing is
// written.
func TestWebserverEnableRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	server := servertest.NginxIn(t, dir)
	server.Shim(t, "nginx")
	server.Configure(t, `server { listen 127.0.0.1:8080; server_name a.test *.a.test; } server { listen 127.0.0.1:8080; server_name b.test; }`)
	w := newWebTestOffline(t, server, dir, `listen: {status: false, outside: {443: false}}
certificates: {b.test: {names: [b.test]}, shop: {names: [c.test]}, two: {names: [b.test], key_types: [rsa-2048, ecdsa-p256], layout: nixos}}
`)
	put(t, dir+"/etc/nginx/b.test.conf", "mine")
	enable := func(code int, args ...string) string {
		t.Helper()
		return w.certkeep(code, append([]string{"webserver", "enable", "--server", "nginx"}, args...)...)
	}
	contains(t, enable(2), "name the virtual hosts, or give --all")
	contains(t, enable(2, "a.test", "--all"), "name the virtual hosts, or give --all")
	contains(t, enable(2, "a.test", "--force-ssl", "--only-ssl"), "exclude each other")
	contains(t, enable(2, "a.tst"), `no virtual host is named "a.tst"`, `did you mean "a.test"`)
	contains(t, enable(2, "b.test", "--use-host", "shop"), "certificate shop of the config does not have b.test", "certificates.shop.names")
	contains(t, enable(2, "b.test", "--use-host", "sho"), `did you mean "shop"`)
	contains(t, enable(1, "b.test", "--write"), dir+"/etc/nginx/b.test.conf is not one that Certkeep wrote")
	contains(t, enable(2, "a.test", "--acme-root", "srv"), "no absolute path")
	contains(t, enable(2, "a.test", "--fallback-host", "x; }"), "is no host")
	contains(t, enable(2, "a.test", "--hsts", "soon"), "is no time")
	contains(t, enable(2, "b.test", "--use-host", "b.test", "--certificate-status"), "needs a listener")
	if got := read(t, dir+"/etc/nginx/b.test.conf"); got != "mine" {
		t.Errorf("somebody's file became %q", got)
	}
	if err := os.Remove(dir + "/etc/nginx/b.test.conf"); err != nil {
		t.Fatal(err)
	}
	if text := enable(0, "b.test"); strings.Contains(text, "conf.d") || !strings.Contains(text, "/etc/ssl/certkeep/b.test/fullchain.pem") {
		t.Errorf("the config's own certificate is not used:\n%s", text)
	}

	var found webEnabled
	_, stdout, stderr := w.run("--config", w.config, "--json", "webserver", "enable", "b.test", "--server", "nginx", "--use-host", "two")
	w.shaped("webserver enable", stdout, &found)
	contains(t, stderr, "certificate two is proven by Certkeep's own listener")
	contains(t, found.Sites[0].Files[0].Content,
		"listen 127.0.0.1:443 ssl;\nssl_certificate \"/etc/ssl/certkeep/two/fullchain.pem\";\nssl_certificate_key \"/etc/ssl/certkeep/two/key.pem\";\n"+
			"ssl_certificate \"/etc/ssl/certkeep/two/fullchain.ecdsa-p256.pem\";\nssl_certificate_key \"/etc/ssl/certkeep/two/key.ecdsa-p256.pem\";\n")

	// An asterisk needs dns-01, which the config does not have.
	contains(t, enable(3, "a.test", "--write"), `the wildcard "*.a.test" can be proven by dns-01 only`)
	if _, err := os.Stat(dir + "/etc/conf.d"); err == nil {
		t.Error("what the config would refuse was written")
	}
}

// childrenOf lists the children of a process.
func childrenOf(t *testing.T, pid int) []int {
	t.Helper()
	var found []int
	for _, text := range strings.Fields(read(t, fmt.Sprintf("/proc/%[1]d/task/%[1]d/children", pid))) {
		child, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, child)
	}
	if len(found) == 0 {
		t.Fatalf("%d has no children", pid)
	}
	return found
}

func lives(pid int) bool { return syscall.Kill(pid, 0) == nil }
