package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/servertest"
)

// modMD is a real Apache whose mod_md has its certificates from a CA.
type modMD struct {
	t       *testing.T
	ca      *acmetest.CA
	server  *servertest.WebServer
	process *servertest.Process
	dir     string
	plain   string // where CAs and people ask
	secure  string
}

// store is the folder of mod_md.
func (m *modMD) store(name ...string) string {
	return filepath.Join(append([]string{m.dir, "md"}, name...)...)
}

// begins has it obtain certificates for full.test and staged.test.
func (m *modMD) begins() {
	m.t.Helper()
	m.configure(modMDBegins, "full.test", "staged.test")
	m.process = m.server.Start(m.t, m.plain)
	m.finishes("full.test")
	m.finishes("staged.test")
}

const modMDBegins = `MDStapling on
<MDomain full.test>
MDMember www.full.test
MDPrivateKeys rsa2048 secp256r1
</MDomain>
MDomain staged.test
`

// finishes waits until mod_md has what it wants for a domain.
func (m *modMD) finishes(domain string) {
	m.t.Helper()
	m.awaits("/md-status/"+domain, func(text string) bool { return strings.Contains(text, `"finished": true,`) })
}

// newModMD starts a CA, and prepares Apache.
func newModMD(t *testing.T) *modMD {
	t.Helper()
	dir := servertest.Folder(t)
	m := &modMD{
		t: t, dir: dir,
		server: servertest.ApacheIn(t, dir, "socache_shmcb", "ssl", "status", "md"),
		ca:     acmetest.Start(t, acmetest.Options{OCSP: true, Blocked: []string{"broken.test"}}),
	}
	m.plain, m.secure = fmt.Sprintf("127.0.0.1:%d", m.ca.HTTPPort()), servertest.FreeAddress(t)
	put(t, dir+"/roots.pem", string(m.ca.RootPEM()))
	if err := os.Chmod(dir+"/roots.pem", 0o644); err != nil {
		t.Fatal(err)
	}
	return m
}

// configure writes the configuration, with what is said of the domains.
func (m *modMD) configure(domains string, hosts ...string) {
	m.t.Helper()
	_, port, _ := strings.Cut(m.secure, ":")
	text := fmt.Sprintf(`Listen %[1]s
Listen %[2]s
MDStoreDir %[3]s/md
MDCertificateAuthority %[4]s
MDCACertificateFile %[3]s/roots.pem
MDCertificateAgreement accepted
MDContactEmail admin@example.test
MDPortMap http:%[5]d https:%[6]s
MDCAChallenges http-01
MDRetryDelay 1s
MDServerStatus on
MDCertificateStatus on
%[7]s
<Location /md-status>
SetHandler md-status
Require all granted
</Location>
<Location /server-status>
SetHandler server-status
Require all granted
</Location>
`, m.plain, m.secure, m.dir, m.ca.DirectoryURL(), m.ca.HTTPPort(), port, domains)
	text += "<VirtualHost " + m.plain + ">\nServerName plain.test\n</VirtualHost>\n"
	for _, host := range hosts {
		text += "<VirtualHost " + m.secure + ">\nServerName " + host + "\nSSLEngine on\n</VirtualHost>\n"
	}
	m.server.Configure(m.t, text)
}

// get asks Apache for a page.
func (m *modMD) get(host, path string) string {
	m.t.Helper()
	text, err := m.ask(m.t.Context(), host, path)
	if err != nil {
		m.t.Fatal(err)
	}
	return text
}

func (m *modMD) ask(ctx context.Context, host, path string) (string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+m.plain+path, http.NoBody)
	if err != nil {
		return "", err
	}
	r.Host = host
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", err
	}
	body, err := io.ReadAll(resp.Body)
	return string(body), errors.Join(err, resp.Body.Close())
}

// awaits waits until Apache says something.
func (m *modMD) awaits(path string, is func(text string) bool) {
	m.t.Helper()
	m.process.Ready(m.t, m.server.Log, func(ctx context.Context) error {
		text, err := m.ask(ctx, "plain.test", path)
		if err == nil && !is(text) {
			err = fmt.Errorf("%s does not say it: %s", path, text)
		}
		return err
	})
}
