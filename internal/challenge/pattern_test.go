package challenge

import (
	"errors"
	"strings"
	"testing"
)

func TestPattern(t *testing.T) {
	for _, tt := range []struct {
		pattern string
		id      Identifier
		want    string
	}{
		{"/var/www/html", Identifier{Value: "www.example.com"}, "/var/www/html"},
		{"/srv/{zone}/{host}", Identifier{Value: "www.example.com"}, "/srv/example.com/www"},
		{"/srv/{zone}/{host}", Identifier{Value: "a.b.example.com"}, "/srv/b.example.com/a"},
		{"/srv/{zone}/{host}", Identifier{Value: "example.com"}, "/srv/example.com"},
		{"/srv/{zone}/{host}/htdocs", Identifier{Value: "Example.com"}, "/srv/example.com/htdocs"},
		{"/srv/{host}.{zone}", Identifier{Value: "localhost"}, "/srv/..localhost"},
		{"/srv/{fqdn}", Identifier{Value: "www.example.com"}, "/srv/www.example.com"},
		{"/srv/{zone}/{host}", Identifier{Value: "192.0.2.1", IP: true}, "/srv/192.0.2.1"},
		{"/srv/{fqdn}", Identifier{Value: "2001:db8::1", IP: true}, "/srv/2001:db8::1"},
		{"/srv/{fqdn}", Identifier{Value: "../../etc"}, "/srv/-"},
		{"/srv/{zone}", Identifier{Value: "x..."}, "/srv/-"},
	} {
		p, err := parsePattern(tt.pattern)
		if err != nil {
			t.Errorf("%s: %v", tt.pattern, err)
			continue
		}
		if got := p.folder(tt.id); got != tt.want {
			t.Errorf("%s for %s: got %s, want %s", tt.pattern, tt.id.Value, got, tt.want)
		}
	}
	for _, bad := range []string{"", "srv", "{fqdn}", "/srv/{name}", "/srv/{zone", "/srv/zone}", "/srv/{}", "/srv/{{zone}}", "/a\x00b"} {
		if p, err := parsePattern(bad); !errors.Is(err, errPattern) {
			t.Errorf("%q became %q, %v", bad, p, err)
		}
	}
}

func FuzzPattern(f *testing.F) {
	f.Add("/srv/{zone}/{host}", "www.example.com", false)
	f.Add("/srv/{fqdn}", "192.0.2.1", true)
	f.Add("/{host}{zone}{fqdn}/..", "a.b.c.d", false)
	f.Add("/srv/{", "..", false)
	f.Fuzz(func(t *testing.T, text, value string, ip bool) {
		p, err := parsePattern(text)
		if err != nil {
			return
		}
		if got := p.folder(Identifier{Value: value, IP: ip}); !strings.HasPrefix(got, "/") {
			t.Errorf("%q for %q is %q", text, value, got)
		}
		// Whatever the name is, a placeholder cannot lead out of its folder.
		inside, err := parsePattern("/inside/{zone}/{fqdn}/{host}")
		if err != nil {
			t.Fatal(err)
		}
		if got := inside.folder(Identifier{Value: value, IP: ip}); !strings.HasPrefix(got, "/inside/") {
			t.Errorf("%q leads to %q", value, got)
		}
	})
}
