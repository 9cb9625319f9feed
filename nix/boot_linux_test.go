package nix

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/boottest"
	"github.com/certkeep/certkeep/internal/servertest"
)

// TestBoot has a real systemd run the units of a virtual host, with all that
// confines them, and with secrets of one name missing: nginx starts on a placeholder before Certkeep runs, answers
// the CA, and presents what it issued; postRun has the rights of root. NixOS
// is not what runs around it: folders, /etc and nginx's unit are made here, as
// the module says.
func TestBoot(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.container(t)

	h.await(t, func(context.Context) error { return h.presents("Certkeep placeholder") })
	if _, err := os.Stat(h.inside("ran")); err == nil {
		t.Error("postRun ran for a placeholder")
	}
	h.write(t, "go", "")
	h.await(t, func(context.Context) error { return h.presents("Pebble") })
	h.await(t, func(context.Context) error {
		said, err := os.ReadFile(h.inside("ran"))
		if err == nil && !strings.HasSuffix(string(said), "end\n") {
			err = errors.New("postRun is not over")
		}
		return err
	})
	if said := read(t, h.inside("ran")); !strings.Contains(said, "uid 0\n") || !strings.Contains(said, "/etc can be written\n") || !strings.Contains(said, "lineage /var/lib/certkeep-certs/www.example.test\n") || !strings.Contains(said, "path /certkeep/programs/coreutils/bin:") {
		t.Errorf("postRun:\n%s", said)
	}
	h.redirects(t)
	h.await(t, func(context.Context) error { _, err := os.ReadFile(h.inside("recorded")); return err })
	if told := read(t, h.inside("recorded")); !strings.HasPrefix(told, "add _acme-challenge.dns.example.test eu west s3cret\n") {
		t.Errorf("the program that writes records was told %q", told)
	}
	h.await(t, func(context.Context) error { _, err := os.Stat(h.inside("finished")); return err })
	want(t, "modes, as the documentation says", read(t, h.inside("modes")), modes)
	h.write(t, "stop", "")
	h.await(t, func(context.Context) error { _, err := os.ReadFile(h.inside("status")); return err })
	if status := read(t, h.inside("status")); !strings.Contains(status, "www.example.test  ok") || !strings.Contains(status, "verified") {
		t.Errorf("certkeep status:\n%s", status)
	}
}

// modes of the files, once certkeep-finished@ is reached.
const modes = `755 root:root /var/lib/certkeep-certs/www.example.test
644 root:www-data /var/lib/certkeep-certs/www.example.test/cert.pem
644 root:www-data /var/lib/certkeep-certs/www.example.test/chain.pem
640 root:www-data /var/lib/certkeep-certs/www.example.test/full.pem
644 root:www-data /var/lib/certkeep-certs/www.example.test/fullchain.pem
640 root:www-data /var/lib/certkeep-certs/www.example.test/key.pem
`

// host is a machine in a container, which shares the network of the test.
type host struct {
	machine
	system  system
	systemd *servertest.Process
	http    int    // nginx's port for HTTP
	tls     string // its address for HTTPS
}

// inside is the file that the container sees as /certkeep/NAME.
func (h *host) inside(name string) string { return filepath.Join(h.dir, "share", name) }

func (h *host) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(h.inside(name), []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
}

