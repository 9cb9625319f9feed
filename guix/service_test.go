// Package guix is a Guix service, certkeep.scm. These tests read it with
// Guile, against stubs of the parts of Guix that it uses: they tell what it
// writes, and nothing of Guix itself.
package guix

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/servertest"
)

// expanded is what a system has of a service: files by name.
type expanded struct {
	t   *testing.T
	dir string
}

func (e expanded) read(name string) string {
	e.t.Helper()
	text, err := os.ReadFile(filepath.Join(e.dir, name))
	if err != nil {
		e.t.Fatal(err)
	}
	return string(text)
}

// load reads the configuration as Certkeep does.
func (e expanded) load() *config.Config {
	e.t.Helper()
	cfg, _, err := config.LoadBytes("certkeep.json", []byte(e.read("certkeep.json")))
	if err != nil {
		e.t.Fatalf("%v\n%s", err, e.read("certkeep.json"))
	}
	return cfg
}

// guile runs a Scheme file with the stubs on the load path.
func guile(t *testing.T, store string, args ...string) (said string, err error) {
	t.Helper()
	cmd := exec.Command(servertest.Find(t, "guile"), append([]string{"-L", "testdata/stubs", "-L", "."}, args...)...)
	cmd.Env = append(os.Environ(), "GUILE_AUTO_COMPILE=0", "STUB_STORE="+store)
	output, err := cmd.CombinedOutput()
	return string(output), err
}

// expand makes of a service what Guix would. The error is what a person reads.
func expand(t *testing.T, kind, service string) (expanded, error) {
	t.Helper()
	e := expanded{t, t.TempDir()}
	file := filepath.Join(t.TempDir(), "service.scm")
	if err := os.WriteFile(file, []byte(service), 0o600); err != nil {
		t.Fatal(err)
	}
	said, err := guile(t, e.dir, "testdata/driver.scm", kind, file)
	if err != nil {
		return e, fmt.Errorf("%w: %s", err, said)
	}
	if said != "" {
		t.Errorf("guile said %s", said)
	}
	return e, nil
}

