package main

import (
	"bytes"
	"crypto/tls"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/bindtest"
	"github.com/certkeep/certkeep/internal/ocsp"
	"github.com/certkeep/certkeep/internal/servertest"
)

// TestWebserverWildcard has a site for all names below one, which is proven by
// DNS.
func TestWebserverWildcard(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"nginx", "apache"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			bind := bindtest.Start(t, bindtest.Zone{Name: "example.test", Records: "@ A 127.0.0.1\nwww A 127.0.0.1"})
			l := newWebLife(t, kind, acmetest.Options{DNS: bind.Address})
			put(t, l.dir+"/key", string(bind.KeyFile))
			put(t, l.config, read(t, l.config)+`dns: {main: {provider: rfc2136, zones: [example.test], server: "`+bind.Address+`", tsig_file: `+l.dir+`/key, resolver: "`+bind.Address+`", propagation: {servers: ["`+bind.Address+`"]}}}
`)
			put(t, l.config, strings.Replace(read(t, l.config), "challenges: [", `challenges: [{names: ["*.example.test"], dns-01: {via: main}}, `, 1))
			l.has("www.example.test", "www.example.test *.example.test", false)
			l.process = l.server.Start(t, l.plain)
			l.asks(l.directory)
			l.certkeep(0, "webserver", "enable", "www.example.test", "--server", kind, "--force-ssl", "--write")
			l.has("www.example.test", "www.example.test *.example.test", true)
			l.certkeep(0, "apply")
			l.answers("https://any.example.test/", 200)
			l.answers("https://www.example.test/", 200)
			contains(t, l.certkeep(0, "webserver", "update", "--write"), "nothing has changed")
		})
	}
}

// TestWebserverUpdateGiven has names that stand in nginx's snippet alone, of the
// server block that answers by default.
func TestWebserverUpdateGiven(t *testing.T) {
	t.Parallel()
	l := newWebLife(t, "nginx", acmetest.Options{})
	site := func(include, more string) {
		l.server.Configure(t, "server {\n"+include+"\nlisten "+l.plain+" default_server;\nserver_name _;\nroot "+l.dir+"/site;\n}\n"+more)
	}
	site("", "")
	l.server.Start(t, l.plain)
	l.asks(l.directory)
	l.certkeep(0, "webserver", "enable", "www.example.test", "example.test", "--server", "nginx", "--write")
	files := l.files("www.example.test")
	contains(t, read(t, files[1]), "`certkeep webserver enable www.example.test example.test --add-ssl --server nginx`", "server_name www.example.test example.test;")
	site("include "+files[1]+";", "")
	l.certkeep(0, "apply")
	l.answers("https://example.test/", 200)
	before := stat(t, files...)
	site("include "+files[1]+";", "server { listen "+l.plain+"; server_name ww.example.test; return 204; }\n")
	contains(t, l.certkeep(0, "webserver", "update", "--write"), "nothing has changed")
	if stat(t, files...) != before {
		t.Error("it was written again")
	}
	site("", "")
	contains(t, l.certkeep(0, "webserver", "update", "--write"), "www.example.test: no virtual host has this name any more")
}

// TestWebserverStaples has a real nginx start before any CA was asked, with a
// snippet that names the file of an OCSP response, and staple that later. The
// file is there since the snippet was written, or since the placeholder was.
func TestWebserverStaples(t *testing.T) {
	t.Parallel()
	l := newWebLife(t, "nginx", acmetest.Options{OCSP: true})
	file := l.dir + "/ocsp/www.example.test.ocsp"
	put(t, l.config, strings.Replace(read(t, l.config), "defaults: {", "defaults: {ocsp: {file: \""+l.dir+"/ocsp/{name}.ocsp\"}, ", 1))
	l.asks(nowhere)
	l.has("www.example.test", "www.example.test", false)
	l.certkeep(0, "webserver", "enable", "www.example.test", "--server", "nginx", "--write")
	contains(t, read(t, l.files("www.example.test")[1]), "ssl_stapling on;\nssl_stapling_file \""+file+"\";\n")
	if read(t, file) != string(ocsp.TryLater()) {
		t.Errorf("the file has %x", read(t, file))
	}
	if err := os.RemoveAll(l.dir + "/ocsp"); err != nil { // another machine, with the same config
		t.Fatal(err)
	}
	l.has("www.example.test", "www.example.test", true)
	l.certkeep(exitMissing, "apply", "--only", "install")
	if read(t, file) != string(ocsp.TryLater()) {
		t.Errorf("the file has %x", read(t, file))
	}
	l.server.Start(t, l.plain)
	l.answers("http://www.example.test/", 200)
	l.asks(l.directory)
	l.certkeep(0, "apply")
	l.staples(file)
	contains(t, l.certkeep(0, "webserver", "update", "--write"), "nothing has changed")
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	l.certkeep(0, "apply") // what was deleted comes back
	l.staples(file)
}

// staples waits until the response of a file is stapled, which says more than
// that there is none.
func (l *webLife) staples(file string) {
	l.t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		kept := []byte(read(l.t, file))
		resp, _, err := l.visit("https://www.example.test/", &tls.Config{RootCAs: l.roots})
		if err == nil && len(kept) > len(ocsp.TryLater()) && bytes.Equal(resp.TLS.OCSPResponse, kept) {
			return
		}
		if time.Now().After(end) {
			l.t.Fatalf("%d bytes are kept; %+v, %v", len(kept), resp, err)
		}
	}
}

// TestWebserverStapleOfNobody: Apache staples by itself, and nginx knows one file
// for a server block, not one for each type of key.
func TestWebserverStapleOfNobody(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	server := servertest.NginxIn(t, dir)
	server.Shim(t, "nginx")
	server.Configure(t, `server { listen 127.0.0.1:8080; server_name a.test; }`)
	w := newWebTestOffline(t, server, dir, `listen: {status: false}
defaults: {key_types: [rsa-2048, ecdsa-p256], ocsp: {file: "`+dir+`/{name}.{key_type}.ocsp"}}
`)
	if text := w.certkeep(0, "webserver", "enable", "a.test", "--server", "nginx"); strings.Contains(text, "stapling") {
		t.Errorf("with two types of key:\n%s", text)
	}
}