// newHost starts the CA, and evaluates the module for a virtual host.
func newHost(t *testing.T) *host {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: starts a container")
	}
	servertest.Find(t, "nginx")
	ca := acmetest.Start(t, acmetest.Options{})
	h := &host{machine: newMachine(t), http: ca.HTTPPort(), tls: servertest.FreeAddress(t)}
	if err := os.Mkdir(filepath.Join(h.dir, "share"), 0o755); err != nil {
		t.Fatal(err)
	}
	h.write(t, "record", "#!/bin/sh\necho $CERTKEEP_DNS_ACTION $CERTKEEP_DNS_NAME $REGION $(cat $TOKEN_FILE) >> /certkeep/recorded\nexit 1\n")
	h.write(t, "roots.pem", string(ca.RootPEM()))
	_, port, _ := strings.Cut(h.tls, ":")
	err := h.try(t, callWith("/certkeep/programs", `{
		services.nginx = { enable = true; user = "www-data"; group = "www-data"; virtualHosts."www.example.test".serverAliases = [ "example.test" ]; };
		services.certkeep = {
			enable = true;
			acceptTerms = true;
			readWritePaths = [ "/certkeep" ];
			defaults.server = "pebble";
			defaults.postRun = "touch /etc/written; { echo uid $(id -u); test -e /etc/written && echo /etc can be written; echo lineage $RENEWED_LINEAGE; echo path $PATH; echo end; } > /certkeep/ran";
			nginx."www.example.test".forceSSL = true;
			certs."dns.example.test" = {
				dnsProvider = "command";
				dnsCommand = "/certkeep/record";
				dnsResolver = "`+ca.DNSAddr()+`";
				credentialFiles.TOKEN_FILE = "/etc/test/token";
				environmentFile = "/etc/test/environment";
				postRun = "";
			};
			certs."locked.example.test" = {
				dnsProvider = "rfc2136";
				credentialFiles.RFC2136_TSIG_FILE = "/etc/test/nowhere";
				environmentFile = "/etc/test/nowhere";
				postRun = "";
			};
			environmentFile = "/etc/test/nowhere";
			settings = {
				listen.status = false;
				dns."cert-dns.example.test".zones = [ "example.test" ];
				issuers.pebble = { directory = "`+ca.DirectoryURL()+`"; roots_file = "/certkeep/roots.pem"; };
				services.nginx.verify = [ `+port+` ];
			};
		};
	}`, "broken file units targets tmpfiles nginx httpd certs"), &h.system)
	if err != nil {
		t.Fatal(err)
	}
	want(t, "broken assertions", h.system.Broken, []string{})
	h.install(t)
	return h
}

// install puts programs where the units name them: Certkeep, and what Debian has.
func (h *host) install(t *testing.T) {
	t.Helper()
	for name, target := range map[string]string{"systemd/bin/systemctl": "systemctl", "systemd/bin/systemd-run": "systemd-run", "coreutils/bin/kill": "kill", "coreutils/bin/id": "id", "coreutils/bin/touch": "touch"} {
		path := h.inside("programs/" + name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.Symlink(servertest.Find(t, target), path)); err != nil {
			t.Fatal(err)
		}
	}
	for _, dir := range []string{"../cmd", "../internal"} { // go sees that we depend on what is built
		if err := filepath.WalkDir(dir, func(_ string, _ fs.DirEntry, err error) error { return err }); err != nil {
			t.Fatal(err)
		}
	}
	build := exec.Command("go", "build", "-o", h.inside("programs/certkeep/bin/certkeep"), "./cmd/certkeep")
	build.Dir, build.Env = "..", append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build certkeep: %v\n%s", err, out)
	}
	h.executable(t)
}

// container boots systemd, with what the module says in the places where NixOS
// has it.
func (h *host) container(t *testing.T) {
	t.Helper()
	m := boottest.Machine{
		Files: map[string]string{
			"/etc/test/nginx.conf": h.nginx(), "/etc/systemd/system/nginx.service": nginxUnit,
			"/etc/test/token": "s3cret\n", "/etc/test/environment": "REGION='eu west'\n",
		},
		Links:  map[string]string{"/etc/certkeep/certkeep.json": h.system.File},
		Remove: []string{"/etc/certkeep"},
		Binds:  map[string]string{"/certkeep": filepath.Join(h.dir, "share"), "/nix": h.made("/nix")},
		Script: script,
	}
	for name, u := range h.system.Units {
		m.Files["/etc/systemd/system/"+name+".service"] = u.text()
		for _, wanting := range u.WantedBy {
			m.Links["/etc/systemd/system/"+wanting+".wants/"+name+".service"] = "../" + name + ".service"
		}
	}
	for name, target := range h.system.Targets {
		m.Files["/etc/systemd/system/"+name+".target"] = target.text()
	}
	rules := ""
	for path, rule := range h.system.Tmpfile["10-certkeep"] {
		d := rule["d"] // "-" is what is not said
		rules += fmt.Sprintf("d %s %s %s %s\n", path, cmp.Or(d.Mode, "-"), cmp.Or(d.User, "-"), cmp.Or(d.Group, "-"))
	}
	m.Files["/etc/tmpfiles.d/10-certkeep.conf"] = rules
	h.systemd = boottest.Boot(t, m)
}

