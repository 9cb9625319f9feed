package deploy

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/keys"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/servertest"
	"github.com/certkeep/certkeep/internal/service"
)

// contains is for servertest's Ready: the server printed a text.
func contains(p *servertest.Process, text string) func(context.Context) error {
	return func(context.Context) error {
		if !strings.Contains(p.Output(), text) {
			return fmt.Errorf("it has not printed %q", text)
		}
		return nil
	}
}

// presents is for servertest's Ready: a handshake shows the leaf of a pair.
func presents(address, name string, p Pair) func(context.Context) error {
	return func(ctx context.Context) error {
		leaf, err := leafAt(ctx, address, name, p.KeyType)
		if err != nil {
			return err
		}
		block, _ := pem.Decode(p.Leaf)
		if want, err := x509.ParseCertificate(block.Bytes); err != nil || !leaf.Equal(want) {
			return errors.Join(err, fmt.Errorf("%s presents serial %v", address, leaf.SerialNumber))
		}
		return nil
	}
}

// leafAt is the certificate that a server presents for a name and kind of key.
func leafAt(ctx context.Context, address, name, keyType string) (*x509.Certificate, error) {
	suite := tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
	if strings.HasPrefix(keyType, "rsa") {
		suite = tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
	}
	dialer := tls.Dialer{
		NetDialer: &net.Dialer{Timeout: 5 * time.Second},
		Config: &tls.Config{
			ServerName: name, InsecureSkipVerify: true, // what is presented is compared, not trusted
			MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{suite},
		},
	}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return conn.(*tls.Conn).ConnectionState().PeerCertificates[0], nil
}

// nginx is a real nginx with a host for each of some names.
type nginx struct {
	dir, config, address string
	program              string
}

func newNginx(t *testing.T, targets map[string]Target) *nginx {
	t.Helper()
	n := &nginx{dir: t.TempDir(), program: servertest.Find(t, "nginx"), address: servertest.FreeAddress(t)}
	n.config = n.dir + "/nginx.conf"
	user := ""
	if os.Geteuid() == 0 {
		user = "user root;" // the test's folders are 0700
	}
	text := fmt.Sprintf("daemon off; worker_processes 1; pid %[1]s/pid; error_log %[1]s/error.log; %[2]s\nevents { worker_connections 64; }\n"+
		"http { access_log off; client_body_temp_path %[1]s/b; proxy_temp_path %[1]s/p; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;\n", n.dir, user)
	for name, target := range targets {
		text += fmt.Sprintf("server { listen %s ssl; server_name %s; ssl_certificate %[3]s/fullchain.pem; ssl_certificate_key %[3]s/privkey.pem; }\n", n.address, name, target.Lineage())
	}
	n.write(t, text+"}\n")
	return n
}

