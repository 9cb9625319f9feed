package webserver

import (
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/network"
	"github.com/certkeep/certkeep/internal/servertest"
)

// written writes the snippets of a server, as `webserver enable` does.
func written(t *testing.T, folder string, snippets []Snippet) {
	t.Helper()
	for _, s := range snippets {
		put(t, folder+"/"+s.Name, s.Text)
	}
}

// TestNginxSnippets has a real nginx include what is written for sites of every
// kind.
func TestNginxSnippets(t *testing.T) {
	dir := t.TempDir()
	plain, secure := servertest.FreeAddress(t), servertest.FreeAddress(t)
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := w.Write([]byte(r.Host + r.URL.Path)); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(elsewhere.Close)
	other := strings.TrimPrefix(elsewhere.URL, "http://")
	folder := dir + "/nginx"
	pair := selfSigned(t, dir+"/tls", "x", time.Now().AddDate(0, 0, 60), "a.test", "b.test", "c.test")
	put(t, dir+"/answers/token", "token.answer")
	w := servertest.NginxIn(t, dir)
	w.Shim(t, "nginx")
	t.Setenv("PATH", w.Bin()+":"+os.Getenv("PATH"))
	configure := func(included bool) []Host {
		t.Helper()
		include := func(name string) string {
			if !included {
				return ""
			}
			return "include " + folder + "/" + name + ";"
		}
		old := "ssl_certificate " + pair.Certificate + "; ssl_certificate_key " + pair.Key + ";"
		if included {
			old = ""
		}
		w.Configure(t, `
server { `+include("a.test.conf")+` listen `+secure+` ssl; server_name a.test; `+old+` return 204; }
server { `+include("a.test-http.conf")+` listen `+plain+`; server_name a.test; return 204; }
server { `+include("b.test.conf")+` listen `+secure+` ssl; server_name b.test; `+old+` return 204; }
server { `+include("c.test.conf")+` listen `+plain+`; listen `+secure+` ssl; server_name c.test; `+old+` deny all; return 204; }
`+include("b.test-http.conf"))
		hosts, err := Read(t.Context(), Nginx)
		if err != nil {
			t.Fatal(err)
		}
		return hosts
	}
	sites := Sites(configure(false))
	wish := Wish{
		Pairs: []KeyFiles{pair}, Answers: dir + "/answers", HSTS: time.Hour, Fallback: other, Status: other,
		HTTP: portOf(t, plain), TLS: portOf(t, secure),
	}
	modes := []Mode{ForceTLS, AddTLS, OnlyTLS}
	for i, s := range sites {
		wish.Mode = modes[i]
		written(t, folder, Snippets(s, Nginx, wish))
	}
	again := Without(configure(true), folder)
	for i, s := range Sites(again) {
		wish.Mode = modes[i]
		for _, snippet := range Snippets(s, Nginx, wish) {
			if text, err := os.ReadFile(folder + "/" + snippet.Name); err != nil || string(text) != snippet.Text {
				t.Errorf("%s is another one once it is included (%v):\n%s", snippet.Name, err, snippet.Text)
			}
		}
	}
	w.Start(t, plain)
	v := NewVisitor(configure(true), wish.HTTP, wish.TLS, network.OS{})
	for _, test := range []struct {
		url, path string
		status    int
		body      string
	}{
		{"a.test", challengePath + "token", 200, "token.answer"},
		{"a.test", challengePath + "another", 200, "a.test" + challengePath + "another"}, // of whom is asked else
		{"a.test", "/", 204, ""}, // after the redirect
		{"a.test", statusPath, 200, other + statusPath + "/a.test"},
		{"b.test", challengePath + "token", 200, "token.answer"},
		{"b.test", "/", 404, "<html>"},
		{"c.test", challengePath + "token", 200, "token.answer"},
		{"c.test", "/", 404, "<html>"},
	} {
		at := v.Addresses(test.url)
		if len(at) == 0 {
			t.Fatalf("%s is nowhere", test.url)
		}
		visit, err := v.Ask(t.Context(), at[0], test.url, test.path)
		if err != nil || visit.Status != test.status || !strings.HasPrefix(string(visit.Body), test.body) {
			t.Errorf("%s%s: %d %q %v, want %d %q", test.url, test.path, visit.Status, visit.Body, err, test.status, test.body)
		}
		if sent := len(visit.Path) > 0; sent != (test.url == "a.test" && test.path == "/") {
			t.Errorf("%s%s was sent on to %v", test.url, test.path, visit.Path)
		}
	}
}

// TestListens compares what a block gets that speaks HTTP alone.
func TestListens(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ block, want string }{
		{"", "listen 80;\nlisten 443 ssl;\n"},
		{"listen 80; listen [::]:80;", "listen 443 ssl;\nlisten [::]:443 ssl;\n"},
		{"listen [::]:80 ipv6only=off;", "listen 443 ssl;\nlisten [::]:443 ssl;\n"},
		{"listen 192.0.2.1:80 proxy_protocol; listen unix:/run/x;", "listen 192.0.2.1:443 ssl proxy_protocol;\n"},
	} {
		hosts, err := ParseNginx(nginxFiles("/n", "http { server { server_name a.test; "+test.block+" } }"))
		if err != nil {
			t.Fatal(err)
		}
		found := Snippets(Sites(hosts)[0], Nginx, Wish{Mode: AddTLS, HTTP: 80, TLS: 443, Pairs: []KeyFiles{{"/c \"1\"", "/k"}}})
		want := head(Wish{}, "For the server block of the site, as its first line.") + test.want + "ssl_certificate \"/c \\\"1\\\"\";\nssl_certificate_key \"/k\";\n"
		if len(found) != 1 || found[0].Text != want {
			t.Errorf("%s:\n%+v\nwant\n%s", test.block, found, want)
		}
	}
}

