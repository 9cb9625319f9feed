package nix

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/servertest"
)

func TestNginx(t *testing.T) {
	t.Parallel()
	s, cfg := newMachine(t).example(t, "nginx")
	const certs, challenges = "/var/lib/certkeep-certs/", "^~ /.well-known/acme-challenge/"

	shared := cfg.Certificate("example.com")
	want(t, "names of a shared certificate", slices.Sorted(slices.Values(shared.Names)), []string{"example.com", "shop.example.com", "www.example.com"})
	want(t, "group, services", []any{shared.Group, shared.Services}, []any{"nginx", []string{"nginx"}})
	want(t, "certificates", len(cfg.Certificates), 2)
	want(t, "methods", cfg.MethodsFor("wiki.example.com", "wiki.example.com", false), []config.Method{{Type: config.MethodHTTP01, Webroot: "/var/lib/certkeep-challenges"}})

	host := s.Nginx["example.com"]
	want(t, "files", []string{host.SSLCertificate, host.SSLCertificateKey, host.SSLTrustedCertificate},
		[]string{certs + "example.com/fullchain.pem", certs + "example.com/key.pem", certs + "example.com/chain.pem"})
	want(t, "HTTP beside HTTPS", []bool{host.AddSSL, host.OnlySSL, host.ForceSSL}, []bool{true, false, false})
	want(t, "challenge", host.Locations[challenges],
		location{Root: "/var/lib/certkeep-challenges", ExtraConfig: "auth_basic off;\nauth_request off;\n", RecommendedProxySettings: true})
	want(t, "files of who shares", s.Nginx["shop.example.com"].SSLCertificate, certs+"example.com/fullchain.pem")

	wiki, plain := s.Nginx["wiki"], s.Nginx["wiki-certkeep-http"]
	want(t, "the host that HTTP leads to", []any{wiki.OnlySSL, wiki.SSLCertificateKey}, []any{true, certs + "wiki.example.com/key.pem"})
	want(t, "the server for port 80", []any{plain.ServerName, plain.ListenAddresses, plain.AddSSL, plain.OnlySSL, plain.Locations["/"].Return},
		[]any{"wiki.example.com", []string{"192.0.2.1"}, false, false, "308 https://$host$request_uri"})
	if c := plain.Locations[challenges]; c.Root != "/var/lib/certkeep-challenges" || !strings.Contains(c.ExtraConfig, "try_files $uri @certkeep-fallback;") {
		t.Errorf("challenge on port 80: %+v", c)
	}
	want(t, "fallback, with one Host", plain.Locations["@certkeep-fallback"],
		location{ProxyPass: "http://old.example.com", ExtraConfig: "auth_basic off;\nauth_request off;\nproxy_set_header Host $host;\n"})

	setup := s.Units["certkeep-setup"]
	for _, list := range [][]string{setup.Before, setup.WantedBy, s.Units["certkeep"].After} {
		if !slices.Contains(list, "nginx.service") || !slices.Contains(list, "nginx-config-reload.service") {
			t.Errorf("nginx is missing in %q", list)
		}
	}
	want(t, "condition", setup.UnitConfig["ConditionPathExists"], any([]any{"|!" + certs + "example.com/fullchain.pem", "|!" + certs + "wiki.example.com/fullchain.pem"}))
	made, ok := s.Tmpfile["10-certkeep"]["/var/lib/certkeep-challenges"]
	want(t, "folder of challenges, made as it was", []any{ok, made["d"]}, []any{true, rule{}})
}

// TestHostsOfModules has hosts that another module made for security.acme, by
// mkDefault, be Certkeep's with nothing else said. What the administrator says
// is refused.
func TestHostsOfModules(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	for _, server := range []string{"nginx", "httpd"} {
		host := func(options, own, theirs string) (system, virtualHost) {
			t.Helper()
			s := m.evaluate(t, `({ lib, ... }: {
				services.`+server+` = { enable = true; virtualHosts."a.example.com" = lib.mkMerge [ { enableACME = lib.mkDefault true; `+theirs+` } { `+own+` } ]; };
				services.certkeep = { enable = true; acceptTerms = true; `+server+`."a.example.com" = { `+options+` }; };
			})`)
			return s, map[string]map[string]virtualHost{"nginx": s.Nginx, "httpd": s.Httpd}[server]["a.example.com"]
		}
		for options, flags := range map[string][]bool{"forceSSL = true;": {false, true, false}, "addSSL = true;": {true, false, false}, "": {false, false, true}} {
			s, h := host(options, "", "forceSSL = lib.mkDefault true;")
			want(t, server+" "+options, []any{s.Broken, h.EnableACME, []bool{h.AddSSL, h.OnlySSL, h.ForceSSL}}, []any{[]string{}, false, flags})
		}
		_, h := host("forceSSL = true;", "", "addSSL = lib.mkDefault true;")
		want(t, server+" with HTTP beside", []bool{h.AddSSL, h.OnlySSL, h.ForceSSL}, []bool{false, true, false})
		s, _ := host("forceSSL = true;", "enableACME = true;", "")
		if len(s.Broken) != 1 || !strings.Contains(s.Broken[0], "ask security.acme") {
			t.Errorf("%s: what the administrator says: %q", server, s.Broken)
		}
	}
}

