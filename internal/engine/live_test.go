package engine

import (
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/chain"
)

// live is a service that is configured for a certificate: it serves what it
// read when it was last told to, as real servers do.
type live struct {
	port   int
	served string // what it has read: key and certificate
}

// newLive starts one that has read nothing yet. Its folder may be replaced
// while it runs.
func newLive(t *testing.T, dir string) *live {
	t.Helper()
	port, err := acmetest.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	l := &live{port: port, served: filepath.Join(dir, "served.pem")}
	listener, err := tls.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port), &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			pair, err := tls.LoadX509KeyPair(l.served, l.served)
			return &pair, err
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{ErrorLog: log.New(io.Discard, "", 0)}
	go server.Serve(listener)
	t.Cleanup(func() { _ = server.Close() })
	return l
}

// reload is the script by which it is told: it reads the files, and a line is
// written into the log that is beside what it serves.
func (l *live) reload(key, fullchain string) string {
	dir := filepath.Dir(l.served)
	return fmt.Sprintf("echo reload >> %[1]s/log\ncat %[2]s %[3]s > %[1]s/served.new && mv %[1]s/served.new %[4]s\n", dir, key, fullchain, l.served)
}

// shows returns the leaf that a client is shown, in DER.
func (l *live) shows(f *fixture) string {
	f.Helper()
	return f.presented(l.port)
}

// presented is the first certificate that a port of this machine presents for
// a.test, in DER.
func (f *fixture) presented(port int) string {
	f.Helper()
	conn, err := tls.Dial("tcp", net.JoinHostPort("127.0.0.1", fmt.Sprint(port)), &tls.Config{ServerName: "a.test", InsecureSkipVerify: true})
	if err != nil {
		f.Error(err)
		return ""
	}
	defer conn.Close()
	return string(conn.ConnectionState().PeerCertificates[0].Raw)
}

// leaf is the first certificate of a file, in DER.
func (f *fixture) leaf(path string) string {
	f.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		f.Error(err)
		return ""
	}
	parsed, err := chain.Parse(text)
	if err != nil {
		f.Error(err)
		return ""
	}
	return string(parsed.Leaf().Raw)
}