// script runs in the container, and is told by files how far the test is.
const script = `
journalctl -f -o cat -u certkeep -u certkeep-setup -u nginx > /certkeep/journal &
systemctl start nginx
until test -e /certkeep/go; do sleep 0.05; done
systemctl start --no-block certkeep
systemctl start certkeep-finished@www.example.test.target || exit 1
stat -L -c '%a %U:%G %n' /var/lib/certkeep-certs/www.example.test /var/lib/certkeep-certs/www.example.test/*.pem > /certkeep/modes && echo in place > /certkeep/finished
until test -e /certkeep/stop; do sleep 0.05; done
until /certkeep/programs/certkeep/bin/certkeep status | grep -q 'dns.cert-locked.example.test cannot be used'; do sleep 0.1; done
/certkeep/programs/certkeep/bin/certkeep status > /certkeep/status.new 2>&1
mv /certkeep/status.new /certkeep/status
`

// nginxUnit is confined as that of NixOS is, which does not start as root.
const nginxUnit = `[Service]
ExecStartPre=/usr/sbin/nginx -e stderr -c /etc/test/nginx.conf -t
ExecStart=/usr/sbin/nginx -e stderr -c /etc/test/nginx.conf
ExecReload=/usr/sbin/nginx -e stderr -c /etc/test/nginx.conf -t
ExecReload=/bin/kill -HUP $MAINPID
User=www-data
Group=www-data
RuntimeDirectory=nginx
AmbientCapabilities=CAP_NET_BIND_SERVICE
CapabilityBoundingSet=CAP_NET_BIND_SERVICE
ProtectSystem=strict
`

// nginx is the configuration that NixOS makes of virtual hosts.
func (h *host) nginx() string {
	var b strings.Builder
	b.WriteString("daemon off; pid /run/nginx/pid; error_log stderr; events {}\nhttp {\naccess_log off;\n")
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		fmt.Fprintf(&b, "%s_temp_path /run/nginx/%s;\n", kind, kind)
	}
	for name, v := range h.system.Nginx {
		if v.ServerName == "" {
			v.ServerName = name
		}
		fmt.Fprintf(&b, "server {\nserver_name %s;\n", strings.Join(slices.Concat([]string{v.ServerName}, v.ServerAliases), " "))
		if v.OnlySSL {
			fmt.Fprintf(&b, "listen %s ssl;\nssl_certificate %s;\nssl_certificate_key %s;\nssl_trusted_certificate %s;\n", h.tls, v.SSLCertificate, v.SSLCertificateKey, v.SSLTrustedCertificate)
		} else {
			fmt.Fprintf(&b, "listen 127.0.0.1:%d;\n", h.http)
		}
		for path, l := range v.Locations {
			fmt.Fprintf(&b, "location %s {\n%s", path, l.ExtraConfig)
			if l.Root != "" {
				fmt.Fprintf(&b, "root %s;\n", l.Root)
			}
			if l.Return != "" {
				fmt.Fprintf(&b, "return %s;\n", l.Return)
			}
			b.WriteString("}\n")
		}
		b.WriteString("}\n")
	}
	return b.String() + "}\n"
}

// await waits until try succeeds, while the container runs.
func (h *host) await(t *testing.T, try func(context.Context) error) {
	t.Helper()
	h.systemd.Ready(t, h.inside("journal"), try)
}

// presents is nil once nginx presents a certificate of that issuer.
func (h *host) presents(issuer string) error {
	conn, err := tls.Dial("tcp", h.tls, &tls.Config{ServerName: "www.example.test", InsecureSkipVerify: true})
	if err != nil {
		return err
	}
	defer conn.Close() // nothing was written
	if got := conn.ConnectionState().PeerCertificates[0].Issuer.String(); !strings.Contains(got, issuer) {
		return fmt.Errorf("%s is presented, not one of %s", got, issuer)
	}
	return nil
}

// redirects looks whether HTTP sends visitors to HTTPS.
func (h *host) redirects(t *testing.T) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+net.JoinHostPort("127.0.0.1", strconv.Itoa(h.http))+"/page?x=1", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Host = "example.test"
	answer, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close() // it is not read
	want(t, "redirect", []any{answer.StatusCode, answer.Header.Get("Location")}, []any{301, "https://example.test/page?x=1"})
}
