package main

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/servertest"
)

// runs starts the daemon, which ends with the test.
func (w *webTest) runs() {
	w.t.Helper()
	program, err := os.Executable()
	if err != nil {
		w.t.Fatal(err)
	}
	cmd := exec.Command("certkeep", "--config", w.config, "run")
	cmd.Path, cmd.Err = program, nil
	cmd.Dir = w.dir
	cmd.Env = []string{"PATH=" + w.bin + ":" + os.Getenv("PATH"), "HOME=" + w.dir}
	servertest.StartCommand(w.t, syscall.SIGTERM, cmd)
}

// TestWebserverCertificateStatus asks a real nginx and a real Apache for the
// certificate-status of their sites, which both have from the daemon by what
// `webserver enable` wrote.
func TestWebserverCertificateStatus(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"nginx", "apache"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			l := newWebLife(t, kind, acmetest.Options{})
			listens := servertest.FreeAddress(t)
			put(t, l.config, strings.Replace(read(t, l.config), "status: false", `status: "`+listens+`"`, 1))
			l.has("www.example.test", "www.example.test example.test", false)
			l.has("other.example.test", "other.example.test", false)
			l.process = l.server.Start(t, l.plain)
			l.certkeep(0, "webserver", "enable", "www.example.test", "--server", kind, "--force-ssl", "--certificate-status", "--write")
			l.has("www.example.test", "www.example.test example.test", true)
			l.guards("www.example.test")
			l.runs()
			l.shows("www.example.test", "a certificate of the CA", func(leaf *x509.Certificate) bool { return strings.HasPrefix(leaf.Issuer.CommonName, "Pebble") })

			installed, _ := pem.Decode([]byte(read(t, l.dir+"/ssl/www.example.test/fullchain.pem")))
			leaf, err := x509.ParseCertificate(installed.Bytes)
			if err != nil {
				t.Fatal(err)
			}
			for _, host := range []string{"www.example.test", "example.test"} {
				l.showsStatus(host, leaf)
			}
			l.answers("http://www.example.test/.httpd/certificate-status", http.StatusOK)
			l.answers("http://www.example.test/", http.StatusMovedPermanently)
			l.answers("http://other.example.test/.httpd/certificate-status", http.StatusNotFound)
			for _, path := range []string{"/.httpd/certificate-status/other.example.test", "/md-status", "/"} {
				l.answers("https://example.test"+path, http.StatusUnauthorized)
			}
		})
	}
}

// guards has the administrator give a site a password.
func (l *webLife) guards(name string) {
	l.t.Helper()
	put(l.t, l.dir+"/users", "")
	site := l.sites[name]
	site.guarded = true
	l.sites[name] = site
	l.configure()
}

// showsStatus asks a site, over HTTPS, of its certificate.
func (l *webLife) showsStatus(host string, leaf *x509.Certificate) {
	l.t.Helper()
	var body string
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) { // old workers end in their own time
		resp, text, err := l.get("https://" + host + "/.httpd/certificate-status")
		if body = text; err == nil && resp.StatusCode == http.StatusOK && resp.Header.Get("Content-Type") == "application/json" {
			break
		}
		if time.Now().After(end) {
			l.t.Fatalf("%s: %+v %s %v", host, resp, text, err)
		}
	}
	var told struct {
		Valid     struct{ From, Until string } `json:"valid"`
		Secp256r1 struct {
			Serial string `json:"serial"`
		} `json:"secp256r1"`
	}
	if err := json.Unmarshal([]byte(body), &told); err != nil {
		l.t.Fatalf("%s: %v: %s", host, err, body)
	}
	if serial := fmt.Sprintf("%X", leaf.SerialNumber); strings.TrimLeft(told.Secp256r1.Serial, "0") != serial || told.Valid.Until != leaf.NotAfter.UTC().Format(http.TimeFormat) {
		l.t.Errorf("%s: %s, want serial %s until %s", host, body, serial, leaf.NotAfter)
	}
}
