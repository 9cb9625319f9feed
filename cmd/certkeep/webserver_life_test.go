package main

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/chain"
	"github.com/certkeep/certkeep/internal/deploy"
	"github.com/certkeep/certkeep/internal/servertest"
)

// webSiteText is a site as an administrator writes it.
type webSiteText struct {
	names    string
	included bool
	guarded  bool // by a password
}

// webLife is a web server whose sites come, change and go.
type webLife struct {
	*webTest
	kind    string // nginx or apache
	server  *servertest.WebServer
	process *servertest.Process
	sites   map[string]webSiteText
}

// Of a CA that does not exist.
const nowhere = "https://127.0.0.1:1/directory"

func newWebLife(t *testing.T, kind string, o acmetest.Options) *webLife {
	t.Helper()
	dir := servertest.Folder(t)
	l := &webLife{kind: kind, sites: map[string]webSiteText{}}
	if kind == "nginx" {
		l.server = servertest.NginxIn(t, dir)
		l.server.Shim(t, "nginx")
	} else {
		l.server = servertest.ApacheIn(t, dir, "alias", "dir", "rewrite", "headers", "socache_shmcb", "ssl", "proxy", "proxy_http", "authn_core", "auth_basic", "authn_file", "authz_user")
		l.server.Shim(t, "apache2ctl")
	}
	l.webTest = newWebTestWith(t, l.server, dir, o)
	put(t, dir+"/site/index.html", "the site")
	for path, mode := range map[string]os.FileMode{"/site": 0o755, "/site/index.html": 0o644} {
		if err := os.Chmod(dir+path, mode); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

// configure writes what the administrator has of the sites.
func (l *webLife) configure() {
	l.t.Helper()
	var b strings.Builder
	if l.kind == "apache" {
		b.WriteString("Listen " + l.plain + "\nListen " + l.secure + "\n<Directory " + l.dir + "/site>\nRequire all granted\n</Directory>\n")
	}
	for _, name := range []string{"www.example.test", "other.example.test"} {
		site, there := l.sites[name]
		if !there {
			continue
		}
		own, other, _ := strings.Cut(site.names, " ")
		snippet := l.dir + "/etc/" + l.kind + "/" + name
		guard := ""
		switch {
		case site.guarded && l.kind == "nginx":
			guard = "auth_basic x;\nauth_basic_user_file " + l.dir + "/users;\n"
		case site.guarded:
			guard = "<Location \"/\">\nAuthType Basic\nAuthName x\nAuthUserFile " + l.dir + "/users\nRequire valid-user\n</Location>\n"
		}
		switch {
		case l.kind == "nginx" && site.included:
			b.WriteString("server {\ninclude " + snippet + ".conf;\nlisten " + l.plain + ";\nserver_name " + site.names + ";\nroot " + l.dir + "/site;\n" + guard + "}\n")
		case l.kind == "nginx":
			b.WriteString("server {\nlisten " + l.plain + ";\nserver_name " + site.names + ";\nroot " + l.dir + "/site;\n" + guard + "}\n")
		default:
			text := "ServerName " + own + "\nDocumentRoot " + l.dir + "/site\n" + guard
			if other != "" {
				text += "ServerAlias " + other + "\n"
			}
			plain, secure := "", ""
			if site.included {
				plain = "Include " + snippet + "-http.conf\n"
				secure = "<VirtualHost " + l.secure + ">\nInclude " + snippet + ".conf\n" + text + "</VirtualHost>\n"
			}
			b.WriteString("<VirtualHost " + l.plain + ">\n" + plain + text + "</VirtualHost>\n" + secure)
		}
	}
	l.server.Configure(l.t, b.String())
}

// has has the administrator change a site; its names begin with its own.
func (l *webLife) has(name, names string, included bool) {
	l.t.Helper()
	l.sites[name] = webSiteText{names: names, included: included}
	l.configure()
}

// asks changes which CA is asked.
func (l *webLife) asks(directory string) {
	l.t.Helper()
	text := read(l.t, l.config)
	text = strings.NewReplacer(`directory: "`+l.directory+`"`, `directory: "`+directory+`"`, `directory: "`+nowhere+`"`, `directory: "`+directory+`"`).Replace(text)
	put(l.t, l.config, strings.Replace(text, "/answers}", "/answers, shown_within: 10s}", 1))
}

// files are those of Certkeep's own for a site, of its configuration.
func (l *webLife) files(name string) []string {
	files := []string{l.dir + "/etc/conf.d/webserver-" + name + ".yaml", l.dir + "/etc/" + l.kind + "/" + name + ".conf"}
	if l.kind == "apache" {
		files = append(files, l.dir+"/etc/apache/"+name+"-http.conf")
	}
	return files
}

// shows waits until a site shows a certificate of a kind, whoever signed it:
// servers reload in their own time.
func (l *webLife) shows(name, what string, is func(leaf *x509.Certificate) bool) *http.Response {
	l.t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		resp, _, err := l.visit("https://"+name+"/", &tls.Config{InsecureSkipVerify: true})
		if err == nil && is(resp.TLS.PeerCertificates[0]) {
			return resp
		}
		if time.Now().After(end) {
			l.t.Fatalf("%s does not show %s: %+v %v", name, what, resp, err)
		}
	}
}

// visited asks for a site over and over, until the test ends it, and counts who
// was not answered.
func (l *webLife) visited(url string) (end func() (asked, failed int, last error)) {
	stop := make(chan struct{})
	var wg sync.WaitGroup
	asked, failed := 0, 0
	var last error
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
			}
			asked++
			if resp, _, err := l.get(url); err != nil || resp.StatusCode != http.StatusOK {
				failed++
				last = err
			}
		}
	})
	return func() (int, int, error) {
		close(stop)
		wg.Wait()
		return asked, failed, last
	}
}

