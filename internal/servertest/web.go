package servertest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// WebServer is nginx or Apache with a configuration in a folder of the test's.
type WebServer struct {
	Config string // the file
	Log    string // with errors
	run    []string
	stay   []string // arguments that keep it in the foreground
	dir    string
	head   string
	tail   string
}

// NginxIn prepares nginx in dir; Configure is to follow.
func NginxIn(t testing.TB, dir string) *WebServer {
	t.Helper()
	user := ""
	if os.Geteuid() == 0 {
		user = "user root;" // temporary folders are 0700
	}
	w := &WebServer{Config: filepath.Join(dir, "nginx.conf"), Log: filepath.Join(dir, "error.log"), dir: dir, stay: []string{"-g", "daemon off;"}}
	w.run = []string{Find(t, "nginx"), "-e", w.Log, "-p", dir, "-c", w.Config}
	w.head = fmt.Sprintf(`worker_processes 1; %[2]s
pid %[1]s/nginx.pid; error_log %[1]s/error.log notice;
events { worker_connections 64; }
http {
access_log off;
client_body_temp_path %[1]s/b; proxy_temp_path %[1]s/p; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
`, dir, user)
	w.tail = "\n}\n"
	return w
}

// ApacheIn prepares Apache in dir, with the modules that are named and those
// that it cannot do without; Configure is to follow.
func ApacheIn(t testing.TB, dir string, modules ...string) *WebServer {
	t.Helper()
	w := &WebServer{Config: filepath.Join(dir, "httpd.conf"), Log: filepath.Join(dir, "error.log"), dir: dir, stay: []string{"-DFOREGROUND"}}
	w.run = []string{Find(t, "apache2"), "-f", w.Config}
	var b strings.Builder
	fmt.Fprintf(&b, `ServerRoot %[1]s
PidFile %[1]s/pid
DefaultRuntimeDir %[1]s
Mutex file:%[1]s default
ErrorLog %[1]s/error.log
ServerName localhost
`, dir)
	for _, module := range append([]string{"mpm_event", "authz_core"}, modules...) {
		fmt.Fprintf(&b, "LoadModule %[1]s_module /usr/lib/apache2/modules/mod_%[1]s.so\n", module)
	}
	b.WriteString("StartServers 1\nServerLimit 2\nThreadsPerChild 4\nThreadLimit 4\nMaxRequestWorkers 8\n")
	if os.Geteuid() == 0 {
		b.WriteString("User nobody\nGroup nogroup\n")
	}
	w.head = b.String()
	return w
}

// Configure writes the configuration: what stands in nginx's http block, or at
// the end of Apache's file.
func (w *WebServer) Configure(t testing.TB, text string) {
	t.Helper()
	if err := os.WriteFile(w.Config, []byte(w.head+text+w.tail), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Start starts the server, and waits until somebody listens at address.
func (w *WebServer) Start(t testing.TB, address string) *Process {
	t.Helper()
	args := append(append([]string{}, w.run...), w.stay...)
	p := Start(t, syscall.SIGTERM, args[0], args[1:]...)
	p.Ready(t, w.Log, Accepts(address))
	return p
}

// Shim writes a program of that name into Bin that runs the server's own with
// this configuration: what an administrator calls.
func (w *WebServer) Shim(t testing.TB, name string) {
	t.Helper()
	script := write(t, filepath.Join(w.dir, "bin"), name, "#!/bin/sh\nexec '"+strings.Join(w.run, "' '")+"' \"$@\"\n")
	if err := os.Chmod(script, 0o755); err != nil {
		t.Fatal(err)
	}
}

// Bin is the folder of Shim's programs, for PATH.
func (w *WebServer) Bin() string { return filepath.Join(w.dir, "bin") }
