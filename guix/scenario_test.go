package guix

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/servertest"
)

// machine is a Guix system in a folder, as far as that goes: the program, a CA,
// and nginx with the servers that the service gives it.
type machine struct {
	*testing.T
	dir     string
	program string
	ca      *acmetest.CA
	tls     string // address at which nginx speaks TLS
}

func newMachine(t *testing.T) machine {
	t.Helper()
	m := machine{T: t, dir: t.TempDir(), tls: servertest.FreeAddress(t)}
	m.build()
	m.ca = acmetest.Start(t, acmetest.Options{})
	m.write("ca.pem", string(m.ca.RootPEM()))
	return m
}

// build makes the program.
func (m *machine) build() {
	m.Helper()
	m.program = filepath.Join(m.dir, "certkeep")
	if said, err := exec.Command("go", "build", "-o", m.program, "../cmd/certkeep").CombinedOutput(); err != nil {
		m.Fatalf("build the program: %v\n%s", err, said)
	}
}

func (m machine) write(name, text string) {
	m.Helper()
	if err := os.WriteFile(filepath.Join(m.dir, name), []byte(text), 0o600); err != nil {
		m.Fatal(err)
	}
}

func (m machine) read(name string) string {
	m.Helper()
	text, err := os.ReadFile(filepath.Join(m.dir, name))
	if err != nil {
		m.Fatal(err)
	}
	return string(text)
}

// service is the service with two certificates: one that nginx serves, by the
// webroot, and one that is proven by hooks and has no placeholder.
func (m machine) service() string {
	_, port, _ := net.SplitHostPort(m.tls)
	return strings.NewReplacer("DIR", m.dir, "CA", m.ca.DirectoryURL(), "PORT", port).Replace(`
(certkeep-configuration
  (package "DIR/certkeep") (webroot "DIR/www") (server "CA") (directory "DIR/etc") (state-directory "DIR/state") (nginx-pid-file "DIR/nginx.pid")
  (certificates
   (list (certkeep-certificate-configuration
          (domains '("a.test" "www.a.test"))
          (deploy-hook #~(call-with-output-file "DIR/deployed" (lambda (port) (format port "~a ~a" (getenv "RENEWED_LINEAGE") (getenv "RENEWED_DOMAINS")))))
          (extra-options '((verify . #(((port . PORT) (address . "127.0.0.1")))))))
         (certkeep-certificate-configuration
          (domains '("b.test")) (challenge "http-01") (start-self-signed? #f)
          (authentication-hook "echo $CERTBOT_VALIDATION > DIR/www/.well-known/acme-challenge/$CERTBOT_TOKEN; echo made")
          (cleanup-hook "rm DIR/www/.well-known/acme-challenge/$CERTBOT_TOKEN; echo $CERTBOT_AUTH_OUTPUT > DIR/cleaned")
          (deploy-hook "echo $RENEWED_LINEAGE > DIR/deployed-b"))))
  (extra-options '((issuers . ((acme . ((directory . "CA") (roots_file . "DIR/ca.pem"))))) (listen . ((http . #f) (status . #f))) (pid_file . "DIR/certkeep.pid"))))`)
}

// nginx starts nginx as Guix would after the activation.
func (m machine) nginx(e expanded) {
	m.Helper()
	http := net.JoinHostPort("127.0.0.1", strconv.Itoa(m.ca.HTTPPort()))
	servers := strings.NewReplacer("listen 80;", "listen "+http+";", " listen [::]:80;", "").Replace(e.read("nginx.conf"))
	// b.test has hooks, and its file is shown by a server of the administrator.
	servers = strings.Replace(servers, "server_name b.test;", "server_name b.test; location /.well-known/ { root "+m.dir+"/www; }", 1)
	site := fmt.Sprintf("server { listen %s ssl; ssl_certificate %[2]s/etc/live/a.test/fullchain.pem; ssl_certificate_key %[2]s/etc/live/a.test/privkey.pem; }", m.tls, m.dir)
	p := servertest.Nginx(m.T, m.tls, servers+site)
	m.write("nginx.pid", strconv.Itoa(p.PID)+"\n")
}

// issuer says by whom what nginx presents was issued.
func (m machine) issuer() string {
	m.Helper()
	conn, err := tls.Dial("tcp", m.tls, &tls.Config{ServerName: "a.test", InsecureSkipVerify: true})
	if err != nil {
		m.Fatal(err)
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].Issuer.CommonName
}

// shown is what nginx answers on port 80 of a.test.
func (m machine) shown(path string) string {
	m.Helper()
	request, err := http.NewRequestWithContext(m.Context(), http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d%s", m.ca.HTTPPort(), path), nil)
	if err != nil {
		m.Fatal(err)
	}
	request.Host = "a.test"
	answer, err := http.DefaultTransport.RoundTrip(request) // a redirect is not followed
	if err != nil {
		m.Fatal(err)
	}
	defer answer.Body.Close() // it is only read
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		m.Fatal(err)
	}
	return string(text)
}