func mustExpand(t *testing.T, kind, service string) expanded {
	t.Helper()
	e, err := expand(t, kind, service)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// The compiler has nothing to say about the module.
func TestCompiles(t *testing.T) {
	t.Parallel()
	if said, err := guile(t, t.TempDir(), "testdata/compile.scm"); err != nil || said != "" {
		t.Errorf("%v\n%s", err, said)
	}
}

// The example in the manual of Guix's own service, by our names.
func TestSmallService(t *testing.T) {
	t.Parallel()
	e := mustExpand(t, "nginx", `
(certkeep-configuration
  (email "foo@example.net")
  (certificates
    (list (certkeep-certificate-configuration (domains '("example.net" "www.example.net")))
          (certkeep-certificate-configuration (domains '("bar.example.net"))))))`)
	cfg := e.load()
	if cfg.Email != "foo@example.net" || cfg.State != "/var/lib/certkeep" || cfg.PIDFile != "/var/run/certkeep.pid" || cfg.Listen.HTTP.Address != "" {
		t.Errorf("%s", e.read("certkeep.json"))
	}
	if len(cfg.Certificates) != 2 || cfg.Certificates[1].Name != "example.net" || !reflect.DeepEqual(cfg.Certificates[1].Names, []string{"example.net", "www.example.net"}) {
		t.Errorf("certificates %+v", cfg.Certificates)
	}
	c := cfg.Certificates[0]
	if c.Layout != config.LayoutCertbot || c.Path != "/etc/letsencrypt" || !reflect.DeepEqual(c.Services, []string{"nginx"}) || len(c.KeyTypes) != 1 || c.KeyTypes[0] != "ecdsa-p256" || c.Issuers[0] != "letsencrypt" {
		t.Errorf("certificate %+v", c)
	}
	if methods := cfg.MethodsFor(c.Name, "bar.example.net", false); len(methods) != 1 || methods[0].Webroot != "/var/www" {
		t.Errorf("proven by %+v", methods)
	}
	nginx := cfg.Services["nginx"]
	if len(nginx.Check) != 0 || len(nginx.Reload) != 1 || nginx.Reload[0].Signal != "HUP" || nginx.Reload[0].PIDFile != "/var/run/nginx/pid" {
		t.Errorf("nginx %+v", nginx)
	}
}

// Every field, and what other services add.
func TestFullService(t *testing.T) {
	t.Parallel()
	e := mustExpand(t, "nginx", `
(list
 (certkeep-configuration
  (package "/opt/certkeep") (webroot "/srv/\"web\\root") (email "foo@example.net") (server "https://ca.example/directory")
  (rsa-key-size 4096) (default-location #f) (directory "/etc/certs") (layout 'standard) (nginx-pid-file "/run/nginx.pid")
  (state-directory "/var/lib/other")
  (certificates
   (list (certkeep-certificate-configuration
          (name "own") (domains '("a.example.net" "*.example.net")) (challenge "dns") (authentication-hook "add \"it\"")
          (cleanup-hook (program-file "remove" #~(exit 0))) (deploy-hook #~(display "deployed")) (owner "www") (group "ssl-cert"))
         (certkeep-certificate-configuration
          (domains '("*.b.example.net")) (extra-options '((challenges . (((dns-01 . ((via . main)))))) (key_types . (ecdsa-p384)))))
         (certkeep-certificate-configuration
          (name "csr") (csr "testdata/x.csr") (csr-key "/etc/x.key") (start-self-signed? #f))))
  (extra-options '((dns . ((main . ((provider . rfc2136) (ttl . "2m"))))) (accept_terms . (acme)) (concurrency . 3))))
 (list (certkeep-certificate-configuration (domains '("added.example.net")))))`)
	e2 := strings.ReplaceAll(e.read("certkeep.json"), `"file":"testdata/x.csr",`, `"file":"/nowhere/x.csr",`)
	cfg, _, err := config.LoadBytes("certkeep.json", []byte(e2))
	if err != nil {
		t.Fatalf("%v\n%s", err, e2)
	}
	if cfg.State != "/var/lib/other" || cfg.Concurrency != 3 || cfg.Issuers["acme"].Directory != "https://ca.example/directory" || cfg.Services["nginx"].Reload[0].PIDFile != "/run/nginx.pid" {
		t.Errorf("%s", e2)
	}
	own := cfg.Certificate("own")
	if own.Layout != config.LayoutStandard || own.Path != "/etc/certs" || own.KeyTypes[0] != "rsa-4096" || own.Issuers[0] != "acme" || own.Owner != "www" || own.Group != "ssl-cert" {
		t.Errorf("own %+v", own)
	}
	methods := cfg.MethodsFor("own", "example.net", true)
	if len(methods) != 1 || methods[0].Type != config.MethodDNS01 || methods[0].Manual == nil || methods[0].Manual.Auth.Shell != `add "it"` ||
		!reflect.DeepEqual(methods[0].Manual.CleanUp.Args, []string{e.dir + "/remove"}) {
		t.Errorf("proven by %+v", methods)
	}
	if h, _ := cfg.HookOf("own", "installed"); !reflect.DeepEqual(h.Command.Args, []string{e.dir + "/own-deploy-hook"}) {
		t.Errorf("hook %+v", h)
	}
	if m := cfg.MethodsFor("b.example.net", "b.example.net", true); len(m) != 1 || m[0].Via != "main" || cfg.Certificate("b.example.net").KeyTypes[0] != "ecdsa-p384" {
		t.Errorf("proven by %+v", m)
	}
	if csr := cfg.Certificate("csr"); csr.CSR == nil || csr.CSR.KeyFile != "/etc/x.key" || len(csr.Services) != 0 {
		t.Errorf("csr %+v", csr)
	}
	if m := cfg.MethodsFor("added.example.net", "added.example.net", false); len(m) != 1 || m[0].Webroot != `/srv/"web\root` {
		t.Errorf("proven by %+v", m)
	}
}

// Without a web server Certkeep listens itself, and no service is told.
func TestStandalone(t *testing.T) {
	t.Parallel()
	e := mustExpand(t, "standalone", `(certkeep-configuration (webroot #f) (daemon? #f)
  (certificates (list (certkeep-certificate-configuration (domains '("mail.example.net"))
    (extra-options '((services . (postfix))))))))`)
	cfg := e.load()
	if cfg.Listen.HTTP.Address != ":80" || len(cfg.Challenges) != 0 || !reflect.DeepEqual(cfg.Certificates[0].Services, []string{"postfix"}) {
		t.Errorf("%s", e.read("certkeep.json"))
	}
	if _, err := os.Stat(filepath.Join(e.dir, "nginx.conf")); err == nil {
		t.Error("it extends nginx")
	}
	if timer := e.read("shepherd.scm"); !strings.Contains(timer, `(calendar-event #:hours (quote (0 12)) #:minutes (quote (0)))`) || !strings.Contains(timer, `"-q" "apply" "--wait-random" "0s-1h"`) {
		t.Errorf("timer %s", timer)
	}
}

// What a system is given beside the configuration.
func TestSystem(t *testing.T) {
	t.Parallel()
	e := mustExpand(t, "nginx", `(certkeep-configuration (package (plain-file "package" "")) (check? #f) (certificates
  (list (certkeep-certificate-configuration (domains '("a.example" "*.a.example")) (challenge "dns-01") (authentication-hook "x"))
        (certkeep-certificate-configuration (domains '("b.example" "c.example"))))))`)
	program := e.dir + "/package/bin/certkeep"
	for file, want := range map[string]string{
		"nginx.conf": `server { listen 80; listen [::]:80; server_name a.example *.a.example; root /srv/http; location / { return 301 https://$host$request_uri; } }
server { listen 80; listen [::]:80; server_name b.example c.example; root /srv/http; location ^~ /.well-known/acme-challenge/ { auth_basic off; root /var/www; } location /.well-known/ { root /var/www; } location / { return 301 https://$host$request_uri; } }
`,
		"etc":     "certkeep/certkeep.json " + e.dir + "/certkeep.json\n",
		"profile": e.dir + "/package\n",
		"shepherd.scm": `(((certkeep) (user-processes nginx) (make-forkexec-constructor (list "` + program + `" "--config" "/etc/certkeep/certkeep.json" "run")` +
			` #:environment-variables (quote ("PATH=/run/current-system/profile/bin:/run/current-system/profile/sbin" "SSL_CERT_DIR=/etc/ssl/certs")) #:log-file "/var/log/certkeep.log")` +
			` (make-kill-destructor) ((reload (lambda (running . _) (kill (call-with-input-file "/var/run/certkeep.pid" read) SIGHUP)))` +
			` (trigger (lambda (running . _) (kill (call-with-input-file "/var/run/certkeep.pid" read) SIGALRM))))))` + "\n",
	} {
		if got := e.read(file); got != want {
			t.Errorf("%s is\n%s\nwant\n%s", file, got, want)
		}
	}
	if got := mustExpand(t, "nginx", `(certkeep-configuration (default-location #f) (certificates (list (certkeep-certificate-configuration (domains '("b.example"))))))`).read("nginx.conf"); strings.Contains(got, "301") {
		t.Errorf("without a default location nginx gets %s", got)
	}
}

// A package is at hand where the system is built: there Certkeep reads what is
// made, and nothing that it names.
func TestChecked(t *testing.T) {
	t.Parallel()
	m := machine{T: t, dir: t.TempDir()}
	m.build()
	if err := os.MkdirAll(m.dir+"/package/bin", 0o755); err != nil {
		t.Fatal(err)
	}
	m.write("package/bin/certkeep", "#!/bin/sh\nexec "+m.dir+"/certkeep \"$@\"\n")
	if err := os.Chmod(m.dir+"/package/bin/certkeep", 0o755); err != nil {
		t.Fatal(err)
	}
	service := func(extra string) string {
		return `(certkeep-configuration (package (file-append "` + m.dir + `/package" "")) (certificates
  (list (certkeep-certificate-configuration (domains '("a.example"))) (certkeep-certificate-configuration (name "b") (csr "/nowhere/b.csr"))))
  (extra-options '(` + extra + `)))`
	}
	e := mustExpand(t, "nginx", service("(store_key_file . \"/nowhere/key\")"))
	if text := e.read("certkeep.json"); text != e.read("certkeep-unchecked.json") || !strings.Contains(text, "/nowhere/b.csr") {
		t.Errorf("the file is %s", text)
	}
	if _, err := expand(t, "nginx", service("(certificats . ())")); err == nil || !strings.Contains(err.Error(), `did you mean "certificates"`) {
		t.Errorf("a bad one: %v", err)
	}
	if text := mustExpand(t, "nginx", strings.Replace(service("(certificats . ())"), "(certificates", "(check? #f) (certificates", 1)).read("certkeep.json"); !strings.Contains(text, "certificats") {
		t.Errorf("unchecked: %s", text)
	}
}

// A value that cannot be meant is refused in words that say what to do.
func TestRefuses(t *testing.T) {
	t.Parallel()
	certificate := func(fields string) string {
		return "(certkeep-configuration (certificates (list (certkeep-certificate-configuration " + fields + "))))"
	}
	whole := func(fields string) string { return "(certkeep-configuration " + fields + ")" }
	for service, want := range map[string]string{
		certificate(``):                                                                       "a certificate has neither a name nor domains",
		certificate(`(name "x")`):                                                             `certificate "x" has neither domains nor a csr`,
		certificate(`(domains '("a.b/c"))`):                                                   `"a.b/c" cannot be a certificate's name: it becomes the name of a folder`,
		certificate(`(name "../x") (domains '("a.b"))`):                                       `"../x" cannot be a certificate's name`,
		certificate(`(name "x") (domains "a.example")`):                                       `domains are a list of texts, not "a.example"`,
		certificate(`(domains '("a.b")) (csr-key "/x")`):                                      `certificate "a.b" has a csr-key and no csr`,
		certificate(`(domains '("*.a.b"))`):                                                   `certificate "a.b" has a wildcard, which dns-01 alone can prove`,
		certificate(`(domains '("a.b")) (challenge "dns")`):                                   `certificate "a.b" has the challenge "dns" and no authentication-hook`,
		certificate(`(domains '("a.b")) (challenge "tls-alpn-01") (authentication-hook "x")`): `"tls-alpn-01" is no challenge that hooks can answer; dns-01 and http-01 are`,
		certificate(`(domains '("a.b")) (cleanup-hook "x")`):                                  `certificate "a.b" has hooks that answer challenges, and no challenge`,
		whole(`(webroot #f)`):                                                                 `the webroot is #f, and nginx has nothing to show to the CA`,
		whole(`(webroot "www")`):                                                              `the webroot "www" is not an absolute path`,
		whole(`(rsa-key-size 1024)`):                                                          `rsa-key-size is 2048, 3072 or 4096, not 1024`,
		whole(`(server "http://ca.example")`):                                                 `the server "http://ca.example" is not the URL of an ACME directory`,
		whole(`(layout 'nixos)`):                                                              `the layout is 'certbot or 'standard, not nixos`,
		whole(`(certificates (list (certkeep-certificate-configuration (domains '("a.b"))) (certkeep-certificate-configuration (domains '("*.a.b")))))`): `two certificates are named "a.b"`,
	} {
		_, err := expand(t, "nginx", service)
		if err == nil || !strings.Contains(err.Error(), "error: certkeep: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\ngot %v\nwant %s", service, err, want)
		}
	}
}

