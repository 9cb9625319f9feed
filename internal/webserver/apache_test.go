package webserver

import (
	"errors"
	"strings"
	"testing"
)

const apacheDumped = `ServerRoot: "/etc/apache2"
Main DocumentRoot: "/var/www"
# In file: /etc/apache2/apache2.conf
#   5:
Listen 8443 https
#   6:
Listen 9443 http
# In file: macro 'v' (defined on line 16 of "/a") used on line 22 of "/b"
#   1:
<VirtualHost *:80>
  #   2:
  ServerName https://Macro.test:443
# In file: /etc/apache2/x.inc
  #   1:
  DocumentRoot /tmp
# In file: macro 'v' (defined on line 16 of "/a") used on line 22 of "/b"
</VirtualHost>
# In file: /etc/apache2/sites-enabled/www.conf
#  23:
<VirtualHost 127.0.0.1:80 [::1]:81 _default_:443 *:8443 *:9443 10.0.0.1 10.0.0.2:*>
  #  24:
  ServerAlias "a.example.test" *.b.example.test
  #  25:
  ServerName www.example.test
  #  26:
  ServerAlias c*.test localhost
  #  27:
  <Directory "/a b">
    #  28:
    ServerName no.test
  </Directory>
  #  29:
  SSLCertificateFile ssl/cert.pem
  #  30:
  SSLCertificateFile "/s/rsa \"x\".pem"
  #  31:
  SSLCertificateKeyFile 'ssl/key.pem'
</VirtualHost>
#  40:
<VirtualHost 127.0.0.3:443>
#  43:
<VirtualHost *:443>
  #  44:
  SSLEngine off
</VirtualHost>
`

func TestParseApache(t *testing.T) {
	t.Parallel()
	got, err := ParseApache(apacheDumped)
	if err != nil {
		t.Fatal(err)
	}
	compareHosts(t, Apache, got, []Host{
		{Names: []string{"macro.test"}, Addresses: []Address{{Port: 80}}, File: "macro 'v'", Line: 1},
		{
			Names: []string{"www.example.test", "a.example.test", "*.b.example.test"}, Patterns: []string{"c*.test", "localhost"},
			Addresses: []Address{
				{Host: "127.0.0.1", Port: 80},
				{Host: "::1", Port: 81},
				{Port: 443, TLS: true},
				{Port: 8443, TLS: true},
				{Port: 9443},
				{Host: "10.0.0.1"},
				{Host: "10.0.0.2"},
			},
			Pairs: []KeyFiles{{"/etc/apache2/ssl/cert.pem", "/etc/apache2/ssl/key.pem"}, {`/s/rsa "x".pem`, ""}},
			File:  "/etc/apache2/sites-enabled/www.conf", Line: 23,
		},
		{Addresses: []Address{{Host: "127.0.0.3", Port: 443, TLS: true}}, File: "/etc/apache2/sites-enabled/www.conf", Line: 40},
		{Addresses: []Address{{Port: 443}}, File: "/etc/apache2/sites-enabled/www.conf", Line: 43},
	})
}

func TestParseApacheRefuses(t *testing.T) {
	t.Parallel()
	for _, dump := range []string{"", "Syntax OK\n", "ServerRoot: \"/x\"\n", "# In file: /a\n#  1:\n" + strings.Repeat(" ", 2*maxDepth+2) + "X\n"} {
		if hosts, err := ParseApache(dump); !errors.Is(err, ErrSyntax) {
			t.Errorf("%q: %+v, %v", dump, hosts, err)
		}
	}
}

func FuzzParseApache(f *testing.F) {
	f.Add(apacheDumped)
	f.Add("# In file: x\n<VirtualHost a>\n      deep\n  \"\n</\n<VirtualHost\n")
	f.Fuzz(func(t *testing.T, dump string) {
		hosts, err := ParseApache(dump)
		if err != nil && !errors.Is(err, ErrSyntax) {
			t.Errorf("another kind of error: %v", err)
		}
		for _, h := range hosts {
			checkHost(t, h)
		}
	})
}

func TestHas(t *testing.T) {
	t.Parallel()
	h := Host{Names: []string{"a.test", "*.b.test"}}
	for name, want := range map[string]bool{"a.test": true, "x.a.test": false, "b.test": false, "x.b.test": true, "x.y.b.test": true, "*.b.test": true, "*.c.b.test": false} {
		if h.Has(name) != want {
			t.Errorf("%s: %v", name, !want)
		}
	}
}
