package nix

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/certkeep/certkeep/internal/servertest"
)

// text is the unit as NixOS writes it: a line for each value.
func (u unit) text() string {
	var b strings.Builder
	section := func(name string, values map[string]any) {
		fmt.Fprintf(&b, "[%s]\n", name)
		for _, key := range slices.Sorted(maps.Keys(values)) {
			list, several := values[key].([]any)
			if !several {
				list = []any{values[key]}
			}
			for _, v := range list {
				fmt.Fprintf(&b, "%s=%v\n", key, v)
			}
		}
	}
	whole := map[string]any{
		"Description": u.Description, "Documentation": strings.Join(u.Documentation, " "), "Wants": strings.Join(u.Wants, " "),
		"Requires": strings.Join(u.Requires, " "), "PartOf": strings.Join(u.PartOf, " "),
		"After": strings.Join(u.After, " "), "Before": strings.Join(u.Before, " "),
	}
	maps.Copy(whole, u.UnitConfig)
	section("Unit", whole)
	section("Service", u.ServiceConfig)
	return b.String()
}

func (t target) text() string {
	return fmt.Sprintf("[Unit]\nDescription=%s\nRequires=%s\nAfter=%s\n", t.Description, strings.Join(t.Requires, " "), strings.Join(t.After, " "))
}

// TestUnits has systemd read the units of every example, and looks at what
// must be in them.
func TestUnits(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	analyze := servertest.Find(t, "systemd-analyze")
	for _, name := range examples(t) {
		s, _ := m.example(t, name)
		dir := filepath.Join(m.dir, name)
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		m.executable(t)
		args := []string{"verify", "--man=no"}
		for name, target := range s.Targets {
			path := filepath.Join(dir, name+".target")
			if err := os.WriteFile(path, []byte(target.text()), 0o644); err != nil {
				t.Fatal(err)
			}
			args = append(args, path)
		}
		for unit, u := range s.Units {
			path := filepath.Join(dir, unit+".service")
			if err := os.WriteFile(path, []byte(strings.ReplaceAll(u.text(), "/nix/store", m.made("/nix/store"))), 0o644); err != nil {
				t.Fatal(err)
			}
			args = append(args, path)
		}
		// It exits with 0 for keys that it does not know.
		if out, err := exec.Command(analyze, args...).CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%s: systemd-analyze verify: %v\n%s", name, err, out)
		}
		// Of 10. What is left is being root, with the capabilities that files of others need.
		out, err := exec.Command(analyze, "security", "--offline=true", "--no-pager", "--threshold=32", filepath.Join(dir, "certkeep.service")).CombinedOutput()
		if err != nil {
			t.Errorf("%s: systemd-analyze security: %v\n%s", name, err, out)
		}
		daemon, setup := s.Units["certkeep"], s.Units["certkeep-setup"]
		want(t, "type", daemon.ServiceConfig["Type"], any("notify"))
		want(t, "start", daemon.ServiceConfig["ExecStart"], any(m.programs()+"/certkeep/bin/certkeep --config /etc/certkeep/certkeep.json run"))
		for key, value := range map[string]any{"StateDirectory": "certkeep", "ProtectSystem": "strict", "NoNewPrivileges": true, "StateDirectoryMode": "0700"} {
			want(t, key, daemon.ServiceConfig[key], value)
		}
		if _, found := s.Units["certkeep-setup"]; found {
			want(t, "setup goes first", slices.Contains(daemon.After, "certkeep-setup.service"), true)
			want(t, "what both may do", setup.ServiceConfig["CapabilityBoundingSet"], daemon.ServiceConfig["CapabilityBoundingSet"])
		}
	}
}