func TestSites(t *testing.T) {
	t.Parallel()
	hosts, err := ParseNginx(nginxFiles("/n", `http { server { server_name www.a.test a.test; } server { listen 443 ssl; server_name www.a.test b.test; }
server { server_name _; } server { server_name 127.0.0.1 localhost.localdomain d.test foo.local; } server { server_name 192.0.2.1 e.onion; } server { server_name *.c.test; } server { server_name c.test; } }`))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range Sites(hosts) {
		got = append(got, s.Name+": "+strings.Join(s.Names, " "))
		if unfit := strings.Join(s.Unfit, " "); s.Name == "d.test" && unfit != "127.0.0.1 localhost.localdomain foo.local" {
			t.Errorf("unfit: %s", unfit)
		}
	}
	if want := "www.a.test: www.a.test a.test b.test, d.test: d.test, c.test: *.c.test c.test"; strings.Join(got, ", ") != want {
		t.Errorf("got %s, want %s", strings.Join(got, ", "), want)
	}
}

// TestApacheSnippets has a real Apache judge what is written where it lacks a
// virtual host, and mod_rewrite.
func TestApacheSnippets(t *testing.T) {
	for _, modules := range [][]string{{"alias", "socache_shmcb", "ssl", "rewrite", "headers"}, {"alias", "socache_shmcb", "ssl"}} {
		dir := servertest.Folder(t)
		plain, secure := servertest.FreeAddress(t), servertest.FreeAddress(t)
		pair := selfSigned(t, dir+"/tls", "x", time.Now().AddDate(0, 0, 60), "a.test")
		put(t, dir+"/answers/token", "token.answer")
		w := servertest.ApacheIn(t, dir, modules...)
		w.Shim(t, "apache2ctl")
		t.Setenv("PATH", w.Bin()+":"+os.Getenv("PATH"))
		folder := dir + "/apache"
		text := "Listen " + plain + "\nListen " + secure + "\n<VirtualHost " + secure + ">\n#\nServerName a.test\nServerAlias b.test\nSSLEngine on\nSSLCertificateFile " + pair.Certificate + "\nSSLCertificateKeyFile " + pair.Key + "\n</VirtualHost>\n"
		w.Configure(t, text)
		hosts, err := Read(t.Context(), Apache)
		if err != nil {
			t.Fatal(err)
		}
		found := Snippets(Sites(hosts)[0], Apache, Wish{
			Mode: ForceTLS, Pairs: []KeyFiles{pair}, Answers: dir + "/answers", HSTS: time.Hour, HTTP: portOf(t, plain), TLS: portOf(t, secure),
		})
		if len(found) != 2 || !strings.HasPrefix(found[0].Places[0].TakeOut, "take out the certificate of "+w.Config+":") || found[1].Places[0].Host != nil {
			t.Fatalf("found %+v", found)
		}
		written(t, folder, found)
		w.Configure(t, strings.Replace(text, "#", "Include "+folder+"/a.test.conf", 1)+"Include "+folder+"/a.test-http.conf\n")
		w.Start(t, plain)
		if hosts, err = Read(t.Context(), Apache); err != nil {
			t.Fatal(err)
		}
		if !hosts[0].Includes(folder+"/a.test.conf") || !hosts[1].Includes(folder+"/a.test-http.conf") || len(Without(hosts, folder)) != 1 {
			t.Errorf("hosts %+v", hosts)
		}
		v := NewVisitor(hosts, portOf(t, plain), portOf(t, secure), network.OS{})
		for path, sent := range map[string]string{challengePath + "token": "", "/x": "https://a.test/x"} {
			visit, err := v.Ask(t.Context(), v.Addresses("a.test")[0], "a.test", path)
			if err != nil || strings.Join(visit.Path, " ") != sent || (sent == "") != visit.Shows("token.answer") {
				t.Errorf("%v: %s: %+v %q %v", modules, path, visit, visit.Body, err)
			}
		}
	}
}

// TestCatchAll finds the block that answers by default, and names it.
func TestCatchAll(t *testing.T) {
	t.Parallel()
	const other = "server { listen 80; server_name a.test; }"
	for _, c := range []struct {
		text string
		line int // 0 where there is none
	}{
		{"server {\nlisten 80 default_server; listen [::]:80 default_server; server_name _; }", 3},
		{"server { server_name \"\"; }", 3},
		{other + "\nserver { listen 80 default_server; }", 4},
		{other + "\nserver { listen 8080; }", 0},
		{other + "\nserver { listen 80; }", 0},
		{"server { listen 80; }\nserver { listen 127.0.0.1:80; }", 0},
		{"server { listen 80; listen 443 ssl; ssl_reject_handshake on; }", 0},
		{"server { listen 80; server_name ~^x; }", 0},
		{other, 0},
	} {
		hosts, err := ParseNginx("# configuration file /etc/nginx/nginx.conf:\nevents {}\nhttp {\n" + c.text + "\n}\n")
		if err != nil {
			t.Fatal(err)
		}
		host, found := CatchAll(hosts, 80)
		if found != (c.line > 0) || host.Line != c.line {
			t.Errorf("%s: found %v, line %d, want %d", c.text, found, host.Line, c.line)
		}
		if !found {
			continue
		}
		s := Site{Name: "new.test", Names: []string{"new.test", "www.new.test"}, Hosts: []Host{host}, Server: []string{Nginx}, Given: true}
		text := Snippets(s, Nginx, Wish{Mode: AddTLS, HTTP: 80, TLS: 443})[0].Text
		if !strings.Contains(text, "\nserver_name new.test www.new.test;\nlisten ") {
			t.Errorf("the snippet:\n%s", text)
		}
	}
}
