// Package nix holds the NixOS module services.certkeep and the package for it.
// What is Go here tests them: the module is evaluated by nix against a small
// lib of the tests' own (testdata/lib.nix) and the options of NixOS that it
// sets (testdata/nixos.nix), and what comes out is read by Certkeep. No NixOS
// is booted.
package nix

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/config"
)

func TestWebroot(t *testing.T) {
	t.Parallel()
	s, cfg := newMachine(t).example(t, "webroot")
	made, ok := s.Tmpfile["10-certkeep"]["/var/www/html"]
	want(t, "folder, which stays as it is", []any{ok, made["d"]}, []any{true, rule{}})
	cert := cfg.Certificate("example.com")
	want(t, "names", cert.Names, []string{"example.com", "www.example.com"})
	want(t, "methods", cfg.MethodsFor("example.com", "example.com", false), []config.Method{{Type: config.MethodHTTP01, Webroot: "/var/www/html"}})
	want(t, "layout, path, group", []string{cert.Layout, cert.Path, cert.Group}, []string{"nixos", "/var/lib/certkeep-certs", "certkeep"})
	want(t, "services", cert.Services, []string{"lighttpd.service"})
	want(t, "terms, email", []any{cfg.Terms.All, cfg.Email}, []any{true, "admin@example.com"})
	want(t, "issuers", cert.Issuers, []string{"letsencrypt"})
	want(t, "listeners", []string{cfg.Listen.HTTP.Address, cfg.Listen.TLS}, []string{"", ""})
	reload := cfg.Services["lighttpd.service"].Reload[0].Args
	want(t, "reload", reload[1:], []string{"try-reload-or-restart", "lighttpd.service"})
}

func TestDNS(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	s, cfg := m.example(t, "dns")
	via := func(cert, name string, wildcard bool) string {
		t.Helper()
		methods := cfg.MethodsFor(cert, name, wildcard)
		if len(methods) != 1 || methods[0].Type != config.MethodDNS01 {
			t.Fatalf("%s is proven by %v", name, methods)
		}
		return methods[0].Via
	}
	want(t, "entries", []string{via("example.com", "example.com", true), via("example.net", "example.net", true), via("example.org", "example.org", false)},
		[]string{"defaults", "defaults", "cert-example.org"})
	want(t, "the certificate that has a webroot of its own", cfg.MethodsFor("static.example.com", "static.example.com", false)[0].Webroot, "/srv/static")
	want(t, "names", cfg.Certificate("example.net").Names, []string{"*.example.net"})
	entry := cfg.DNS["defaults"]
	want(t, "entry", []any{entry.Provider, entry.Server, entry.Propagation.Off, entry.TSIGFile},
		[]any{"rfc2136", "127.0.0.1:53", true, "/run/credentials/certkeep.service/defaults.RFC2136_TSIG_FILE"})
	want(t, "terms", cfg.Terms.Issuers, []string{"letsencrypt"})
	loaded, _ := s.Units["certkeep"].ServiceConfig["LoadCredential"].([]any)
	want(t, "credentials", loaded, []any{
		"defaults.RFC2136_TSIG_FILE:/run/secrets/update.key",
		"cert-example.org.TOKEN_FILE:/run/secrets/token", "cert-example.org.environment:/run/secrets/dns.env",
	})
	if text := read(t, m.made(s.File)); strings.Contains(text, "/run/secrets") {
		t.Errorf("the configuration names the source of a secret:\n%s", text)
	}
}

func TestEverything(t *testing.T) {
	t.Parallel()
	s, cfg := newMachine(t).example(t, "everything")
	mail := cfg.Certificate("mail.example.com")
	issuers := mail.Issuers
	if len(issuers) != 3 || issuers[0] != "corp" || issuers[2] != "letsencrypt" || !strings.HasPrefix(issuers[1], "acme.example.net-") {
		t.Fatalf("issuers: %q", issuers)
	}
	want(t, "directory", cfg.Issuers[issuers[1]].Directory, "https://acme.example.net:14000/dir")
	want(t, "key types", fmt.Sprint(mail.KeyTypes), "[ecdsa-p384 rsa-2048]")
	want(t, "profile, staple, group, reuse", []any{mail.Profile, mail.MustStaple, mail.Group, mail.KeyReuse}, []any{"tlsserver", true, "mail", true})
	want(t, "renewal, of both sources", []any{mail.Renew.Before.Fixed, mail.Renew.ARI}, []any{20 * 24 * time.Hour, false})
	want(t, "files", mail.Files[0].Path, "/srv/tls/mail.pem")
	want(t, "services", mail.Services, []string{"postfix", "dovecot", "app-one.service"})
	want(t, "verified", fmt.Sprint(cfg.Services["postfix"].Verify, len(cfg.Services["postfix"].Check)), "[{25 smtp}] 0")
	want(t, "concurrency", cfg.Concurrency, 1000)
	want(t, "listeners", []string{cfg.Listen.HTTP.Address, cfg.Listen.TLS}, []string{"192.0.2.1:80", ":443"})
	want(t, "log", cfg.Log.Level, "debug")
	want(t, "own challenge", cfg.MethodsFor("tls.example.com", "tls.example.com", false), []config.Method{{Type: config.MethodTLSALPN01}})
	alone := cfg.Certificate("alone.example.com")
	want(t, "not inherited", []any{len(alone.Services), alone.Profile, alone.Group, alone.Issuers}, []any{0, "", "certkeep", []string{"letsencrypt"}})
	want(t, "directory", s.Certs["mail.example.com"]["directory"], any("/var/lib/acme/mail.example.com"))
	want(t, "hook", len(cfg.Hooks["installed"].Command.Args), 1)
}

