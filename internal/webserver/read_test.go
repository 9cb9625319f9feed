package webserver

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/certkeep/certkeep/internal/command"
	"github.com/certkeep/certkeep/internal/servertest"
)

// TestReadNginx has nginx itself print files that include each other.
func TestReadNginx(t *testing.T) {
	dir := t.TempDir()
	w := servertest.NginxIn(t, dir)
	w.Shim(t, "nginx")
	t.Setenv("PATH", w.Bin()+":"+os.Getenv("PATH"))
	put(t, dir+"/sites/b.conf", "server {\n    listen 127.0.0.1:8080;\n    server_name b.test 'www.b.test';\n}")
	put(t, dir+"/sites/a.conf", "# the first\nserver { listen 127.0.0.1:8080 default_server; server_name a.test; include sites/a.inc; }\n")
	put(t, dir+"/sites/a.inc", `location ~ "^/a{2}" { return 200 "{\"a\": ${host}}"; }`)
	w.Configure(t, "include sites/*.conf;")
	hosts, err := Read(t.Context(), Nginx)
	if err != nil {
		t.Fatal(err)
	}
	listen := []Address{{Host: "127.0.0.1", Port: 8080}}
	compareHosts(t, Nginx, hosts, []Host{
		{Names: []string{"a.test"}, Addresses: listen, File: dir + "/sites/a.conf", Line: 2},
		{Names: []string{"b.test", "www.b.test"}, Addresses: listen, File: dir + "/sites/b.conf", Line: 1},
	})
	if got := len(all(hosts[0].block, "location")); got != 1 {
		t.Errorf("%d locations of the included file, want 1", got)
	}

	w.Configure(t, "nonsense on;")
	if _, err := Read(t.Context(), Nginx); !isCommandError(err) {
		t.Errorf("a configuration that is refused: %v", err)
	}
	w.Configure(t, "include "+dir+"/missing.conf;")
	readWithoutFiles(t, Nginx, w.Config)
}

// TestReadApache has Apache itself print its configuration, though it has not
// loaded mod_info.
func TestReadApache(t *testing.T) {
	dir := t.TempDir()
	w := servertest.ApacheIn(t, dir, "macro", "alias", "socache_shmcb", "ssl")
	w.Shim(t, "apache2ctl")
	t.Setenv("PATH", w.Bin()+":"+os.Getenv("PATH"))
	put(t, dir+"/names.inc", "ServerAlias *.a.test b.test")
	w.Configure(t, `
Listen 127.0.0.1:8080
<Macro site $name>
<VirtualHost 127.0.0.1:8080>
ServerName $name
</VirtualHost>
</Macro>
Use site m.test
Define YES
<IfDefine YES>
<VirtualHost *:8443>
	ServerName A.test
	Include names.inc
	SSLEngine on
	SSLCertificateFile a.pem
	SSLCertificateKeyFile "`+dir+`/a.key"
</VirtualHost>
</IfDefine>
<IfDefine NO>
<VirtualHost *:81>
</VirtualHost>
</IfDefine>
`)
	hosts, err := Read(t.Context(), Apache)
	if err != nil {
		t.Fatal(err)
	}
	line := hosts[1].Line
	compareHosts(t, Apache, hosts, []Host{
		{Names: []string{"m.test"}, Addresses: []Address{{Host: "127.0.0.1", Port: 8080}}, File: "macro 'site'", Line: 1},
		{
			Names: []string{"a.test", "*.a.test", "b.test"}, Addresses: []Address{{Port: 8443, TLS: true}},
			Pairs: []KeyFiles{{dir + "/a.pem", dir + "/a.key"}}, File: w.Config, Line: line,
		},
	})

	w.Configure(t, "Nonsense on\n")
	if _, err := Read(t.Context(), Apache); !isCommandError(err) {
		t.Errorf("a configuration that is refused: %v", err)
	}
	w.Configure(t, "Include "+dir+"/missing.conf\n")
	readWithoutFiles(t, Apache, w.Config)
}

// readWithoutFiles has a server miss a file that its configuration includes,
// and then all of its configuration.
func readWithoutFiles(t *testing.T, server, config string) {
	t.Helper()
	if _, err := Read(t.Context(), server); !isCommandError(err) || errors.Is(err, ErrNotSetUp) {
		t.Errorf("a file that is missed: %v", err)
	}
	if err := os.Remove(config); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(t.Context(), server); !errors.Is(err, ErrNotSetUp) || !strings.Contains(err.Error(), config) {
		t.Errorf("no configuration: %v", err)
	}
}

func TestReadWithoutServer(t *testing.T) {
	if _, err := Read(t.Context(), "iis"); err == nil {
		t.Error("an unknown server was read")
	}
}

func isCommandError(err error) bool {
	_, ok := errors.AsType[*command.Error](err)
	return ok
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
