package main

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/bindtest"
	"github.com/certkeep/certkeep/internal/faultfs"
)

// bot is a machine that acmebot was set up for: its configuration, and the
// servers that this speaks of.
type bot struct {
	*testing.T
	dir     string // what acmebot has below / lies below it
	program string
	ca      *acmetest.CA
	dns     *bindtest.Server
	logs    *ctLogs
}

// newBot sets one up with the configuration in testdata/acmebot: the main
// file, and files that become its conf.d. Places are put where the test may
// write, and nothing else is changed.
func newBot(t *testing.T, extra ...string) *bot {
	t.Helper()
	return newBotOf(t, buildProgram(t), extra...)
}

// newBotOf sets one up for a program that was built before.
func newBotOf(t *testing.T, program string, extra ...string) *bot {
	t.Helper()
	b := &bot{T: t, dir: t.TempDir(), program: program, logs: newCTLogs(t)}
	b.dns = bindtest.StartAt(t, "127.0.0.1:53",
		bindtest.Zone{Name: "example.com", Records: "@ A 127.0.0.1\nwww A 127.0.0.1\nmail A 127.0.0.1\nsmtp A 127.0.0.1"},
		bindtest.Zone{Name: "example1.com", Records: "@ A 127.0.0.1"},
		bindtest.Zone{Name: "example2.com", Records: "@ A 127.0.0.1"})
	b.ca = acmetest.Start(t, acmetest.Options{HTTPPort: 80, DNS: b.dns.Address, OCSP: true, Settle: true})
	b.folders()
	b.stubs()
	b.write("etc/acmebot/roots.pem", string(b.ca.RootPEM()), 0o600)
	b.write("etc/acmebot/acmebot.json", b.moved("acmebot.json"), 0o600)
	for _, name := range extra {
		b.write("etc/acmebot/conf.d/"+name, b.moved(name), 0o600)
	}
	b.updateKeys()
	b.roots()
	b.web()
	return b
}

// moved is a file of testdata with other places in it: paths, the URLs of the
// CA and of logs, and who owns files.
func (b *bot) moved(name string) string {
	b.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "acmebot", name))
	if err != nil {
		b.Fatal(err)
	}
	places := []string{
		`"/etc/`, `"` + b.dir + `/etc/`,
		`"/var/`, `"` + b.dir + `/var/`,
		"https://acme-v02.api.letsencrypt.org/directory", b.ca.DirectoryURL(),
		"https://ct.googleapis.com/", b.logs.url + "/",
	}
	if _, err := user.LookupGroup("ssl-cert"); err != nil || os.Getenv("CI") != "" {
		places = append(places, `"ssl-cert"`, `"`+groupName(b)+`"`)
	}
	return strings.NewReplacer(places...).Replace(string(text))
}

// groupName is the group of whoever runs the test.
func groupName(t testing.TB) string {
	t.Helper()
	group, err := user.LookupGroupId(fmt.Sprint(os.Getgid()))
	if err != nil {
		t.Fatal(err)
	}
	return group.Name
}

func (b *bot) at(name string) string { return filepath.Join(b.dir, name) }

func (b *bot) write(name, text string, mode os.FileMode) {
	b.Helper()
	if err := os.MkdirAll(filepath.Dir(b.at(name)), 0o755); err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(b.at(name), []byte(text), mode); err != nil {
		b.Fatal(err)
	}
}

func (b *bot) read(name string) string {
	b.Helper()
	text, err := os.ReadFile(b.at(name))
	if err != nil {
		b.Fatal(err)
	}
	return string(text)
}

// folders are those that an administrator makes: of web sites, and for logs.
func (b *bot) folders() {
	b.Helper()
	for _, name := range []string{"var/www/htdocs", "var/log", "var/run", "var/local", "etc/ssl"} {
		if err := os.MkdirAll(b.at(name), 0o755); err != nil {
			b.Fatal(err)
		}
	}
}