// TestMachine goes the way of a new system: the activation writes what nginx
// needs to start, nginx answers the CA, and is told of the certificate.
func TestMachine(t *testing.T) {
	m := newMachine(t)
	e := mustExpand(t, "nginx", m.service())
	if said, err := guile(t, e.dir, filepath.Join(e.dir, "activation.scm")); err != nil || said != "" {
		t.Fatalf("activation: %v\n%s", err, said)
	}
	if _, err := os.Stat(m.dir + "/etc/live/b.test"); err == nil {
		t.Error("b.test has a placeholder")
	}
	m.nginx(e)
	if by := m.issuer(); strings.Contains(by, "Pebble") {
		t.Fatalf("nginx began with a certificate of %s", by)
	}
	if err := os.MkdirAll(m.dir+"/www/.well-known/acme-challenge", 0o755); err != nil {
		t.Fatal(err)
	}
	m.write("www/.well-known/security.txt", "Contact: mailto:x@a.test\n")
	if err := os.Chmod(m.dir+"/www/.well-known/security.txt", 0o644); err != nil {
		t.Fatal(err)
	}
	if said := m.shown("/.well-known/security.txt"); said != "Contact: mailto:x@a.test\n" {
		t.Errorf("beside the challenges nginx shows %q", said)
	}
	apply := exec.Command(m.program, "--config", filepath.Join(e.dir, "certkeep.json"), "apply")
	if said, err := apply.CombinedOutput(); err != nil {
		t.Fatalf("apply: %v\n%s", err, said)
	}
	if by := m.issuer(); !strings.Contains(by, "Pebble") {
		t.Errorf("nginx presents a certificate of %s", by)
	}
	live := m.dir + "/etc/live/"
	for file, want := range map[string]string{"deployed": live + "a.test a.test www.a.test", "deployed-b": live + "b.test\n", "cleaned": "made\n"} {
		if got := m.read(file); got != want {
			t.Errorf("%s has %q, want %q", file, got, want)
		}
	}
	if left, err := os.ReadDir(m.dir + "/www/.well-known/acme-challenge"); err != nil || len(left) != 0 {
		t.Errorf("left: %v, %v", left, err)
	}
	if said, err := guile(t, e.dir, filepath.Join(e.dir, "activation.scm")); err != nil || said != "" {
		t.Errorf("activation once more: %v\n%s", err, said)
	}
	if by := m.issuer(); !strings.Contains(by, "Pebble") {
		t.Errorf("after the activation nginx presents a certificate of %s", by)
	}
}

// TestMoves: what servers read in /etc/certs with Guix's own service, links into
// certbot's folder, is taken over in its place, and nothing is ordered.
func TestMoves(t *testing.T) {
	m := newMachine(t)
	service := func(state, where string) string {
		return strings.NewReplacer("DIR", m.dir, "CA", m.ca.DirectoryURL(), "PORT", strconv.Itoa(m.ca.HTTPPort())).Replace(`
(certkeep-configuration
  (package "DIR/certkeep") (webroot #f) (server "CA") (state-directory "DIR/` + state + `") ` + where + `
  (certificates (list (certkeep-certificate-configuration (domains '("a.test")))))
  (extra-options '((issuers . ((acme . ((directory . "CA") (roots_file . "DIR/ca.pem"))))) (listen . ((http . "127.0.0.1:PORT") (status . #f))) (pid_file . "DIR/certkeep.pid"))))`)
	}
	certkeep := func(e expanded, args ...string) string {
		t.Helper()
		said, err := exec.Command(m.program, append([]string{"--config", filepath.Join(e.dir, "certkeep.json")}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("certkeep %q: %v\n%s", args, err, said)
		}
		return string(said)
	}
	certkeep(mustExpand(t, "standalone", service("certbot", `(directory "`+m.dir+`/letsencrypt")`)), "apply")
	live := m.read("letsencrypt/live/a.test/fullchain.pem")
	if err := os.MkdirAll(m.dir+"/certs/a.test", 0o755); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"fullchain.pem", "privkey.pem"} {
		if err := os.Symlink(m.dir+"/letsencrypt/live/a.test/"+file, m.dir+"/certs/a.test/"+file); err != nil {
			t.Fatal(err)
		}
	}

	e := mustExpand(t, "standalone", service("state", `(directory "`+m.dir+`/certs") (layout 'standard)`))
	if said, err := guile(t, e.dir, filepath.Join(e.dir, "activation.scm")); err != nil || said != "" {
		t.Fatalf("activation: %v\n%s", err, said)
	}
	certkeep(e, "apply")
	if m.read("certs/a.test/fullchain.pem") != live {
		t.Errorf("another certificate was ordered:\n%s", certkeep(e, "history", "a.test"))
	}
	if said := certkeep(e, "history", "a.test"); !strings.Contains(said, "taken over") {
		t.Errorf("it was not taken over:\n%s", said)
	}
}