// TestOrder has a service wait for its certificate that is also reloaded:
// systemd finds no cycle. Certkeep starts after web servers only that answer a
// challenge.
func TestOrder(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	s := m.evaluate(t, `{
		services.nginx = { enable = true; virtualHosts."dns.example.com" = { }; };
		services.httpd = { enable = true; virtualHosts."www.example.com" = { }; };
		services.certkeep = {
			enable = true; acceptTerms = true;
			nginx."dns.example.com" = { addSSL = true; acmeRoot = null; };
			httpd."www.example.com".addSSL = true;
			certs."dns.example.com".dnsProvider = "rfc2136";
			certs."mail.example.com" = { webroot = "/w"; reloadServices = [ "opensmtpd" ]; };
			certs."static.example.com" = { webroot = "/s"; reloadServices = [ "lighttpd" ]; };
		};
	}`)
	want(t, "broken assertions", s.Broken, []string{})
	want(t, "after", s.Units["certkeep"].After, []string{"network-online.target", "nss-lookup.target", "certkeep-setup.service", "lighttpd.service", "httpd.service"})
	waiting := "[Unit]\nRequires=certkeep-finished@mail.example.com.target\nAfter=certkeep-finished@mail.example.com.target\n[Service]\nExecStart=/bin/true\n"
	dir := filepath.Join(m.dir, "order")
	files := map[string]string{"opensmtpd.service": waiting, "certkeep-finished@.target": s.Targets["certkeep-finished@"].text()}
	for name, u := range s.Units {
		files[name+".service"] = strings.ReplaceAll(u.text(), "/nix/store", m.made("/nix/store"))
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	m.executable(t)
	for name, text := range files {
		// What wants a unit is said by a link elsewhere: here by the one that does.
		if name == "opensmtpd.service" {
			text = strings.Replace(text, "[Unit]\n", "[Unit]\nWants=certkeep.service certkeep-setup.service\n", 1)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.Command(servertest.Find(t, "systemd-analyze"), "verify", "--man=no", filepath.Join(dir, "opensmtpd.service")).CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
}

func examples(t *testing.T) []string {
	t.Helper()
	found, err := filepath.Glob("testdata/examples/*.nix")
	if err != nil || len(found) < 5 {
		t.Fatalf("examples: %q, %v", found, err)
	}
	for i, path := range found {
		found[i] = strings.TrimSuffix(filepath.Base(path), ".nix")
	}
	return found
}

// TestRights has a unit that may do what its certificates need, and no more.
func TestRights(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	for certificate, binds := range map[string]bool{`webroot = "/w"`: false, `listenHTTP = ":80"`: true, `listenHTTP = ":8080"`: false, `listenTLS = "[::1]:443"`: true} {
		s := m.evaluate(t, `{ services.certkeep = { enable = true; acceptTerms = true; certs."a.example.com".`+certificate+`; readWritePaths = [ "/srv/tls" ]; environmentFile = "/run/e"; }; }`)
		service := s.Units["certkeep"].ServiceConfig
		capabilities, _ := service["CapabilityBoundingSet"].([]any)
		want(t, certificate+": may bind low ports", slices.Contains(capabilities, any("CAP_NET_BIND_SERVICE")), binds)
		paths, _ := service["ReadWritePaths"].([]any)
		want(t, certificate+": writes to its webroot", slices.Contains(paths, any("-/w")), strings.HasPrefix(certificate, "webroot"))
		want(t, certificate+": writes to what is named", slices.Contains(paths, any("-/srv/tls")), true)
		want(t, "environment", service["EnvironmentFile"], any("-/run/e"))
		_, placeholders := s.Units["certkeep-setup"]
		want(t, "placeholders, which nobody would read", placeholders, false)
	}
}

// TestWebrootOfEachName has a folder for each name lie below one that is made
// and may be written.
func TestWebrootOfEachName(t *testing.T) {
	t.Parallel()
	s := newMachine(t).evaluate(t, `{ services.certkeep = { enable = true; acceptTerms = true; certs."a.example.com".webroot = "/srv/www/{zone}/{host}/htdocs"; }; }`)
	_, made := s.Tmpfile["10-certkeep"]["/srv/www"]
	want(t, "folders", []any{made, len(s.Tmpfile["10-certkeep"])}, []any{true, 2})
	want(t, "may be written", s.Units["certkeep"].ServiceConfig["ReadWritePaths"], any([]any{"-/var/lib/certkeep-certs", "-/srv/www"}))
}

// TestPostRun runs the hook as Certkeep does, with a systemd-run and a systemctl
// that print what they were told: services are reloaded after the commands, and
// not where the commands fail.
func TestPostRun(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	_, cfg := m.example(t, "everything")
	hook := m.made(cfg.Hooks["installed"].Command.Args[0])
	if out, err := postRun(hook, "tls.example.com"); out != "" || err != nil {
		t.Errorf("a certificate without postRun: %s, %v", out, err)
	}
	out, err := postRun(hook, "mail.example.com")
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	told, after, _ := strings.Cut(out, "systemctl ")
	want(t, "reload", after, "try-reload-or-restart postfix.service dovecot2.service app@one.service\n")
	lines := strings.Fields(told)
	if !slices.Contains(lines, "--wait") || !slices.Contains(lines, "--working-directory=/var/lib/acme/mail.example.com") {
		t.Errorf("systemd-run %q", lines)
	}
	for _, name := range []string{"coreutils", "diffutils", "openssl", "systemd"} {
		if i := slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, "--setenv=PATH=") }); i < 0 || !strings.Contains(lines[i], m.programs()+"/"+name+"/bin") {
			t.Errorf("%s is not in the PATH: %q", name, lines)
		}
	}
	if text := read(t, m.made(lines[len(lines)-1])); !strings.Contains(text, "systemctl restart opensmtpd") {
		t.Errorf("what is run: %s", text)
	}
	if err := os.WriteFile(filepath.Join(m.programs(), "systemd/bin/systemd-run"), []byte("#!/bin/sh\nexit 7\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := postRun(hook, "mail.example.com"); out != "" || err == nil || err.Error() != "exit status 7" {
		t.Errorf("commands that fail: %s, %v", out, err)
	}
}

func postRun(hook, certificate string) (string, error) {
	cmd := exec.Command("sh", hook)
	cmd.Env = []string{"PATH=/usr/bin:/bin", "CERTKEEP_CERTIFICATE=" + certificate}
	out, err := cmd.CombinedOutput()
	return string(out), err
}
