package main

import (
	"crypto/x509"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/chain"
	"github.com/certkeep/certkeep/internal/servertest"
)

// test has the server test its configuration.
func (l *webLife) test() {
	l.t.Helper()
	program := map[string]string{"nginx": "nginx", "apache": "apache2ctl"}[l.kind]
	if out, err := exec.Command(filepath.Join(l.server.Bin(), program), "-t").CombinedOutput(); err != nil {
		l.t.Fatalf("the server refuses its configuration: %v\n%s", err, out)
	}
}

// TestWebserverPlaceholderFirst has the administrator add the line before
// `apply`: a real nginx and a real Apache take their configuration all the time,
// are never stopped, and go on from the very placeholder to the certificate.
func TestWebserverPlaceholderFirst(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"nginx", "apache"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			l := newWebLife(t, kind, acmetest.Options{})
			l.asks(nowhere)
			l.has("www.example.test", "www.example.test", false)
			l.has("other.example.test", "other.example.test", false)
			l.process = l.server.Start(t, l.plain)
			end := l.visited("http://other.example.test/")
			enable := []string{"webserver", "enable", "www.example.test", "--server", kind, "--write"}
			files := []string{l.dir + "/ssl/www.example.test/privkey.pem", l.dir + "/ssl/www.example.test/fullchain.pem", l.dir + "/ssl/www.example.test/placeholder"}
			contains(t, l.certkeep(0, enable[:len(enable)-1]...), "to make   "+files[0], "to make   "+files[1])
			if _, err := os.Stat(l.dir + "/ssl"); err == nil {
				t.Error("made without --write")
			}
			contains(t, l.certkeep(0, enable...), "written   "+files[0], "written   "+files[1])
			before := stat(t, files...)
			l.has("www.example.test", "www.example.test", true)
			l.test()

			// Killed between the placeholder and the snippet.
			if err := os.Remove(l.files("www.example.test")[1]); err != nil {
				t.Fatal(err)
			}
			l.has("www.example.test", "www.example.test", false)
			if text := l.certkeep(0, enable...); strings.Contains(text, files[0]) {
				t.Errorf("said of a placeholder that is there:\n%s", text)
			}
			l.has("www.example.test", "www.example.test", true)
			l.test()

			l.certkeep(exitMissing, "apply")
			resp := l.shows("www.example.test", "a placeholder", func(leaf *x509.Certificate) bool {
				return slices.Contains(leaf.Subject.Organization, chain.PlaceholderOrganization)
			})
			if resp.StatusCode != 503 || stat(t, files...) != before {
				t.Errorf("status %d; was the placeholder made again?\n%s", resp.StatusCode, before)
			}
			contains(t, l.certkeep(0, "history", "www.example.test"), "a placeholder was there already")

			l.asks(l.directory)
			l.certkeep(0, "apply", "www.example.test")
			l.answers("https://www.example.test/", 200)
			contains(t, l.certkeep(0, "status", "www.example.test"), "verified")
			if _, err := os.Stat(files[2]); err == nil {
				t.Error("the mark of the placeholder is still there")
			}

			// With a CA, the first `apply` has the server read the snippet before it orders.
			before = stat(t, files[:2]...)
			l.certkeep(0, "webserver", "enable", "other.example.test", "--server", kind, "--write")
			l.has("other.example.test", "other.example.test", true)
			l.test()
			l.certkeep(0, "apply")
			l.answers("https://other.example.test/", 200)
			if stat(t, files[:2]...) != before {
				t.Error("the other site was touched")
			}
			asked, failed, last := end()
			if asked < 20 || failed > 0 || !lives(l.process.PID) {
				t.Errorf("%d of %d visitors were not answered: %v", failed, asked, last)
			}
		})
	}
}

