package hpkp_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/certkeep/certkeep/internal/hpkp"
	"github.com/certkeep/certkeep/internal/servertest"
)

// served is the header that reaches a browser.
const served = `pin-sha256="` + pin0 + `"; pin-sha256="` + pin1 + `"; max-age=5184000; includeSubdomains; report-uri="https://example.com/hpkp";`

// writeFile writes the file for a server, and returns its path.
func writeFile(t *testing.T, dir, server string) string {
	t.Helper()
	policy := hpkp.Policy{Pins: []string{pin0, pin1}, Days: 60, Subdomains: true, ReportURI: "https://example.com/hpkp"}
	header, err := policy.Header()
	if err != nil {
		t.Fatal(err)
	}
	format, err := hpkp.Parse(hpkp.Formats()[server])
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "example.com."+server)
	if err := os.WriteFile(path, []byte(format.File(hpkp.Fields{Header: header, Server: server, Name: "example.com"})), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// compare asks a server for a page that does not exist, and looks at the header.
func compare(t *testing.T, address string) {
	t.Helper()
	resp, err := http.Get("http://" + address + "/none")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if got := resp.Header.Values("Public-Key-Pins"); len(got) != 1 || got[0] != served {
		t.Errorf("served: %q\nwant:   %q", got, served)
	}
}

func TestNginx(t *testing.T) {
	address := servertest.FreeAddress(t)
	servertest.Nginx(t, address, fmt.Sprintf("server { listen %s; include %s; }", address, writeFile(t, t.TempDir(), "nginx")))
	compare(t, address)
}

func TestApache(t *testing.T) {
	program := servertest.Find(t, "apache2")
	dir, address := t.TempDir(), servertest.FreeAddress(t)
	const modules = "/usr/lib/apache2/modules"
	config := fmt.Sprintf(`ServerRoot %[1]s
PidFile %[1]s/pid
DefaultRuntimeDir %[1]s
ErrorLog %[1]s/error.log
ServerName localhost
Listen %[2]s
Mutex file:%[1]s default
StartServers 1
ServerLimit 2
ThreadsPerChild 4
ThreadLimit 4
MaxRequestWorkers 8
LoadModule mpm_event_module %[3]s/mod_mpm_event.so
LoadModule authz_core_module %[3]s/mod_authz_core.so
LoadModule headers_module %[3]s/mod_headers.so
Include %[4]s
`, dir, address, modules, writeFile(t, dir, "apache"))
	if os.Geteuid() == 0 {
		config += "User nobody\nGroup nogroup\n"
	}
	path := filepath.Join(dir, "httpd.conf")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	server := servertest.Start(t, syscall.SIGTERM, program, "-f", path, "-DFOREGROUND")
	server.Ready(t, filepath.Join(dir, "error.log"), servertest.Accepts(address))
	compare(t, address)
}
