package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/servertest"
)

// webTest is a machine with a CA, a web server and a config without any
// certificate.
type webTest struct {
	called
	plain, secure, config string
	directory             string // of the CA
	roots                 *x509.CertPool
}

func newWebTest(t *testing.T, server *servertest.WebServer, dir string) *webTest {
	t.Helper()
	return newWebTestWith(t, server, dir, acmetest.Options{})
}

// newWebTestOffline has a config with more in it, and no CA: nothing is ordered.
func newWebTestOffline(t *testing.T, server *servertest.WebServer, dir, more string) webTest {
	t.Helper()
	w := webTest{called: called{t, server.Bin(), dir}, config: dir + "/etc/certkeep.yaml"}
	put(t, w.config, "state: "+dir+"/state\naccept_terms: true\n"+more)
	return w
}

// newWebTestWith is newWebTest with a CA of another kind.
func newWebTestWith(t *testing.T, server *servertest.WebServer, dir string, o acmetest.Options) *webTest {
	t.Helper()
	ca := acmetest.Start(t, o)
	put(t, dir+"/roots.pem", string(ca.RootPEM()))
	w := &webTest{
		called: called{t, server.Bin(), dir}, config: dir + "/etc/certkeep.yaml", directory: ca.DirectoryURL(), roots: x509.NewCertPool(),
		plain: fmt.Sprintf("127.0.0.1:%d", ca.HTTPPort()), secure: fmt.Sprintf("127.0.0.1:%d", ca.TLSPort()),
	}
	issued, err := ca.IssuingRoots(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, root := range issued {
		w.roots.AppendCertsFromPEM(root)
	}
	put(t, w.config, fmt.Sprintf(`state: %[1]s/state
accept_terms: true
wait_random: 0s-1ms
listen: {status: false, outside: {80: %[2]d, 443: %[3]d}}
issuers: {test: {directory: "%[4]s", roots_file: %[1]s/roots.pem}}
challenges: [{http-01: {folder: %[1]s/answers}}]
services: {apache: {check: [%[1]s/bin/apache2ctl, -t], reload: {signal: USR1, pid_file: %[1]s/pid}}}
defaults: {issuer: [test], path: %[1]s/ssl, verify: [{port: %[3]d, address: 127.0.0.1}]}
`, dir, ca.HTTPPort(), ca.TLSPort(), ca.DirectoryURL()))
	return w
}

// get asks the web server as a visitor of a name does.
func (w *webTest) get(url string) (*http.Response, string, error) {
	return w.visit(url, &tls.Config{RootCAs: w.roots})
}

// visit is get with other demands on the certificate.
func (w *webTest) visit(url string, demands *tls.Config) (*http.Response, string, error) {
	client := &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DisableKeepAlives: true, TLSClientConfig: demands,
			DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
				var d net.Dialer
				if strings.HasSuffix(address, ":443") {
					return d.DialContext(ctx, "tcp", w.secure)
				}
				return d.DialContext(ctx, "tcp", w.plain)
			},
		},
	}
	resp, err := client.Get(url)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp, string(body), err
}

// answers waits until a URL gives a status: servers reload in their own time.
func (w *webTest) answers(url string, status int) *http.Response {
	w.t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		resp, body, err := w.get(url)
		if err == nil && resp.StatusCode == status {
			return resp
		}
		if time.Now().After(end) {
			w.t.Fatalf("%s: %+v %s %v, want %d", url, resp, body, err, status)
		}
	}
}

// certkeep runs a command with the config.
func (w *webTest) certkeep(code int, args ...string) string {
	w.t.Helper()
	return w.must(code, append([]string{"--config", w.config}, args...)...)
}

const hstsName = "Strict-Transport-Security"

