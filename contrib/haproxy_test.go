package contrib

import (
	"crypto/tls"
	"fmt"
	"math/big"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/certkeep/certkeep/internal/servertest"
)

// TestHAProxyBySocket: a certificate is handed to a HAProxy that runs, which
// shows it at once, in the same process.
func TestHAProxyBySocket(t *testing.T) {
	haproxy := servertest.Find(t, "haproxy")
	servertest.Find(t, "socat")
	openssl := servertest.Find(t, "openssl")
	dir, address := t.TempDir(), servertest.FreeAddress(t)
	pem, socket := filepath.Join(dir, "site.pem"), filepath.Join(dir, "admin.sock")
	renew := func() {
		t.Helper()
		made, err := exec.Command(openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-days", "1",
			"-subj", "/CN=a.test", "-addext", "subjectAltName=DNS:a.test", "-keyout", filepath.Join(dir, "key")).Output()
		if err != nil {
			t.Fatal(err)
		}
		write(t, pem, string(made)+"\n"+read(t, filepath.Join(dir, "key")))
	}
	serial := func() string {
		t.Helper()
		conn, err := tls.Dial("tcp", address, &tls.Config{ServerName: "a.test", InsecureSkipVerify: true}) // it is told apart, not trusted
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		return conn.ConnectionState().PeerCertificates[0].SerialNumber.String()
	}
	renew()
	write(t, filepath.Join(dir, "haproxy.cfg"), fmt.Sprintf("global\n nbthread 1\n maxconn 50\n stats socket %s mode 600 level admin\n"+
		"defaults\n mode http\n timeout connect 1s\n timeout client 5s\n timeout server 5s\n"+
		"frontend f\n bind %s ssl crt %s\n http-request return status 200\n", socket, address, pem))
	p := servertest.Start(t, syscall.SIGTERM, haproxy, "-f", filepath.Join(dir, "haproxy.cfg"))
	p.Ready(t, "", servertest.Accepts(address))
	hand := func() (string, error) {
		out, err := exec.Command("haproxy/certkeep-haproxy", socket, pem).CombinedOutput()
		return string(out), err
	}

	before := serial()
	renew()
	if out, err := hand(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	after := serial()
	if want := serialOf(t, openssl, pem); after == before || after != want {
		t.Errorf("HAProxy shows %s, before %s, want %s", after, before, want)
	}

	// What HAProxy does not take fails, and changes nothing.
	write(t, pem, strings.Replace(read(t, pem), "BEGIN PRIVATE KEY", "BEGIN NOTHING", 1))
	if out, err := hand(); err == nil || !strings.Contains(out, "HAProxy says: ") {
		t.Errorf("a broken file: %v: %s", err, out)
	}
	if now := serial(); now != after {
		t.Errorf("HAProxy shows %s after a broken file", now)
	}
}

// serialOf is the serial number of the first certificate in a file.
func serialOf(t *testing.T, openssl, path string) string {
	t.Helper()
	out, err := exec.Command("sh", "-c", openssl+` x509 -in "$0" -noout -serial | cut -d= -f2`, path).Output()
	if err != nil {
		t.Fatal(err)
	}
	var n big.Int
	n.SetString(strings.TrimSpace(string(out)), 16)
	return n.String()
}
