package engine

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/certkeep/certkeep/internal/acmetest"
)

// TestSweepManual obtains a certificate by hooks in the manner of certbot, with
// every change of the disk going wrong. Whatever the first hook made is taken
// away in the end: the second one knows it by what the first one wrote, and
// where a crash kept that from being stored by the token.
func TestSweepManual(t *testing.T) {
	l := newLifeAt(t, acmetest.Options{})
	root := t.TempDir() // outside: what hooks made stays when a process is killed
	answers := filepath.Join(root, ".well-known/acme-challenge")
	if err := os.MkdirAll(answers, 0o700); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(l.ca.HTTPPort())))
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.FileServer(http.Dir(root))}
	go server.Serve(listener)
	t.Cleanup(func() { server.Close() })
	l.config = fmt.Sprintf(`
challenges:
  - http-01:
      manual:
        auth_hook: {shell: 'printf %%s "$CERTBOT_VALIDATION" > %[1]s/$CERTBOT_TOKEN; echo %[1]s/$CERTBOT_TOKEN'}
        cleanup_hook: {shell: 'rm -f "${CERTBOT_AUTH_OUTPUT:-%[1]s/$CERTBOT_TOKEN}"'}
certificates: {a.test: {}}
`, answers)
	l.judge = func(f *fixture) {
		f.Helper()
		if left, err := os.ReadDir(answers); err != nil || len(left) != 0 {
			f.Errorf("left: %v, %v", left, err)
		}
		if k := f.known("a.test"); k.Published == "" || k.Presented != nil {
			f.Errorf("known: %+v", k)
		}
	}
	l.afresh = func() {
		if err := os.RemoveAll(answers); err != nil {
			t.Error(err)
		}
		if err := os.Mkdir(answers, 0o700); err != nil {
			t.Error(err)
		}
	}
	l.prepare(t, func(*fixture) {})
	l.sweep(t, 5)
}
