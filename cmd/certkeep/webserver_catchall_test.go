package main

import (
	"crypto/tls"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/acmetest"
)

// TestWebserverCatchAll has visitors ask a real nginx and a real Apache for names
// that no virtual host has, before and after.
func TestWebserverCatchAll(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"nginx", "apache"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			l := newWebLife(t, kind, acmetest.Options{})
			l.has("www.example.test", "www.example.test", false)
			process := l.server.Start(t, l.plain)
			l.asks(l.directory)
			l.certkeep(0, "webserver", "enable", "www.example.test", "--server", kind, "--write")
			l.has("www.example.test", "www.example.test", true)
			l.certkeep(0, "apply")
			l.answers("https://www.example.test/", 200)
			l.answers("http://unknown.example.test/", 200) // another's site

			folder := l.dir + "/etc/" + kind
			command := []string{"webserver", "catch-all", "--server", kind}
			text := l.certkeep(0, command...)
			contains(t, text, "to write  "+folder+"/catch-all.conf", "nothing was written", "catch-all.invalid")
			if _, err := os.Stat(folder + "/catch-all.conf"); err == nil || strings.Contains(text, "PRIVATE") {
				t.Fatalf("it was written, or shown:\n%s", text)
			}
			told := l.certkeep(0, append(command, "--write")...)
			contains(t, told, "written   "+folder+"/catch-all.conf", "add the lines, and reload the server", map[string]string{
				"nginx": "into the http block of nginx", "apache": "ahead of every <VirtualHost>: before the one at " + l.server.Config + ":",
			}[kind])
			l.catches(map[string]string{"nginx": "include " + folder + "/catch-all.conf;\n", "apache": "Include " + folder + "/catch-all.conf\n"}[kind])
			if err := syscall.Kill(process.PID, syscall.SIGHUP); err != nil {
				t.Fatal(err)
			}
			l.unknown()
			l.answers("https://www.example.test/", 200)
			contains(t, l.certkeep(0, append(command, "--write")...), "is there  "+folder+"/catch-all.conf", "included  ")
			contains(t, l.certkeep(0, "webserver", "update", "--write"), "nothing has changed")
			contains(t, l.certkeep(0, "webserver", "check", "--server", kind), "host www.example.test: its certificate is kept by Certkeep")
			l.wasTaken()
		})
	}
}

// catches has the administrator include the snippet where it was told.
func (l *webLife) catches(include string) {
	l.t.Helper()
	l.configure()
	text := read(l.t, l.server.Config)
	before := "<VirtualHost"
	if l.kind == "nginx" {
		before = "server {"
	}
	put(l.t, l.server.Config, strings.Replace(text, before, include+before, 1))
}

// unknown asks for a name that no virtual host has.
func (l *webLife) unknown() {
	l.t.Helper()
	put(l.t, l.dir+"/answers/token", "token.answer")
	for _, path := range []string{"/answers", "/answers/token"} {
		if err := os.Chmod(l.dir+path, 0o755); err != nil {
			l.t.Fatal(err)
		}
	}
	demands := &tls.Config{InsecureSkipVerify: true}
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		secure, _, refused := l.visit("https://unknown.example.test/", demands)
		plain, _, closed := l.get("http://unknown.example.test/")
		good := refused != nil && strings.Contains(refused.Error(), "unrecognized name") && closed != nil
		if l.kind == "apache" {
			good = refused == nil && secure.StatusCode == 421 && closed == nil && plain.StatusCode == 403
		}
		if good {
			break
		}
		if time.Now().After(end) {
			l.t.Fatalf("over HTTPS %+v %v, over HTTP %+v %v", secure, refused, plain, closed)
		}
	}
	if resp, body, err := l.get("http://unknown.example.test/.well-known/acme-challenge/token"); err != nil || resp.StatusCode != 200 || body != "token.answer" {
		l.t.Errorf("a CA gets %+v %q %v", resp, body, err)
	}
}

// wasTaken has a default host of the administrator's own.
func (l *webLife) wasTaken() {
	l.t.Helper()
	if l.kind == "nginx" {
		l.server.Configure(l.t, "server { listen "+l.plain+" default_server; }\nserver { listen "+l.plain+"; server_name a.test; }")
	} else {
		l.server.Configure(l.t, "Listen "+l.plain+"\n<VirtualHost "+l.plain+">\nDocumentRoot "+l.dir+"\n</VirtualHost>\n<VirtualHost "+l.plain+">\nServerName a.test\n</VirtualHost>\n")
	}
	contains(l.t, l.certkeep(0, "webserver", "catch-all", "--server", l.kind), "has a default host of your own, which stays: "+l.server.Config+":")
	var found webCaught
	l.shaped("webserver catch-all", l.certkeep(0, "--json", "webserver", "catch-all", "--server", l.kind), &found)
	if len(found.Files) != 0 || len(found.Taken) != 1 {
		l.t.Errorf("found %+v", found)
	}
}
