package webserver

import (
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

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
