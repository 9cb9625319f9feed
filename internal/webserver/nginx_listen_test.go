package webserver

import (
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/network"
	"github.com/certkeep/certkeep/internal/servertest"
)

// TestListensBesideOthers has a real nginx say whose certificate a name is
// shown, after another site was enabled.
func TestListensBesideOthers(t *testing.T) {
	for _, test := range []struct {
		name, site, other string // where they listen, with PLAIN and SECURE for ports
		restart           bool
	}{
		{"an address beside a wildcard", "127.0.0.1:PLAIN", "SECURE", false},
		{"a wildcard beside an address", "PLAIN", "127.0.0.1:SECURE", true},
		{"a wildcard beside both", "PLAIN", "127.0.0.1:SECURE ssl; listen SECURE", false},
		{"an address that both have", "127.0.0.1:PLAIN", "127.0.0.1:SECURE", false},
		{"both families", "[::]:PLAIN ipv6only=off", "127.0.0.1:SECURE", true},
		{"both families at both", "[::]:PLAIN ipv6only=off", "[::]:SECURE ipv6only=off", false},
		{"an address beside both families", "127.0.0.1:PLAIN", "[::]:SECURE ipv6only=off", false},
		{"IPv6", "127.0.0.1:PLAIN; listen [::1]:PLAIN", "SECURE ssl; listen [::]:SECURE", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			plain, secure := servertest.FreeAddress(t), servertest.FreeAddress(t)
			ports := strings.NewReplacer("PLAIN", fmt.Sprint(portOf(t, plain)), "SECURE", fmt.Sprint(portOf(t, secure)))
			ends := time.Now().AddDate(0, 0, 60)
			ours, theirs := selfSigned(t, dir+"/ours", "x", ends, "a.test"), selfSigned(t, dir+"/theirs", "x", ends, "other.test")
			w := servertest.NginxIn(t, dir)
			w.Shim(t, "nginx")
			t.Setenv("PATH", w.Bin()+":"+os.Getenv("PATH"))
			configure := func(include string) []Host {
				t.Helper()
				w.Configure(t, ports.Replace("server { listen "+test.other+" ssl; server_name other.test; ssl_certificate "+theirs.Certificate+"; ssl_certificate_key "+theirs.Key+"; return 204; }\nserver { "+include+" listen "+test.site+"; server_name a.test; return 204; }"))
				hosts, err := Read(t.Context(), Nginx)
				if err != nil {
					t.Fatal(err)
				}
				return hosts
			}
			hosts := configure("")
			found := Snippets(Sites(hosts)[1], Nginx, Wish{Mode: AddTLS, Pairs: []KeyFiles{ours}, HTTP: portOf(t, plain), TLS: portOf(t, secure), Others: hosts, Now: hosts})
			if got := strings.Contains(found[0].Places[0].Words, "restart nginx"); got != test.restart {
				t.Errorf("told: %q", found[0].Places[0].Words)
			}
			written(t, dir+"/nginx", found)
			configure("include " + dir + "/nginx/a.test.conf;")
			w.Start(t, secure)
			for _, name := range []string{"a.test", "other.test"} {
				shown(t, net.JoinHostPort("127.0.0.1", fmt.Sprint(portOf(t, secure))), name)
			}
		})
	}
}