// TestWebserverLife has sites of a real nginx and a real Apache live: on a
// placeholder before there is a CA, then with certificates, with names that come
// and go, beside a second site, while the CA is down, until they are gone. The
// server is never stopped, and visitors are always answered.
func TestWebserverLife(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"nginx", "apache"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			l := newWebLife(t, kind, acmetest.Options{})
			l.has("www.example.test", "www.example.test example.test", false)
			l.has("other.example.test", "other.example.test", false)
			l.process = l.server.Start(t, l.plain)
			end := l.visited("http://other.example.test/")
			l.begins()
			l.second()
			l.nameComes()
			l.nameGoes()
			l.withoutCA()
			l.damaged()
			l.goes()
			asked, failed, last := end()
			if asked < 50 || failed > 0 || !lives(l.process.PID) {
				t.Errorf("%d of %d visitors were not answered: %v", failed, asked, last)
			}
		})
	}
}

// begins goes from HTTP to a placeholder, while there is no CA, and from there
// to a certificate.
func (l *webLife) begins() {
	l.t.Helper()
	l.asks(nowhere)
	contains(l.t, l.certkeep(0, "webserver", "update", "--write"), "no virtual host was enabled")
	l.certkeep(0, "webserver", "enable", "www.example.test", "--server", l.kind, "--force-ssl", "--hsts", "1d", "--write")
	contains(l.t, read(l.t, l.files("www.example.test")[1]), "# Written by `certkeep webserver enable www.example.test --force-ssl --server "+l.kind+" --hsts 1d`, which writes it anew.\n")
	l.has("www.example.test", "www.example.test example.test", true)
	l.certkeep(exitMissing, "apply")
	resp := l.shows("example.test", "a placeholder", func(leaf *x509.Certificate) bool {
		return slices.Contains(leaf.Subject.Organization, chain.PlaceholderOrganization)
	})
	if resp.StatusCode != 503 || resp.Header.Get("Retry-After") != "60" {
		l.t.Errorf("on the placeholder: %+v", resp)
	}
	put(l.t, l.dir+"/answers/early", "early.answer")
	for path, mode := range map[string]os.FileMode{"/answers": 0o755, "/answers/early": 0o644} {
		if err := os.Chmod(l.dir+path, mode); err != nil {
			l.t.Fatal(err)
		}
	}
	if resp, body, err := l.visit("https://example.test/.well-known/acme-challenge/early", &tls.Config{InsecureSkipVerify: true}); err != nil || resp.StatusCode != 200 || body != "early.answer" {
		l.t.Errorf("a CA that is sent on to HTTPS gets %+v %q %v", resp, body, err)
	}
	l.answers("http://example.test/", 301)
	mark := l.dir + "/ssl/www.example.test/" + deploy.PlaceholderMark
	if _, err := os.Stat(mark); err != nil {
		l.t.Error(err)
	}
	l.asks(l.directory)
	l.certkeep(0, "apply", "www.example.test")
	if resp := l.answers("https://example.test/", 200); resp.Header.Get("Retry-After") != "" {
		l.t.Errorf("after it: %+v", resp)
	}
	l.answers("http://example.test/", 301)
	if _, err := os.Stat(mark); err == nil {
		l.t.Error("the mark of the placeholder is still there")
	}
}

// second enables another site, which changes nothing of the first.
func (l *webLife) second() {
	l.t.Helper()
	files := append(l.files("www.example.test"), l.dir+"/ssl/www.example.test/fullchain.pem")
	before := stat(l.t, files...)
	l.certkeep(0, "webserver", "enable", "other.example.test", "--server", l.kind, "--write")
	l.has("other.example.test", "other.example.test", true)
	l.certkeep(0, "apply")
	l.answers("https://other.example.test/", 200)
	if stat(l.t, files...) != before {
		l.t.Error("the first site was touched")
	}
}

