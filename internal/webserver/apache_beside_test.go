package webserver

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/network"
	"github.com/certkeep/certkeep/internal/servertest"
)

// TestApacheBesideOthers has a real Apache choose between virtual hosts of an
// address and of all.
func TestApacheBesideOthers(t *testing.T) {
	dir := servertest.Folder(t)
	plain, secure := servertest.FreeAddress(t), servertest.FreeAddress(t)
	pair := selfSigned(t, dir+"/tls", "x", time.Now().AddDate(0, 0, 60), "a.test")
	put(t, dir+"/answers/token", "token.answer")
	w := servertest.ApacheIn(t, dir, "alias", "socache_shmcb", "ssl", "rewrite", "access_compat", "authz_host", "authn_core")
	w.Shim(t, "apache2ctl")
	t.Setenv("PATH", w.Bin()+":"+os.Getenv("PATH"))
	text := "Listen " + plain + "\nListen " + secure + "\n<VirtualHost " + plain + ">\n#b\nServerName b.test\n<Location \"/\">\nOrder deny,allow\nDeny from all\n</Location>\n</VirtualHost>\n" +
		fmt.Sprintf("<VirtualHost *:%d>\n#a\nServerName a.test\nSSLEngine on\nSSLCertificateFile %s\nSSLCertificateKeyFile %s\n</VirtualHost>\n", portOf(t, secure), pair.Certificate, pair.Key)
	w.Configure(t, text)
	hosts, err := Read(t.Context(), Apache)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range Sites(hosts) {
		written(t, dir+"/apache", Snippets(s, Apache, Wish{
			Mode: ForceTLS, Pairs: []KeyFiles{pair}, Answers: dir + "/answers", HTTP: portOf(t, plain), TLS: portOf(t, secure), Others: hosts, Now: hosts,
		}))
	}
	include := strings.NewReplacer("#a", "Include "+dir+"/apache/a.test.conf", "#b", "Include "+dir+"/apache/b.test-http.conf")
	w.Configure(t, include.Replace(text)+"Include "+dir+"/apache/a.test-http.conf\n")
	w.Start(t, plain)
	if hosts, err = Read(t.Context(), Apache); err != nil {
		t.Fatal(err)
	}
	v := NewVisitor(hosts, portOf(t, plain), portOf(t, secure), network.OS{})
	at := Address{Host: "127.0.0.1", Port: portOf(t, plain)}
	for _, name := range []string{"a.test", "b.test"} {
		visit, err := v.Ask(t.Context(), at, name, challengePath+"token")
		if err != nil || !visit.Shows("token.answer") {
			t.Errorf("%s: %+v %q %v", name, visit, visit.Body, err)
		}
	}
	if resp := asked(t, plain, "GET", "http://a.test/x"); resp.StatusCode != 301 || resp.Header.Get("Location") != "https://a.test/x" {
		t.Errorf("a.test: %+v", resp)
	}
	for path, status := range map[string]int{"POST /x": 308, "HEAD /x": 301, "GET /.well-known/security.txt": 404} {
		method, path, _ := strings.Cut(path, " ")
		if resp := asked(t, plain, method, "http://a.test"+path); resp.StatusCode != status {
			t.Errorf("%s %s: %+v", method, path, resp)
		}
	}
}