func TestHTTPD(t *testing.T) {
	t.Parallel()
	s, cfg := newMachine(t).example(t, "httpd")
	dns, plain := cfg.Certificate("example.com"), cfg.Certificate("plain.example.com")
	want(t, "proven as defaults say", cfg.MethodsFor(dns.Name, dns.Name, false), []config.Method{{Type: config.MethodDNS01, Via: "main"}})
	want(t, "proven as the host says", cfg.MethodsFor(plain.Name, plain.Name, false), []config.Method{{Type: config.MethodHTTP01, Webroot: "/srv/challenges"}})
	want(t, "services", dns.Services, []string{"apache"})
	want(t, "group", dns.Group, "wwwrun")

	host := s.Httpd["example.com"]
	want(t, "files", []string{host.SSLServerCert, host.SSLServerKey}, []string{"/var/lib/certkeep-certs/example.com/fullchain.pem", "/var/lib/certkeep-certs/example.com/key.pem"})
	away := s.Httpd["example.com-certkeep-http"]
	want(t, "names on port 80", []any{away.HostName, away.ServerAliases}, []any{"example.com", []string{"www.example.com"}})
	if strings.Contains(away.ExtraConfig, "Alias") || !strings.Contains(away.ExtraConfig, "[R=301,L]") {
		t.Errorf("port 80 of a host that DNS proves:\n%s", away.ExtraConfig)
	}
	if text := s.Httpd["plain.example.com-certkeep-http"].ExtraConfig; !strings.Contains(text, `Alias /.well-known/acme-challenge/ "/srv/challenges/.well-known/acme-challenge/"`) {
		t.Errorf("port 80 of a host with a folder:\n%s", text)
	}
}

// TestHTTPDAnswers has a real Apache answer what the module gives it: a
// challenge on port 80, where all else is sent on, and on a host that lets
// nobody in and hands all to another server.
func TestHTTPDAnswers(t *testing.T) {
	t.Parallel()
	program, dir := servertest.Find(t, "apache2"), servertest.Folder(t)
	s := newMachine(t).evaluate(t, `{
		services.httpd = { enable = true; virtualHosts."www.example.test" = { extraConfig = "<Location />\nRequire all denied\nProxyPass http://127.0.0.1:1/\n</Location>"; }; };
		services.certkeep = { enable = true; acceptTerms = true; httpd."www.example.test" = { forceSSL = true; acmeRoot = "`+dir+`/root"; }; };
	}`)
	want(t, "broken assertions", s.Broken, []string{})
	challenges := filepath.Join(dir, "root/.well-known/acme-challenge")
	if err := errors.Join(os.MkdirAll(challenges, 0o755), os.WriteFile(filepath.Join(challenges, "token"), []byte("answer"), 0o644)); err != nil {
		t.Fatal(err)
	}
	plain, closed := servertest.FreeAddress(t), servertest.FreeAddress(t)
	config := fmt.Sprintf("ServerRoot %[1]s\nPidFile %[1]s/pid\nDefaultRuntimeDir %[1]s\nErrorLog %[1]s/error.log\nMutex file:%[1]s default\nServerName localhost\nStartServers 1\n", dir)
	for _, module := range []string{"mpm_event", "authz_core", "authn_core", "alias", "rewrite", "proxy", "proxy_http"} {
		config += fmt.Sprintf("LoadModule %[1]s_module /usr/lib/apache2/modules/mod_%[1]s.so\n", module)
	}
	for address, host := range map[string]string{plain: "www.example.test-certkeep-http", closed: "www.example.test"} {
		config += fmt.Sprintf("Listen %[1]s\n<VirtualHost %[1]s>\n%[2]s\n</VirtualHost>\n", address, s.Httpd[host].ExtraConfig)
	}
	if os.Geteuid() == 0 {
		config += "User nobody\nGroup nogroup\n"
	}
	path := filepath.Join(dir, "httpd.conf")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	server := servertest.Start(t, syscall.SIGTERM, program, "-f", path, "-DFOREGROUND")
	server.Ready(t, filepath.Join(dir, "error.log"), servertest.Accepts(plain))

	const challenge = "/.well-known/acme-challenge/token"
	want(t, "challenge on port 80", ask(t, plain, challenge), "200  answer")
	want(t, "challenge where nobody may enter", ask(t, closed, challenge), "200  answer")
	want(t, "a page there", ask(t, closed, "/page")[:3], "403")
	if got := ask(t, plain, "/page?x=1"); !strings.HasPrefix(got, "301 https://www.example.test/page?x=1 ") {
		t.Errorf("a page on port 80: %s", got)
	}
}

// ask is the status, the place to go to and the text of an answer.
func ask(t *testing.T, address, path string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Host = "www.example.test"
	answer, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close() // it was read
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%d %s %s", answer.StatusCode, answer.Header.Get("Location"), text)
}
