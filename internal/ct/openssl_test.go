package ct_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/ct"
	"github.com/certkeep/certkeep/internal/servertest"
)

// TestOpenSSL: OpenSSL believes a receipt that was handed out by Submit, in the
// bytes of its file, and the one in the certificate, of which we say the same.
func TestOpenSSL(t *testing.T) {
	openssl := servertest.Find(t, "openssl")
	ca := newCA(t, "ca")
	embedded, submitted := newLog(t, ecKey(t)), newLog(t, rsaKey(t))
	leaf := newLeafWith(t, ca, earlier(), embedded)
	submitted.serve(t, ca.cert)
	s, err := newClient(t, nil).Submit(t.Context(), submitted.Log, []*x509.Certificate{leaf.cert, ca.cert})
	if err != nil {
		t.Fatal(err)
	}
	file, err := s.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	if receipts, err := ct.CheckEmbedded(leaf.cert, ca.cert, []ct.Log{embedded.Log}, time.Now()); err != nil || len(receipts) != 1 || receipts[0].Err != nil {
		t.Fatalf("embedded: %+v, %v", receipts, err)
	}
	address := present(t, tls.Certificate{
		Certificate: [][]byte{leaf.cert.Raw, ca.cert.Raw}, PrivateKey: leaf.key, SignedCertificateTimestamps: [][]byte{file},
	})
	dir := t.TempDir()
	root, logs := filepath.Join(dir, "root.pem"), filepath.Join(dir, "logs.cnf")
	text := "enabled_logs = embedded, submitted\n"
	for name, l := range map[string]*testLog{"embedded": embedded, "submitted": submitted} {
		text += fmt.Sprintf("[%s]\ndescription = %[1]s\nkey = %s\n", name, base64.StdEncoding.EncodeToString(l.Key))
	}
	for path, text := range map[string][]byte{root: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.cert.Raw}), logs: []byte(text)} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), openssl, "s_client", "-connect", address, "-CAfile", root, "-ct", "-ctlogfile", logs)
	cmd.Stdin = strings.NewReader("Q\n")
	out, err := cmd.CombinedOutput()
	if err != nil || strings.Count(string(out), "SCT validation status: valid") != 2 || !strings.Contains(string(out), "SCTs present (2)") {
		t.Errorf("openssl: %v\n%s", err, out)
	}
}

// present opens a server that shows a certificate, and returns its address.
func present(t *testing.T, certificate tls.Certificate) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Listener.Close()
	server.Listener = listener
	server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
	server.StartTLS()
	t.Cleanup(server.Close)
	return listener.Addr().String()
}
