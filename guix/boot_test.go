package guix

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Without a daemon the Shepherd looks at boot, too: again while the network is
// not there, and not where nothing is mended by that.
func TestBoot(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		exits, want string
		runs        int
	}{
		{"5 4 0", "#t", 3},
		{"3", "#f", 1},
		{strings.Repeat("4 ", 20), "#f", 13},
	} {
		dir := t.TempDir()
		// The program tells what it is called with, and ends as it is told. It has the
		// shell alone: there is nothing in Guix's PATH here.
		program := fmt.Sprintf("#!/bin/sh\necho \"$*, $SSL_CERT_DIR\" >> %[1]s/runs\nset -- 0 %[2]s\nwhile read -r _; do shift; done < %[1]s/runs\nexit $1\n", dir, c.exits)
		if err := os.WriteFile(filepath.Join(dir, "certkeep"), []byte(program), 0o755); err != nil {
			t.Fatal(err)
		}
		e := mustExpand(t, "nginx", `(certkeep-configuration (package "`+dir+`/certkeep") (daemon? #f))`)
		shepherd := e.read("shepherd.scm")
		start := regexp.MustCompile(`\(\(certkeep-boot one-shot\) \(user-processes nginx\) (\(lambda _ .*) #f \(\)\)\)`).FindStringSubmatch(shepherd)
		if start == nil || !strings.Contains(shepherd, "((certkeep-renewal) (user-processes nginx) ") {
			t.Fatal(shepherd)
		}
		said, err := guile(t, e.dir, "-c", "(write ("+strings.Replace(start[1], "(sleep 10)", "(sleep 0)", 1)+"))")
		if err != nil || said != c.want {
			t.Errorf("exits %s: %s, %v", c.exits, said, err)
		}
		runs, err := os.ReadFile(filepath.Join(dir, "runs"))
		if want := strings.Repeat("--config /etc/certkeep/certkeep.json -q apply, /etc/ssl/certs\n", c.runs); err != nil || string(runs) != want {
			t.Errorf("exits %s: the program was called\n%s%v", c.exits, runs, err)
		}
	}
}

// nginx is up before it has to answer a challenge. Where it may wait for a
// certificate itself, Certkeep does not wait for nginx.
func TestRequires(t *testing.T) {
	t.Parallel()
	const alone = `(domains '("b.test")) (challenge "dns-01") (authentication-hook "x") (start-self-signed? #f)`
	for _, c := range []struct{ kind, certificate, want string }{
		{"nginx", `(domains '("a.test"))`, "(user-processes nginx)"},
		{"nginx", `(domains '("a.test")) (start-self-signed? #f)`, "(user-processes nginx)"},
		{"nginx", alone, "(user-processes)"},
		{"standalone", `(domains '("a.test"))`, "(user-processes)"},
	} {
		e := mustExpand(t, c.kind, "(certkeep-configuration (certificates (list (certkeep-certificate-configuration "+c.certificate+"))))")
		if got := e.read("shepherd.scm"); !strings.HasPrefix(got, "(((certkeep) "+c.want+" ") {
			t.Errorf("%s with %s: %s", c.kind, c.certificate, got)
		}
	}
}