// stubs are the programs that services and hooks run: each notes how it was run.
func (b *bot) stubs() {
	b.Helper()
	note := "#!/bin/sh\necho \"${0##*/} $*\" >>" + b.at("said") + "\n"
	for _, name := range []string{"nginx", "postfix", "doveadm", "doveconf", "scp"} {
		b.write("bin/"+name, note, 0o755)
	}
	b.write("bin/systemctl", "#!/bin/sh\nif test \"$1\" = show; then echo LoadState=loaded; echo ActiveState=active; exit; fi\n"+strings.TrimPrefix(note, "#!/bin/sh\n"), 0o755)
	b.write("etc/bind/reload-zone.sh", note, 0o755)
	b.write("said", "", 0o600)
}

// said is what stubs were told since the last time, sorted.
func (b *bot) said() []string {
	b.Helper()
	lines := strings.Split(strings.TrimSpace(strings.ReplaceAll(b.read("said"), b.dir, "")), "\n")
	b.write("said", "", 0o600)
	slices.Sort(lines)
	return lines
}

// updateKeys writes the keys of zones: one as BIND has it, the others as
// dnssec-keygen does.
func (b *bot) updateKeys() {
	b.Helper()
	b.write("etc/ssl/update_keys/update.example.com.key", string(b.dns.KeyFile), 0o600)
	secret := regexp.MustCompile(`secret "([^"]+)"`).FindSubmatch(b.dns.KeyFile)
	record := fmt.Sprintf("%s. IN KEY 512 3 163 %s\n", b.dns.KeyName, secret[1])
	b.write("etc/ssl/update_keys/update.example1.com.key", record, 0o600)
	b.write("etc/ssl/update_keys/update.example2.com.key", record, 0o600)
}

// roots puts the roots of the CA beside the configuration.
func (b *bot) roots() {
	b.Helper()
	roots, err := b.ca.IssuingRoots(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	b.write("etc/acmebot/root_cert.rsa.pem", string(roots[0]), 0o644)
	b.write("etc/acmebot/root_cert.ecdsa.pem", string(roots[0]), 0o644)
}

// web is the web server at port 80, with the folders of the sample.
func (b *bot) web() {
	b.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:80")
	if err != nil {
		b.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, _ := strings.Cut(r.Host, ":")
		folder := map[string]string{"example.com": "var/www/htdocs", "www.example.com": "var/www/htdocs"}[host]
		if folder == "" {
			http.NotFound(w, r)
			return
		}
		http.FileServer(http.Dir(b.at(folder))).ServeHTTP(w, r)
	}))
	_ = server.Listener.Close()
	server.Listener = listener
	server.Start()
	b.Cleanup(server.Close)
}

// args are the program's arguments, with acmebot's configuration.
func (b *bot) args(args ...string) []string {
	return append([]string{"--config", b.at("etc/acmebot/acmebot.json")}, args...)
}

// env is the program's environment. The CA's server is believed by the roots of
// the system, which it names.
func (b *bot) env() []string {
	own := append(os.Environ(), "PATH="+b.at("bin")+":"+os.Getenv("PATH"), "SSL_CERT_FILE="+b.at("etc/acmebot/roots.pem"))
	return (&exec.Cmd{Env: own}).Environ() // each variable once
}

// run runs the program with the configuration.
func (b *bot) run(args ...string) (out string, status int) {
	b.Helper()
	cmd := exec.Command(b.program, b.args(args...)...)
	cmd.Env = b.env()
	text, err := cmd.CombinedOutput()
	if _, exited := err.(*exec.ExitError); err != nil && !exited {
		b.Fatal(err)
	}
	return strings.ReplaceAll(string(text), b.dir, ""), cmd.ProcessState.ExitCode()
}

// does runs the program, which has to end well.
func (b *bot) does(args ...string) string {
	b.Helper()
	out, status := b.run(args...)
	if status != 0 {
		b.Fatalf("certkeep %s: exit code %d\n%s", strings.Join(args, " "), status, out)
	}
	return out
}

// tree is all that lies in acmebot's folders, with owners, modes and times.
func (b *bot) tree() map[string]string {
	b.Helper()
	tree, err := faultfs.Tree(b.dir, func(path string) bool {
		return path == "bin" || path == "said" || path == "var/log" || path == "var/local/acmebot/certkeep/lock"
	})
	if err != nil {
		b.Fatal(err)
	}
	return tree
}
