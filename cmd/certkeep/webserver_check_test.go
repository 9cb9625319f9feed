package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/chain"
	"github.com/certkeep/certkeep/internal/keys"
	"github.com/certkeep/certkeep/internal/servertest"
)

// placeholder writes a pair as Certkeep makes one before a CA has answered.
func placeholder(t *testing.T, folder string, names ...string) {
	t.Helper()
	key, err := keys.Generate(keys.ECDSAP256)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := chain.SelfSigned(key, names, time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	private, err := keys.Marshal(key)
	if err != nil {
		t.Fatal(err)
	}
	put(t, folder+"/fullchain.pem", string(cert))
	put(t, folder+"/privkey.pem", string(private))
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestWebserverCheck breaks the renewals of a real nginx in the ways that
// people do.
func TestWebserverCheck(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	plain, secure := servertest.FreeAddress(t), servertest.FreeAddress(t)
	w := servertest.NginxIn(t, dir)
	w.Shim(t, "nginx")
	placeholder(t, dir+"/ssl/good", "good.test")
	placeholder(t, dir+"/ssl/few", "few.test", "alias.test")
	placeholder(t, dir+"/own", "foreign.test")
	shows := "location ^~ /.well-known/acme-challenge/ { alias " + dir + "/answers/; }"
	pair := func(folder string) string {
		return "listen " + secure + " ssl; ssl_certificate " + dir + "/" + folder + "/fullchain.pem; ssl_certificate_key " + dir + "/" + folder + "/privkey.pem; "
	}
	w.Configure(t, `
server { listen `+plain+`; server_name good.test; `+shows+` location / { return 301 https://$host$request_uri; } }
server { listen `+plain+`; server_name foreign.test few.test alias.test wrong.test; return 301 https://$host$request_uri; `+shows+` }
server { `+pair("ssl/good")+` server_name good.test; }
server { `+pair("ssl/few")+` server_name few.test alias.test; `+shows+` }
server { `+pair("own")+` server_name foreign.test; }
server { `+pair("own")+` server_name wrong.test; }`)
	w.Start(t, plain)
	_, plainPort, _ := strings.Cut(plain, ":")
	_, securePort, _ := strings.Cut(secure, ":")
	config := dir + "/certkeep.yaml"
	put(t, config, `state: `+dir+`/state
accept_terms: true
listen: {status: false, outside: {80: `+plainPort+`, 443: `+securePort+`}}
challenges: [{http-01: {folder: `+dir+`/answers}}]
defaults: {path: `+dir+`/ssl}
certificates:
  good: {names: [good.test]}
  few: {names: [few.test]}
  foreign: {names: [foreign.test, nowhere.test]}
`)
	c := called{t, w.Bin(), dir}
	text := c.must(exitFailed, "--config", config, "webserver", "check", "--server", "nginx")
	for _, line := range []string{
		"warning  host good.test: it shows a placeholder until a CA has answered (nginx, ",
		"warning  host few.test: certificate few of the config does not have alias.test, so the next one will not",
		"warning  host foreign.test: it shows " + dir + "/own/fullchain.pem, which Certkeep does not write",
		"let it show " + dir + "/ssl/foreign/fullchain.pem and the key beside it",
		"problem  host wrong.test: " + dir + "/own/fullchain.pem does not name wrong.test",
		"the config has no certificate with all of its names: add one",
		"ok       challenge good.test: the web server shows what was put there for CAs",
		"ok       challenge few.test: ", // by way of HTTPS
		"ok       challenge nowhere.test: ",
		"problem  challenge foreign.test: " + plain + " answers Not Found (404) instead of the file that was put into " + dir + "/answers",
		"sent on to https://foreign.test/.well-known/acme-challenge/…",
		"let the virtual host show /.well-known/acme-challenge/ from the folder that the rule names",
		"problems: 2, warnings: 3",
	} {
		contains(t, text, line)
	}
	if left, err := os.ReadDir(dir + "/answers"); err == nil {
		t.Errorf("files are left for CAs: %v", left)
	}
	var found webChecks
	c.shaped("webserver check", c.must(exitFailed, "--config", config, "--json", "webserver", "check", "--server", "nginx"), &found)
	if found.ExitCode != exitFailed || len(found.Checks) != 8 {
		t.Errorf("found %+v", found)
	}

	// The own listener cannot answer where a web server does.
	put(t, config, `state: `+dir+`/state
listen: {status: false, http: "127.0.0.1:`+plainPort+`"}
certificates: {good.test: {files: [], challenges: [{http-01: {}}]}}
`)
	contains(t, c.must(exitFailed, "-q", "--config", config, "webserver", "check", "--server", "nginx"),
		"problem  challenge good.test: Certkeep is to answer at listen.http, "+plain+", where nginx listens (nginx, ")
	contains(t, c.must(exitConfig, "--config", dir+"/none.yaml", "webserver", "check"), "none.yaml")
}