// TestWebserverEnableNginx goes from a running nginx, whose site redirects and
// has a password, to a verified certificate: two commands and one line.
func TestWebserverEnableNginx(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	server := servertest.NginxIn(t, dir)
	server.Shim(t, "nginx")
	w := newWebTest(t, server, dir)
	put(t, dir+"/users", "")
	put(t, dir+"/site/index.html", "the site")
	site := func(include, names string) {
		put(t, dir+"/sites/www", "# by hand\nserver {\n"+include+"\nlisten "+w.plain+";\nserver_name "+names+";\nroot "+dir+`/site;
rewrite ^/(?!index)(.*)$ /index.html last;
location ~ /secret { auth_basic x; auth_basic_user_file `+dir+`/users; }
auth_basic x; auth_basic_user_file `+dir+`/users;
deny 203.0.113.1;
}
`)
	}
	site("", "www.example.test example.test")
	server.Configure(t, "include "+dir+"/sites/*;")
	server.Start(t, w.plain)

	text := w.certkeep(0, "webserver", "enable", "--all", "--server", "nginx", "--force-ssl")
	contains(t, text, "nothing was written: --write does it", "ssl_certificate \""+dir+"/ssl/www.example.test/fullchain.pem\";", "return 301")
	if _, err := os.Stat(dir + "/etc/nginx"); err == nil {
		t.Fatal("files were written without --write")
	}

	enable := []string{"webserver", "enable", "example.test", "--server", "nginx", "--force-ssl", "--hsts", "180d", "--write"}
	entry, snippet := dir+"/etc/conf.d/webserver-www.example.test.yaml", dir+"/etc/nginx/www.example.test.conf"
	contains(t, w.certkeep(0, enable...), "written   "+entry, "written   "+snippet,
		"as the first line of the virtual host at "+dir+"/sites/www:2:", "include "+snippet+";", "add the lines, then: certkeep apply www.example.test")
	site("include "+snippet+";", "www.example.test example.test")
	// A placeholder, and the first reload. nginx ends its old worker in its own
	// time, which this CA would not leave it.
	w.certkeep(exitMissing, "apply", "--only", "install")
	eventuallySays(t, server.Log, "exited with code 0")
	w.certkeep(0, "apply", "www.example.test")

	contains(t, w.certkeep(0, "webserver", "check", "--server", "nginx"), "ok       host www.example.test: its certificate is kept by Certkeep", "ok       challenge example.test: ", "nothing is wrong")
	w.certkeep(0, "verify")
	if resp := w.answers("http://example.test/x?y=1", 301); resp.Header.Get("Location") != "https://example.test/x?y=1" || resp.Header.Get(hstsName) != "" {
		t.Errorf("over HTTP: %v", resp.Header)
	}
	if resp := w.answers("https://example.test/index.html", 401); resp.Header.Get(hstsName) != "max-age=15552000" {
		t.Errorf("over HTTPS: %v", resp.Header)
	}

	// A second time nothing changes, though the snippet is now part of what
	// nginx prints.
	before := stat(t, entry, snippet)
	contains(t, w.certkeep(0, enable...), "is there  "+entry, "is there  "+snippet, "included  include "+snippet+";")
	if after := stat(t, entry, snippet); before != after {
		t.Errorf("written again: %s, then %s", before, after)
	}

	// Names follow.
	site("include "+snippet+";", "www.example.test example.test new.example.test")
	contains(t, w.certkeep(exitFailed, "webserver", "check", "--server", "nginx"), "fullchain.pem does not name new.example.test")
	contains(t, w.certkeep(0, enable...), "written   "+entry, "is there  "+snippet, "now: certkeep apply www.example.test")
	w.certkeep(0, "apply")
	w.answers("https://new.example.test/index.html", 401)

	// A snippet in use that nginx would refuse is taken back.
	site("include "+snippet+";", "www.example.test example.test")
	was := read(t, snippet)
	contains(t, w.certkeep(exitFailed, append(enable, "--fallback-host", "fallback.invalid")...), "check nginx with the new files", "as they were before", "host not found in upstream")
	if read(t, snippet) != was || !strings.Contains(read(t, entry), "new.example.test") {
		t.Error("what nginx refused stays")
	}
}

// eventuallySays waits until a log has a text.
func eventuallySays(t *testing.T, log, text string) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !strings.Contains(read(t, log), text); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s never says %q:\n%s", log, text, read(t, log))
		}
	}
}

// stat is when files were written.
func stat(t *testing.T, paths ...string) string {
	t.Helper()
	text := ""
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		text += fmt.Sprint(info.ModTime().UnixNano(), info.Mode(), " ")
	}
	return text
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
