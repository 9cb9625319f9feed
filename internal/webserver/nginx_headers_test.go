package webserver

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/servertest"
)

// asked asks a server at an address, and follows nobody.
func asked(t *testing.T, address, method, url string) *http.Response {
	t.Helper()
	client := &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				var d net.Dialer
				return d.DialContext(ctx, "tcp", address)
			},
		},
	}
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil {
		t.Fatal(err)
	}
	return resp
}

// TestHeadersOfOthers has headers and an error page around server blocks, which
// go on being sent with those of the snippet.
func TestHeadersOfOthers(t *testing.T) {
	dir := t.TempDir()
	one, two, secure := servertest.FreeAddress(t), servertest.FreeAddress(t), servertest.FreeAddress(t)
	pair := selfSigned(t, dir+"/tls", "x", time.Now().AddDate(0, 0, 60), "a.test")
	put(t, dir+"/mark", "")
	put(t, dir+"/gone.html", "gone")
	w := servertest.NginxIn(t, dir)
	w.Shim(t, "nginx")
	t.Setenv("PATH", w.Bin()+":"+os.Getenv("PATH"))
	configure := func(included bool) []Host {
		t.Helper()
		text := "add_header X-Frame-Options DENY; add_header Content-Security-Policy \"default-src 'self'; x \\\"\" always; error_page 410 503 /gone.html; root " + dir + ";\n" +
			"server { #a\nlisten " + one + "; server_name a.test; location /410 { return 410; } }\nserver { #b\nlisten " + two + " ssl; server_name b.test; ssl_certificate " + pair.Certificate + "; ssl_certificate_key " + pair.Key + "; location / { return 200; } }"
		if included {
			text = strings.NewReplacer("#a", "include "+dir+"/nginx/a.test.conf;", "#b", "include "+dir+"/nginx/b.test.conf;", "ssl_certificate "+pair.Certificate+"; ssl_certificate_key "+pair.Key+";", "").Replace(text)
		}
		w.Configure(t, text)
		hosts, err := Read(t.Context(), Nginx)
		if err != nil {
			t.Fatal(err)
		}
		return hosts
	}
	hosts := configure(false)
	for i, s := range Sites(hosts) {
		found := Snippets(s, Nginx, Wish{
			Mode: AddTLS, Pairs: []KeyFiles{pair}, HSTS: time.Hour, Mark: dir + "/mark", HTTP: portOf(t, one), TLS: portOf(t, []string{secure, two}[i]), Others: hosts,
		})
		written(t, dir+"/nginx", found)
	}
	configure(true)
	w.Start(t, secure)
	for _, address := range []string{secure, two} {
		resp := asked(t, address, "GET", "https://a.test/410")
		if resp.StatusCode != 503 || resp.Header.Get("Retry-After") != "60" {
			t.Errorf("on the placeholder: %+v", resp)
		}
	}
	if err := os.Remove(dir + "/mark"); err != nil {
		t.Fatal(err)
	}
	for address, status := range map[string]int{secure: 410, two: 200} {
		resp := asked(t, address, "GET", "https://a.test/410")
		want := map[string]string{"Content-Security-Policy": `default-src 'self'; x "`, "Strict-Transport-Security": "max-age=3600", "Retry-After": ""}
		for name, value := range want {
			if got := resp.Header.Get(name); got != value || resp.StatusCode != status {
				t.Errorf("%s: %s is %q, want %q; %+v", address, name, got, value, resp)
			}
		}
	}
	if resp := asked(t, two, "GET", "https://b.test/"); resp.Header.Get("X-Frame-Options") != "DENY" {
		t.Errorf("without X-Frame-Options: %+v", resp)
	}
	if resp := asked(t, one, "GET", "http://a.test/410"); resp.ContentLength != 4 || resp.Header.Get("Strict-Transport-Security") != "" {
		t.Errorf("without the page of the error: %+v", resp)
	}
}

// TestRedirect has a real nginx send visitors on by what they do.
func TestRedirect(t *testing.T) {
	dir := t.TempDir()
	plain, secure := servertest.FreeAddress(t), servertest.FreeAddress(t)
	put(t, dir+"/.well-known/security.txt", "a")
	hosts, err := ParseNginx(nginxFiles("/n", "http { server { listen "+plain+"; server_name a.test; } }"))
	if err != nil {
		t.Fatal(err)
	}
	pair := selfSigned(t, dir+"/tls", "x", time.Now().AddDate(0, 0, 60), "a.test")
	written(t, dir+"/nginx", Snippets(Sites(hosts)[0], Nginx, Wish{Mode: ForceTLS, Pairs: []KeyFiles{pair}, Answers: dir, HTTP: portOf(t, plain), TLS: portOf(t, secure)}))
	w := servertest.NginxIn(t, dir)
	w.Configure(t, "server { include "+dir+"/nginx/a.test.conf; listen "+plain+"; server_name a.test; root "+dir+"; location / { } location /x { return 204; } }")
	w.Start(t, plain)
	for path, status := range map[string]int{"GET /x?a=b": 301, "HEAD /x?a=b": 301, "POST /x?a=b": 308, "GET /.well-known/security.txt": 200} {
		method, path, _ := strings.Cut(path, " ")
		resp := asked(t, plain, method, "http://a.test"+path)
		if to := resp.Header.Get("Location"); resp.StatusCode != status || status > 300 && to != "https://a.test"+path {
			t.Errorf("%s %s: %+v", method, path, resp)
		}
	}
	if resp := asked(t, secure, "POST", "https://a.test/x"); resp.StatusCode != 204 {
		t.Errorf("over HTTPS: %+v", resp)
	}
}
