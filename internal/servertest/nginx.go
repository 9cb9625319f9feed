package servertest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Nginx starts nginx with servers, the text of the server blocks of its
// configuration, and waits until it accepts connections at address. Its
// workers run as the user of the test.
func Nginx(t testing.TB, address, servers string) *Process {
	t.Helper()
	program := Find(t, "nginx")
	dir := t.TempDir()
	config, log := filepath.Join(dir, "nginx.conf"), filepath.Join(dir, "error.log")
	user := ""
	if os.Geteuid() == 0 {
		user = "user root;" // temporary folders are 0700
	}
	text := fmt.Sprintf(`daemon off; worker_processes 1; %[2]s
pid %[1]s/nginx.pid; error_log %[1]s/error.log notice;
events { worker_connections 64; }
http {
	access_log off;
	client_body_temp_path %[1]s/b; proxy_temp_path %[1]s/p; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
	%[3]s
}
`, dir, user, servers)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p := Start(t, syscall.SIGTERM, program, "-e", log, "-p", dir, "-c", config)
	p.Ready(t, log, Accepts(address))
	return p
}

// OneWorker waits until the workers that nginx had before it read its files
// again are gone. Until then they may take a connection that the new ones could
// have had.
func (p *Process) OneWorker(t testing.TB) {
	t.Helper()
	p.Ready(t, "", func(context.Context) error {
		children, err := os.ReadFile(fmt.Sprintf("/proc/%[1]d/task/%[1]d/children", p.PID))
		if n := len(strings.Fields(string(children))); err == nil && n != 1 {
			err = fmt.Errorf("nginx has %d workers", n)
		}
		return err
	})
}
