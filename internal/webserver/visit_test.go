package webserver

import (
	"context"
	"errors"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/network"
	"github.com/certkeep/certkeep/internal/servertest"
)

// TestAsk has a real nginx answer what CAs ask, rightly and in the ways that
// break renewals.
func TestAsk(t *testing.T) {
	dir := t.TempDir()
	pair := selfSigned(t, dir+"/tls", "x", time.Now().AddDate(0, 0, -1), "any.test") // CAs do not mind
	plain, secure, proxied := servertest.FreeAddress(t), servertest.FreeAddress(t), servertest.FreeAddress(t)
	shows := "location ^~ /.well-known/acme-challenge/ { root " + dir + "; }"
	w := servertest.NginxIn(t, dir)
	w.Shim(t, "nginx")
	t.Setenv("PATH", w.Bin()+":"+os.Getenv("PATH"))
	put(t, dir+"/users", "")
	w.Configure(t, `ssl_certificate `+pair.Certificate+`; ssl_certificate_key `+pair.Key+`;
server { listen `+plain+` default_server; server_name good.test; location / { return 301 https://$host$request_uri; } `+shows+` }
server { listen `+plain+`; server_name on.test lost.test; return 301 https://$host$request_uri; }
server { listen `+plain+`; server_name away.test; return 302 https://elsewhere.test/; }
server { listen `+plain+`; server_name port.test; return 302 http://port.test:8080/; }
server { listen `+plain+`; server_name round.test; return 302 http://round.test/; }
server { listen `+plain+`; server_name shut.test; auth_basic x; auth_basic_user_file `+dir+`/users; `+shows+` }
server { listen `+secure+` ssl; server_name on.test; `+shows+` }
server { listen `+secure+` ssl; server_name lost.test; root /nonexistent; }
server { listen `+proxied+` proxy_protocol; server_name behind.test; `+shows+` }`)
	w.Start(t, plain)
	hosts, err := Read(t.Context(), Nginx)
	if err != nil {
		t.Fatal(err)
	}
	put(t, dir+"/.well-known/acme-challenge/token", "token.answer\n")
	v := NewVisitor(hosts, portOf(t, plain), portOf(t, secure), network.OS{})
	ask := func(v *Visitor, name string) (Visit, error) {
		t.Helper()
		at := v.Addresses(name)
		if len(at) != 1 {
			t.Fatalf("%s arrives at %v", name, at)
		}
		return v.Ask(t.Context(), at[0], name, "/.well-known/acme-challenge/token")
	}
	for _, test := range []struct {
		name   string
		status int // 0 where it leads elsewhere
		path   string
	}{
		{"good.test", 200, ""},
		{"unknown.test", 200, ""}, // the default server's
		{"on.test", 200, "https://on.test/.well-known/acme-challenge/token"},
		{"lost.test", 404, "https://lost.test/.well-known/acme-challenge/token"},
		{"away.test", 0, "https://elsewhere.test/"},
		{"port.test", 0, "http://port.test:8080/"},
		{"shut.test", 401, ""},
	} {
		visit, err := ask(v, test.name)
		if visit.Status != test.status || errors.Is(err, ErrElsewhere) != (test.status == 0) || strings.Join(visit.Path, " ") != test.path {
			t.Errorf("%s: %+v, %v", test.name, visit, err)
		}
		if visit.Shows("token.answer") != (test.status == 200) || visit.Shows("token") {
			t.Errorf("%s shows %q", test.name, visit.Body)
		}
	}
	if visit, err := ask(v, "round.test"); err == nil || len(visit.Path) > maxFollowed+1 {
		t.Errorf("a circle: %+v, %v", visit, err)
	}
	behind := NewVisitor(hosts, portOf(t, proxied), portOf(t, secure), network.OS{})
	if visit, err := ask(behind, "behind.test"); err != nil || !visit.Shows("token.answer") {
		t.Errorf("behind a proxy: %+v, %v", visit, err)
	}
	if at := NewVisitor(hosts, 1, 2, network.OS{}).Addresses("good.test"); len(at) != 0 {
		t.Errorf("nobody listens at port 1, yet %v", at)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := v.Ask(gone, v.Addresses("good.test")[0], "good.test", "/"); err == nil {
		t.Error("an end was not obeyed")
	}
}

func portOf(t *testing.T, address string) int {
	t.Helper()
	_, text, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return port
}