// nameComes adds a name to the first site, before its own: it goes on being
// called as before.
func (l *webLife) nameComes() {
	l.t.Helper()
	others := append(l.files("other.example.test"), l.files("www.example.test")[1:]...)
	others = append(others, l.dir+"/ssl/other.example.test/fullchain.pem")
	entry := l.files("www.example.test")[0]
	before, was := stat(l.t, others...), stat(l.t, entry)
	contains(l.t, l.certkeep(0, "webserver", "update", "--write"), "nothing has changed")
	l.has("www.example.test", "new.example.test www.example.test", true)
	contains(l.t, l.certkeep(0, "webserver", "update"), "to write  "+entry, "nothing was written")
	if stat(l.t, entry) != was {
		l.t.Error("it was written without --write")
	}
	contains(l.t, l.certkeep(0, "webserver", "update", "--write"), "www.example.test: new.example.test, www.example.test\n", "written   "+entry, "now: certkeep apply www.example.test")
	l.answers("https://example.test/", 200) // by the certificate that there is
	l.certkeep(0, "apply")
	l.answers("https://new.example.test/", 200)
	if stat(l.t, others...) != before {
		l.t.Error("what does not change was written")
	}
	var found webUpdated
	l.shaped("webserver update", l.certkeep(0, "--json", "webserver", "update", "--write"), &found)
	if len(found.Sites) != 2 || slices.ContainsFunc(found.Sites[1].Files, func(f webFile) bool { return f.Changed }) {
		l.t.Errorf("once more: %+v", found)
	}
}

// nameGoes takes the second name away, which is no reason to ask a CA: the next
// certificate is without it.
func (l *webLife) nameGoes() {
	l.t.Helper()
	l.has("www.example.test", "new.example.test", true)
	file := l.dir + "/ssl/www.example.test/fullchain.pem"
	before := stat(l.t, file)
	contains(l.t, l.certkeep(0, "webserver", "update", "--write"), "www.example.test: new.example.test\n")
	l.certkeep(0, "apply")
	l.answers("https://new.example.test/", 200)
	if stat(l.t, file) != before {
		l.t.Error("the certificate was replaced")
	}
}

// withoutCA adds a name while nobody can certify it.
func (l *webLife) withoutCA() {
	l.t.Helper()
	l.asks(nowhere)
	l.has("www.example.test", "new.example.test late.example.test", true)
	l.certkeep(0, "webserver", "update", "--write")
	l.certkeep(exitFailed, "apply")
	l.answers("https://new.example.test/", 200)
	l.answers("https://other.example.test/", 200)
	l.asks(l.directory)
	l.certkeep(0, "apply", "www.example.test")
	l.shows("late.example.test", "a certificate of its names alone", func(leaf *x509.Certificate) bool {
		return slices.Equal(slices.Sorted(slices.Values(leaf.DNSNames)), []string{"late.example.test", "new.example.test"})
	})
}

// damaged has people write into the first lines of files.
func (l *webLife) damaged() {
	l.t.Helper()
	files := slices.Concat(l.files("www.example.test"), l.files("other.example.test"))
	for _, wrong := range []string{
		"# mine\n",
		"# Written by `certkeep webserver enable www.example.test`, which writes it anew.\n", // of what mode?
		"# Written by `certkeep webserver enable www.example.test --force-ssl --server " + l.kind + " --hsts soon`, which writes it anew.\n",
		"# Written by `certkeep webserver enable www.example.test --force-ssl --sorver " + l.kind + "`, which writes it anew.\n",
		"# Written by `certkeep webserver enable else.example.test --force-ssl`, which writes it anew.\n",
	} {
		text := read(l.t, files[1])
		put(l.t, files[1], wrong+text)
		before := stat(l.t, files...)
		contains(l.t, l.certkeep(exitUnexpected, "webserver", "update", "--write"), files[1]+" was not written by Certkeep under this name, or its first line was changed", "run `certkeep webserver enable`")
		if stat(l.t, files...) != before {
			l.t.Errorf("after %q files were written", wrong)
		}
		put(l.t, files[1], text)
	}
	text := read(l.t, files[1])
	put(l.t, files[1], strings.Replace(text, "--hsts 1d", "--hsts 2d", 1))
	contains(l.t, l.certkeep(exitUnexpected, "webserver", "update", "--write"), "were written with different options", "--hsts 2d`")
	put(l.t, files[1], text)
	l.certkeep(0, "webserver", "update", "--write")
}

// goes takes the first site away, whose certificate and files stay.
func (l *webLife) goes() {
	l.t.Helper()
	delete(l.sites, "www.example.test")
	l.configure()
	before := stat(l.t, l.files("www.example.test")...)
	told := l.certkeep(0, "webserver", "update", "--write")
	contains(l.t, told, "www.example.test: no virtual host has this name any more")
	contains(l.t, told, l.files("www.example.test")...)
	if stat(l.t, l.files("www.example.test")...) != before {
		l.t.Error("its files were changed")
	}
	var found webUpdated
	l.shaped("webserver update", l.certkeep(0, "--json", "webserver", "update"), &found)
	if len(found.Gone) != 1 || len(found.Gone[0].Files) != len(l.files("")) || len(found.Sites) != 1 {
		l.t.Errorf("found %+v", found)
	}
	contains(l.t, l.certkeep(0, "status"), "www.example.test")
	for _, file := range found.Gone[0].Files {
		if err := os.Remove(file); err != nil {
			l.t.Fatal(err)
		}
	}
	contains(l.t, l.certkeep(0, "webserver", "update"), "nothing has changed")
}
