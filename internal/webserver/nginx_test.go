package webserver

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// nginxFiles is a dump of these files, as `nginx -T` writes one.
func nginxFiles(files ...string) string {
	var b strings.Builder
	for i := 0; i+1 < len(files); i += 2 {
		fmt.Fprintf(&b, "# configuration file %s:\n%s\n", files[i], files[i+1])
	}
	return b.String()
}

func TestParseNginx(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, dump string
		want       []Host
	}{
		{"a name without TLS", nginxFiles("/e/nginx.conf", "events {}\nhttp {\n server { server_name A.example.test.; }\n}"), []Host{
			{Names: []string{"a.example.test"}, Addresses: []Address{{Port: 80}}, File: "/e/nginx.conf", Line: 3},
		}},
		{
			"included, inherited, relative",
			nginxFiles(
				"/e/nginx.conf", "http { ssl_certificate c.pem; ssl_certificate_key k.pem; # server { no; }\n include sites/*; include /none/*; }",
				"/e/sites/b", "\n\nserver { listen 443 ssl http2; listen [::]:443 ssl; server_name b.test *.b.test; }",
				"/e/sites/a", "server {\n include names; listen 127.0.0.1:8443 ssl proxy_protocol; ssl_certificate /x/r.pem; ssl_certificate_key /x/r.key; ssl_certificate $n.pem; ssl_certificate_key engine:k; }",
				"/e/names", "server_name a.test;",
			),
			[]Host{
				{
					Names: []string{"a.test"}, File: "/e/sites/a", Line: 1, Addresses: []Address{{Host: "127.0.0.1", Port: 8443, TLS: true, Proxy: true}},
					Pairs: []KeyFiles{{"/x/r.pem", "/x/r.key"}, {"$n.pem", "engine:k"}},
				},
				{
					Names: []string{"b.test", "*.b.test"}, File: "/e/sites/b", Line: 3, Addresses: []Address{{Port: 443, TLS: true}, {Host: "::", Port: 443, TLS: true}},
					Pairs: []KeyFiles{{"/e/c.pem", "/e/k.pem"}},
				},
			},
		},
		{"names of all kinds", nginxFiles("/n", `http { server { server_name .c.test "~^www\d+\.c\.test$" www.c.* _ "" localhost $hostname C.test; } }`), []Host{
			{Names: []string{"c.test", "*.c.test"}, Patterns: []string{`~^www\d+\.c\.test$`, "www.c.*", "localhost"}, Addresses: []Address{{Port: 80}}, File: "/n", Line: 1},
		}},
		{"what looks like syntax", nginxFiles("/n", `http { log_format x "{'};\"" '#'; map $a ${b} { default "server { }"; } ;
			server { location ~ "^/a{2,3}\{" { return 200 'a;b{'; } listen *:81; listen unix:/run/x ssl; }
			server { ssl on; content_by_lua_block { local t = { "}" } -- }
			} server_name d.test; } }`), []Host{
			{Names: nil, Addresses: []Address{{Port: 81}, {Host: "/run/x", TLS: true}}, File: "/n", Line: 2},
			{Names: []string{"d.test"}, Addresses: []Address{{Port: 80, TLS: true}}, File: "/n", Line: 3},
		}},
		{"ranges of ports", nginxFiles("/n", "http { server { listen 8000-8002; listen [::1]:81-82 ssl; listen a-1.test:80; listen 7-x; listen 5-70000; } }"), []Host{
			{Addresses: []Address{
				{Port: 8000},
				{Port: 8001},
				{Port: 8002},
				{Host: "::1", Port: 81, TLS: true},
				{Host: "::1", Port: 82, TLS: true},
				{Host: "a-1.test", Port: 80},
				{Host: "7-x", Port: 80},
				{Port: 5},
			}, File: "/n", Line: 1},
		}},
		{"Lua", nginxFiles("/n", "http { server { server_name a.test; content_by_lua_block {\n local a = [[it's } ]] local b = [==[ \"]]}]==] -- it's\n --[[ don't }\n]] if t[t[1]] then x = { '}', \"\\\"}\" } end\n--[=[\n' }]=]\n} }\nserver { server_name b.test; } }"), []Host{
			{Names: []string{"a.test"}, Addresses: []Address{{Port: 80}}, File: "/n", Line: 1},
			{Names: []string{"b.test"}, Addresses: []Address{{Port: 80}}, File: "/n", Line: 8},
		}},
		{"no web server", nginxFiles("/n", "stream { server { listen 443 ssl; } }"), nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := ParseNginx(test.dump)
			if err != nil {
				t.Fatal(err)
			}
			compareHosts(t, Nginx, got, test.want)
		})
	}
}

// compareHosts compares what is told of virtual hosts. Lists may be nil in want.
func compareHosts(t *testing.T, server string, got, want []Host) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d hosts, want %d: %+v", len(got), len(want), got)
	}
	for i := range got {
		have, expected := got[i], want[i]
		have.block, have.outer, have.again = nil, nil, nil
		expected.Server = server
		if expected.Names == nil {
			expected.Names = []string{}
		}
		if expected.Patterns == nil {
			expected.Patterns = []string{}
		}
		if expected.Pairs == nil {
			expected.Pairs = []KeyFiles{}
		}
		if !reflect.DeepEqual(have, expected) {
			t.Errorf("host %d:\n got %+v\nwant %+v", i, have, expected)
		}
	}
}

func TestParseNginxRefuses(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ dump, want string }{
		{"", "printed no configuration"},
		{nginxFiles("/n", "http {"), "a block has no end"},
		{nginxFiles("/n", "\nhttp { } }"), "/n:2: a } ends nothing"},
		{nginxFiles("/n", "\n\nhttp"), `the directive "http" has no end`},
		{nginxFiles("/n", "a 'b"), "a quotation has no end"},
		{nginxFiles("/n", "include n;"), "include each other"},
		{nginxFiles("/n", strings.Repeat("a{", 100)), "too deep"},
		{nginxFiles("/n", "x_by_lua_block { {"), "Lua has no end"},
	} {
		_, err := ParseNginx(strings.ReplaceAll(test.dump, "include n;", "include /n;"))
		if !errors.Is(err, ErrSyntax) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: %v, want %q", test.dump, err, test.want)
		}
	}
}

func FuzzParseNginx(f *testing.F) {
	for _, seed := range []string{
		nginxFiles("/e/nginx.conf", "http { include s/*; server { listen 443 ssl; server_name .a.test; ssl_certificate a; } }", "/e/s/x", "server { }"),
		nginxFiles("/n", `a "b\"" 'c' ${d} \e{ f_by_lua_block { -- } `),
		nginxFiles("/n", "include /n;include /n;"),
		"# configuration file /:\n# configuration file /a:",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, dump string) {
		hosts, err := ParseNginx(dump)
		if err != nil && !errors.Is(err, ErrSyntax) {
			t.Errorf("another kind of error: %v", err)
		}
		for _, h := range hosts {
			checkHost(t, h)
		}
	})
}

// checkHost holds of every host, however strange its configuration.
func checkHost(t *testing.T, h Host) {
	t.Helper()
	for _, name := range h.Names {
		if !isName(strings.TrimPrefix(name, "*.")) || !h.Has(name) {
			t.Errorf("%q is no name", name)
		}
	}
}