// TestRequest has a signing request of the administrator's own, with defaults
// that say otherwise: the request decides.
func TestRequest(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{DNSNames: []string{"own.example.com"}}, key)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(m.dir, "own.csr")
	if err := os.WriteFile(path, der, 0o600); err != nil {
		t.Fatal(err)
	}
	s := m.evaluate(t, `{ services.certkeep = { enable = true; acceptTerms = true;
		defaults = { webroot = "/w"; keyType = "rsa2048"; ocspMustStaple = true; };
		certs.own = { csr = "`+path+`"; csrKey = "/var/lib/secrets/own.key"; }; }; }`)
	want(t, "broken assertions", s.Broken, []string{})
	cfg, warnings, err := config.Load(m.made(s.File))
	if err != nil || len(warnings) > 0 {
		t.Fatal(err, warnings)
	}
	want(t, "names", cfg.Certificate("own").Names, []string{"own.example.com"})
	want(t, "key", cfg.Certificate("own").CSR.KeyFile, "/var/lib/secrets/own.key")
}

// TestDefaultsInherit looks at every option of defaults that there is: a
// certificate that sets none has its value, and one that does not inherit has
// the value that the option has by itself.
func TestDefaultsInherit(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	given := map[string]string{
		"email": `"a@example.com"`, "server": `"google"`, "keyType": `"rsa4096"`, "validMinDays": `7`, "profile": `"short"`,
		"ocspMustStaple": `true`, "webroot": `"/w"`, "listenHTTP": `":80"`, "listenTLS": `":443"`, "dnsProvider": `"command"`,
		"dnsServer": `"192.0.2.1"`, "dnsCommand": `"/bin/x"`, "dnsResolver": `"192.0.2.2"`, "dnsPropagationCheck": `false`,
		"environmentFile": `"/e"`, "credentialFiles": `{ A_FILE = "/a"; }`, "group": `"g"`, "reloadServices": `[ "s" ]`, "postRun": `"true"`,
	}
	var all strings.Builder
	for option, value := range given {
		fmt.Fprintf(&all, "%s = %s; ", option, value)
	}
	s := m.evaluate(t, `{ services.certkeep = { enable = true; defaults = { `+all.String()+`};
		certs.heir = { }; certs.alone.inheritDefaults = false; certs.equal = { inheritDefaults = false; `+all.String()+` }; }; }`)
	for _, option := range m.options(t) {
		name, ok := strings.CutPrefix(option, "defaults.")
		if !ok {
			continue
		}
		if _, ok := given[name]; !ok {
			t.Errorf("defaults.%s is not tested", name)
		}
		heir, alone, equal := s.Certs["heir"][name], s.Certs["alone"][name], s.Certs["equal"][name]
		if !reflect.DeepEqual(heir, equal) || reflect.DeepEqual(alone, equal) {
			t.Errorf("%s: %v is inherited, and %v by who does not inherit; defaults has %v", name, heir, alone, equal)
		}
	}
}

// options lists the options of the module.
func (m machine) options(t *testing.T) []string {
	t.Helper()
	var found struct {
		Options []struct {
			Name      string
			Described bool
		}
	}
	if err := m.try(t, m.call("{ }", "options"), &found); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, o := range found.Options {
		if !o.Described {
			t.Errorf("the option %s says nothing", o.Name)
		}
		names = append(names, o.Name)
	}
	if !slices.Contains(names, "certs.<name>.domain") || !slices.Contains(names, "nginx.<name>.forceSSL") {
		t.Fatalf("these are not all options: %q", names)
	}
	return names
}

func TestDisabled(t *testing.T) {
	t.Parallel()
	s := newMachine(t).evaluate(t, `{ services.certkeep.certs."example.com".webroot = "/w"; }`)
	want(t, "broken, file, units", []any{len(s.Broken), s.File, len(s.Units)}, []any{0, "", 0})
}

func want[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}