// The document answers each field of the service.
func TestDocumented(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("certkeep.scm")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := os.ReadFile("../docs/from-certbot.md")
	if err != nil {
		t.Fatal(err)
	}
	var fields []string
	for line := range strings.Lines(string(source)) {
		words := strings.Fields(line)
		if len(words) > 1 && strings.HasPrefix(line, "  (") && (strings.HasPrefix(words[1], "certificate-") || strings.HasPrefix(words[1], "configuration-")) {
			fields = append(fields, strings.TrimPrefix(words[0], "("))
		}
	}
	if len(fields) != 27 {
		t.Fatalf("%d fields: %q", len(fields), fields)
	}
	// Of Guix's own service, and what certbot tells hooks.
	fields = append(fields, "dry-run?", "user", "default-location", "RENEWED_LINEAGE", "RENEWED_DOMAINS", "FAILED_DOMAINS",
		"CERTBOT_DOMAIN", "CERTBOT_VALIDATION", "CERTBOT_TOKEN", "CERTBOT_ALL_DOMAINS", "CERTBOT_IDENTIFIER", "CERTBOT_ALL_IDENTIFIERS", "CERTBOT_REMAINING_CHALLENGES", "CERTBOT_AUTH_OUTPUT")
	for _, field := range fields {
		if !bytes.Contains(doc, []byte("`"+field+"`")) {
			t.Errorf("docs/from-certbot.md does not say what becomes of %s", field)
		}
	}
}