func (n *nginx) write(t *testing.T, text string) {
	t.Helper()
	if err := os.WriteFile(n.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (n *nginx) args(more ...string) []string {
	return append([]string{n.program, "-e", n.dir + "/error.log", "-p", n.dir, "-c", n.config}, more...)
}

func (n *nginx) service() service.Service {
	return service.Service{Name: "nginx", Check: argv(n.args("-t", "-q")...), Reload: argv(n.args("-s", "reload")...)}
}

func (n *nginx) start(t *testing.T) *servertest.Process {
	t.Helper()
	args := n.args()
	p := servertest.Start(t, syscall.SIGTERM, args[0], args[1:]...)
	p.Ready(t, n.dir+"/error.log", servertest.Accepts(n.address))
	return p
}

// From nothing to a placeholder, the first version, and the next one.
func TestNginxFromPlaceholderToRenewal(t *testing.T) {
	dir := t.TempDir()
	d := New(Options{State: dir + "/state", Disk: durable.NoSync{}, SystemdDir: dir + "/none"})
	target := Target{Cert: "a", Name: "default", Base: dir + "/etc", KeyTypes: []string{p256}}
	n := newNginx(t, map[string]Target{"a.test": target})
	target.Services = []service.Service{n.service()}

	if vacant, err := Vacant(target); err != nil || !vacant {
		t.Fatalf("Vacant() = %v, %v where nothing is", vacant, err)
	}
	spare, err := PlaceholderFor(target, []string{"a.test"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	deploy := func(c Content) Result { return d.Batch(t.Context(), []Job{{Target: target, Content: c}})[0] }
	// nginx refuses its configuration until the files are there, and does not run yet.
	if r := deploy(spare); r.Fault != nil || !r.Written || len(r.Stopped) != 1 || len(r.Reloaded) != 0 {
		t.Fatalf("placeholder: %+v, %+v", r, r.Fault)
	}
	if vacant, _ := Vacant(target); vacant {
		t.Error("vacant with a placeholder in place")
	}
	if _, ok, why := Found(target, []string{"a.test"}, time.Now()); ok || !strings.Contains(why, "placeholder") {
		t.Errorf("the placeholder may be adopted: %v, %q", ok, why)
	}
	p := n.start(t)
	p.Ready(t, "", presents(n.address, "a.test", spare.Pairs[0]))

	ca := newCA(t, "ca")
	for _, version := range []string{"v1", "v2"} {
		c := ca.content(t, version, "a.test")
		if r := deploy(c); r.Fault != nil || len(r.Reloaded) != 1 {
			t.Fatalf("%s: %+v, %+v", version, r, r.Fault)
		}
		p.Ready(t, n.dir+"/error.log", presents(n.address, "a.test", c.Pairs[0]))
		again := d.Batch(t.Context(), []Job{{Target: target, Content: c, Told: true}})[0]
		if again.Fault != nil || again.Changed || len(again.Reloaded) != 0 {
			t.Errorf("%s again: %+v", version, again)
		}
		if r := deploy(c); r.Fault != nil || r.Changed || len(r.Reloaded) != 1 {
			t.Errorf("%s, with services that may not know: %+v", version, r)
		}
	}
}

// A configuration that is broken already keeps everything as it is.
func TestNginxBrokenBefore(t *testing.T) {
	dir := t.TempDir()
	d := New(Options{State: dir + "/state", Disk: durable.NoSync{}, SystemdDir: dir + "/none"})
	target := Target{Cert: "a", Name: "default", Base: dir + "/etc", KeyTypes: []string{p256}}
	n := newNginx(t, map[string]Target{"a.test": target})
	ca := newCA(t, "ca")
	v1, v2 := ca.content(t, "v1", "a.test"), ca.content(t, "v2", "a.test")
	mustPut(t, d, target, v1)
	p := n.start(t)
	target.Services = []service.Service{n.service()}
	n.write(t, "http { oops")
	before := tree(t, dir)
	r := d.Batch(t.Context(), []Job{{Target: target, Content: v2}})[0]
	if r.Fault == nil || r.Fault.Code != plan.CodeServiceCheck || r.Written || r.Changed || r.RolledBack {
		t.Fatalf("result %+v, %+v", r, r.Fault)
	}
	if !strings.Contains(strings.Join(r.Fault.Detail, "\n"), "nginx.conf") || !strings.Contains(r.Fault.Words, "nothing was written") {
		t.Errorf("the fault is %+v: it should have nginx's own words", r.Fault)
	}
	if after := tree(t, dir); strings.Join(before, "\n") != strings.Join(after, "\n") {
		t.Errorf("something was written")
	}
	p.Ready(t, "", presents(n.address, "a.test", v1.Pairs[0]))
}

// One certificate that nginx will not take is put back, and blocks no other.
func TestNginxOneBadAmongMany(t *testing.T) {
	dir := t.TempDir()
	d := New(Options{State: dir + "/state", Disk: durable.NoSync{}, SystemdDir: dir + "/none"})
	targets := map[string]Target{}
	names := []string{"a.test", "b.test", "c.test", "d.test", "e.test"}
	for _, name := range names {
		targets[name] = Target{Cert: name, Name: "default", Base: dir + "/etc"}
	}
	n := newNginx(t, targets)
	ca := newCA(t, "ca")
	old, fresh := map[string]Content{}, map[string]Content{}
	var jobs []Job
	for _, name := range names {
		old[name], fresh[name] = ca.content(t, "v1", name), ca.content(t, "v2", name)
		mustPut(t, d, targets[name], old[name])
		if name == "b.test" {
			fresh[name] = tooShort(t, ca, "v2", name)
		}
		target := targets[name]
		target.Services = []service.Service{n.service()}
		jobs = append(jobs, Job{Target: target, Content: fresh[name]})
	}
	p := n.start(t)
	results := d.Batch(t.Context(), jobs)
	for i, name := range names {
		r, want := results[i], fresh[name]
		if name == "b.test" {
			want = old[name]
			if r.Fault == nil || r.Fault.Code != plan.CodeRolledBack || !r.RolledBack || r.Written {
				t.Errorf("%s: %+v, %+v", name, r, r.Fault)
			}
			if !strings.Contains(strings.Join(r.Fault.Detail, " "), "too small") {
				t.Errorf("the fault lacks nginx's words: %+v", r.Fault)
			}
		} else if r.Fault != nil || !r.Written || len(r.Reloaded) != 1 {
			t.Errorf("%s: %+v, %+v", name, r, r.Fault)
		}
		p.Ready(t, n.dir+"/error.log", presents(n.address, name, want.Pairs[0]))
	}
}

// tooShort is a content whose key OpenSSL takes for too weak to serve.
func tooShort(t *testing.T, ca *testCA, version, name string) Content {
	t.Helper()
	key, err := shortRSA()
	if err != nil {
		t.Fatal(err)
	}
	return Content{Version: version, Pairs: []Pair{ca.pairFor(t, string(keys.RSA2048), key, &x509.Certificate{DNSNames: []string{name}})}}
}

// Apache says "Syntax OK" to a key that does not belong to its certificate,
// and ends itself at the reload. We do not let it come to that.
func TestApacheNeverGetsAMismatch(t *testing.T) {
	program := servertest.Find(t, "apache2")
	dir := t.TempDir()
	d := New(Options{State: dir + "/state", Disk: durable.NoSync{}, SystemdDir: dir + "/none"})
	target := Target{Cert: "a", Name: "default", Base: dir + "/etc"}
	address := servertest.FreeAddress(t)
	modules := "/usr/lib/apache2/modules"
	config := fmt.Sprintf(`ServerRoot %[1]s
PidFile %[1]s/pid
DefaultRuntimeDir %[1]s
Mutex file:%[1]s default
ErrorLog %[1]s/error.log
ServerName localhost
Listen %[2]s
LoadModule mpm_event_module %[3]s/mod_mpm_event.so
LoadModule authz_core_module %[3]s/mod_authz_core.so
LoadModule ssl_module %[3]s/mod_ssl.so
StartServers 1
ServerLimit 2
ThreadsPerChild 4
ThreadLimit 4
MaxRequestWorkers 8
SSLSessionCache none
<VirtualHost %[2]s>
SSLEngine on
SSLCertificateFile %[4]s/fullchain.pem
SSLCertificateKeyFile %[4]s/privkey.pem
</VirtualHost>
`, dir, address, modules, target.Lineage())
	if os.Geteuid() == 0 {
		config += "User nobody\nGroup nogroup\n"
	}
	if err := os.WriteFile(dir+"/httpd.conf", []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	ca := newCA(t, "ca")
	v1, v2 := ca.content(t, "v1", "a.test"), ca.content(t, "v2", "a.test")
	mustPut(t, d, target, v1)
	p := servertest.Start(t, syscall.SIGTERM, program, "-f", dir+"/httpd.conf", "-DFOREGROUND")
	p.Ready(t, dir+"/error.log", presents(address, "a.test", v1.Pairs[0]))
	apache := service.Service{
		Name: "apache", PIDFiles: []string{dir + "/pid"},
		Check: argv(program, "-f", dir+"/httpd.conf", "-t"), Reload: []service.Action{{Signal: "USR1", PIDFile: dir + "/pid"}},
	}
	target.Services = []service.Service{apache}

	mixed := Content{Version: "mixed", Pairs: []Pair{{KeyType: p256, Key: v1.Pairs[0].Key, Leaf: v2.Pairs[0].Leaf, Rest: v2.Pairs[0].Rest}}}
	if r := d.Batch(t.Context(), []Job{{Target: target, Content: mixed}})[0]; r.Fault == nil || r.Written || len(r.Reloaded) != 0 {
		t.Fatalf("a mismatch: %+v", r)
	}
	if err := d.CheckService(t.Context(), apache); err != nil {
		t.Fatal(err)
	}
	if r := d.Batch(t.Context(), []Job{{Target: target, Content: v2}})[0]; r.Fault != nil || len(r.Reloaded) != 1 {
		t.Fatalf("v2: %+v, %+v", r, r.Fault)
	}
	p.Ready(t, dir+"/error.log", presents(address, "a.test", v2.Pairs[0]))
}

// HAProxy reads one combined file for each kind of key.
func TestHAProxyBundle(t *testing.T) {
	program := servertest.Find(t, "haproxy")
	dir := t.TempDir()
	d := New(Options{State: dir + "/state", Disk: durable.NoSync{}, SystemdDir: dir + "/none"})
	target := Target{Cert: "site", Name: "default", Layout: LayoutHAProxy, Base: dir + "/etc", KeyTypes: []string{p256, rsa2}}
	address := servertest.FreeAddress(t)
	config := fmt.Sprintf("global\n nbthread 1\n maxconn 50\ndefaults\n mode http\n timeout connect 1s\n timeout client 5s\n timeout server 5s\n"+
		"frontend f\n bind %s ssl crt %s/etc/site.pem\n http-request return status 200\n", address, dir)
	if err := os.WriteFile(dir+"/haproxy.cfg", []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	ca := newCA(t, "ca")
	version := func(name string) Content {
		return Content{Version: name, Pairs: []Pair{ca.pair(t, p256, "a.test"), ca.pair(t, rsa2, "a.test")}}
	}
	v1, v2 := version("v1"), version("v2")
	mustPut(t, d, target, v1)
	p := servertest.Start(t, syscall.SIGTERM, program, "-W", "-p", dir+"/pid", "-f", dir+"/haproxy.cfg")
	for _, pair := range v1.Pairs {
		p.Ready(t, "", presents(address, "a.test", pair))
	}
	target.Services = []service.Service{{
		Name: "haproxy", Check: argv(program, "-c", "-q", "-f", dir+"/haproxy.cfg"), Reload: []service.Action{{Signal: "USR2", PIDFile: dir + "/pid"}},
	}}
	if r := d.Batch(t.Context(), []Job{{Target: target, Content: v2}})[0]; r.Fault != nil {
		t.Fatalf("v2: %+v", r.Fault)
	}
	for _, pair := range v2.Pairs {
		p.Ready(t, "", presents(address, "a.test", pair))
	}
}