// TestWebserverPlaceholderAsConfigured: layout, kinds of key, owner and mode are
// those of the config.
func TestWebserverPlaceholderAsConfigured(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("needs root to give files to another user")
	}
	dir := servertest.Folder(t)
	who := servertest.Ordinary(t)
	server := servertest.NginxIn(t, dir)
	server.Shim(t, "nginx")
	snippet := dir + "/etc/nginx/a.test.conf"
	host := func(line string) {
		server.Configure(t, "server {\n"+line+"\nlisten 127.0.0.1:80;\nserver_name a.test;\n}\n")
	}
	host("")
	w := newWebTestOffline(t, server, dir, "listen: {status: false}\ndefaults: {path: "+dir+"/ssl, layout: certbot, key_types: [ecdsa-p256, rsa-3072], group: "+who.Group+"}\n")
	w.certkeep(0, "webserver", "enable", "a.test", "--server", "nginx", "--write")
	host("include " + snippet + ";")
	contains(t, w.certkeep(0, "webserver", "list", "--server", "nginx"), "shows       "+dir+"/ssl/live/a.test/fullchain.pem", "shows       "+dir+"/ssl/live/a.test/fullchain.rsa-3072.pem")
	for _, name := range []string{"privkey.pem", "privkey.rsa-3072.pem"} {
		info, err := os.Stat(dir + "/ssl/live/a.test/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Sys().(*syscall.Stat_t).Gid; info.Mode().Perm() != 0o640 || got == 0 {
			t.Errorf("%s: mode %o, group %d", name, info.Mode().Perm(), got)
		}
	}
}

// TestWebserverPlaceholderOfAnotherUser has root enable a site beside a state that
// belongs to somebody else: he has to be able to replace what is made, so nothing
// of it is root's, and nothing is made where he may not write.
func TestWebserverPlaceholderOfAnotherUser(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("needs root to give a folder to another user")
	}
	dir := servertest.Folder(t)
	who := servertest.Ordinary(t)
	server := servertest.NginxIn(t, dir)
	server.Shim(t, "nginx")
	server.Configure(t, "server {\nlisten 127.0.0.1:80;\nserver_name a.test;\n}\n")
	w := newWebTestOffline(t, server, dir, "listen: {status: false}\ndefaults: {path: "+dir+"/ssl}\n")
	for _, folder := range []string{"/state", "/ssl"} {
		if err := os.Mkdir(dir+folder, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	who.Own(t, dir+"/state")
	for path, mode := range map[string]os.FileMode{"/etc": 0o755, "/etc/certkeep.yaml": 0o644} {
		if err := os.Chmod(dir+path, mode); err != nil {
			t.Fatal(err)
		}
	}
	enable := []string{"webserver", "enable", "a.test", "--server", "nginx", "--write"}
	contains(t, w.certkeep(exitFailed, enable...), "no placeholder could be made", "permission denied")
	for _, path := range []string{"/etc/conf.d/webserver-a.test.yaml", "/etc/nginx/a.test.conf", "/ssl/a.test"} {
		if _, err := os.Lstat(dir + path); err == nil {
			t.Errorf("%s was written", path)
		}
	}
	// Root does not follow him to a folder that he may not enter.
	if err := errors.Join(os.Mkdir(dir+"/secret", 0o700), os.Symlink("../secret", dir+"/ssl/.versions")); err != nil {
		t.Fatal(err)
	}
	who.Own(t, dir+"/ssl")
	contains(t, w.certkeep(exitFailed, enable...), "no placeholder could be made")
	if left, err := os.ReadDir(dir + "/secret"); err != nil || len(left) > 0 {
		t.Errorf("root wrote %v, %v", left, err)
	}
	if err := os.Remove(dir + "/ssl/.versions"); err != nil {
		t.Fatal(err)
	}
	w.certkeep(0, enable...)
	found := 0
	err := filepath.WalkDir(dir+"/ssl", func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		if found++; info.Sys().(*syscall.Stat_t).Uid == 0 {
			t.Errorf("%s is root's", path)
		}
		return nil
	})
	if err != nil || found < 6 {
		t.Errorf("%d files, %v", found, err)
	}
}