// shown fails where an address does not show a name its certificate.
func shown(t *testing.T, address, name string) {
	t.Helper()
	conn, err := tls.Dial("tcp", address, &tls.Config{ServerName: name, InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.ConnectionState().PeerCertificates[0].VerifyHostname(name); err != nil {
		t.Error(err)
	}
}

// TestPortOfBothFamilies has a site without HTTP get it at what it has for TLS.
func TestPortOfBothFamilies(t *testing.T) {
	t.Parallel()
	for other, want := range map[string]string{"listen 80;": "listen 80;\nlisten [::]:80;\n", "listen [::]:80 ipv6only=off;": "listen [::]:80;\n"} {
		hosts, err := ParseNginx(nginxFiles("/n", "http { server { server_name a.test; listen [::]:443 ssl ipv6only=off; } server { listen [::]:443 ssl; server_name b.test; } server { "+other+" } }"))
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range Sites(hosts) {
			found := Snippets(s, Nginx, Wish{Mode: AddTLS, HTTP: 80, TLS: 443, Answers: "/a", Others: hosts})
			if len(found) != 2 || !strings.Contains(found[1].Text, "server {\n"+want+"server_name") {
				t.Errorf("%s beside %s: %+v", s.Name, other, found)
			}
		}
	}
}

// TestSiteBehind has a real nginx ask another server block for a site, which has
// the same name: visitors arrive at the first alone.
func TestSiteBehind(t *testing.T) {
	dir := t.TempDir()
	plain, behind := servertest.FreeAddress(t), servertest.FreeAddress(t)
	w := servertest.NginxIn(t, dir)
	w.Shim(t, "nginx")
	t.Setenv("PATH", w.Bin()+":"+os.Getenv("PATH"))
	configure := func(front, back string) []Host {
		t.Helper()
		w.Configure(t, "server { "+front+" listen "+plain+"; server_name a.test; location / { proxy_pass http://"+behind+"; proxy_set_header Host $host; } }\nserver { "+back+" listen "+behind+"; server_name a.test; return 204; }")
		hosts, err := Read(t.Context(), Nginx)
		if err != nil {
			t.Fatal(err)
		}
		return hosts
	}
	hosts := configure("", "")
	secure := servertest.FreeAddress(t)
	wish := Wish{Mode: ForceTLS, Pairs: []KeyFiles{selfSigned(t, dir+"/tls", "x", time.Now().AddDate(0, 0, 60), "a.test")}, Answers: dir + "/answers", HTTP: portOf(t, plain), TLS: portOf(t, secure)}
	found := Snippets(Sites(hosts)[0].Facing(wish.HTTP, wish.TLS), Nginx, wish)
	if len(found) != 1 || len(found[0].Places) != 1 || found[0].Places[0].Host.Line != hosts[0].Line {
		t.Fatalf("found %+v", found)
	}
	written(t, dir+"/nginx", found)
	v := NewVisitor(configure("include "+dir+"/nginx/a.test.conf;", ""), wish.HTTP, wish.TLS, network.OS{})
	w.Start(t, plain)
	if visit, err := v.Ask(t.Context(), v.Addresses("a.test")[0], "a.test", "/"); err != nil || visit.Status != 204 || len(visit.Path) != 1 {
		t.Errorf("visit %+v %v", visit, err)
	}

	// Behind another program it sends nobody on, and has a server for HTTP of its own.
	wish.HTTP = portOf(t, servertest.FreeAddress(t))
	found = Snippets(Sites(hosts[1:])[0].Facing(wish.HTTP, wish.TLS), Nginx, wish)
	if len(found) != 2 || strings.Contains(found[0].Text, "return 301") || !strings.Contains(found[1].Text, fmt.Sprintf("listen 127.0.0.1:%d;", wish.HTTP)) || !strings.Contains(found[1].Places[0].Words, "leave it out if") {
		t.Errorf("found %+v", found)
	}
}

// TestFacing has nginx ahead of Apache.
func TestFacing(t *testing.T) {
	t.Parallel()
	host := func(server string, addresses ...Address) Host {
		return Host{Server: server, Names: []string{"a.test", server + ".a.test"}, Addresses: addresses}
	}
	front, control := host(Nginx, Address{Port: 80}), host(Nginx, Address{Port: 8443, TLS: true})
	back, tls := host(Apache, Address{Host: "127.0.0.1", Port: 8080}), host(Apache, Address{Port: 443})
	for _, test := range []struct {
		hosts []Host
		want  string
	}{
		{[]Host{front, back}, "[nginx] 1 [a.test nginx.a.test]"},
		{[]Host{back, front, control}, "[nginx] 2 [a.test nginx.a.test]"},
		{[]Host{front, back, tls}, "[nginx apache] 2 [a.test nginx.a.test apache.a.test]"},
		{[]Host{back}, "[apache] 1 [a.test apache.a.test]"},
	} {
		s := Sites(test.hosts)[0].Facing(80, 443)
		if got := fmt.Sprint(s.Server, len(s.Hosts), s.Names); got != test.want {
			t.Errorf("got %s, want %s", got, test.want)
		}
	}
}
