package nix

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/certkeep/certkeep/internal/config"
)

// TestDNSVariables has the variables of lego's users reach Certkeep: those of
// an environmentFile, and those of credentialFiles.
func TestDNSVariables(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	const manual = "RFC2136_NAMESERVER='127.0.0.1:5353'\nRFC2136_TSIG_ALGORITHM='hmac-sha256.'\nRFC2136_TSIG_KEY='rfc2136key.example.com'\n"
	for name, test := range map[string]struct {
		options string
		files   map[string]string // what credentials hold
		server  string
		key     string
	}{
		"the manual's example": {
			`environmentFile = "/run/secrets/e";`, map[string]string{"environment": manual + "RFC2136_TSIG_SECRET='c2VjcmV0'"}, "127.0.0.1:5353", "rfc2136key.example.com hmac-sha256. c2VjcmV0",
		},
		"secret apart": {
			`environmentFile = "/run/secrets/e"; dnsServer = "192.0.2.1"; credentialFiles.RFC2136_TSIG_SECRET_FILE = "/run/secrets/s";`,
			map[string]string{"environment": strings.TrimSpace(manual), "RFC2136_TSIG_SECRET_FILE": "YXBhcnQ=\n"},
			"192.0.2.1:53", "rfc2136key.example.com hmac-sha256. YXBhcnQ=",
		},
		"all apart": {
			`credentialFiles = { RFC2136_TSIG_SECRET_FILE = "/run/secrets/s"; RFC2136_TSIG_KEY_FILE = "/run/secrets/k"; };`,
			map[string]string{"RFC2136_TSIG_KEY_FILE": "k", "RFC2136_TSIG_SECRET_FILE": "YXBhcnQ="},
			"", "k hmac-sha1 YXBhcnQ=",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := m.evaluate(t, `{ services.certkeep = { enable = true; acceptTerms = true; certs."a.example.com" = { dnsProvider = "rfc2136"; `+test.options+` }; }; }`)
			want(t, "broken assertions", s.Broken, []string{})
			cfg, _, err := config.Load(m.made(s.File))
			if err != nil {
				t.Fatal(err)
			}
			entry := cfg.DNS["cert-a.example.com"]
			entry.Environment.File = m.variables(t, s, entry.Environment.File, test.files)
			variables, err := entry.Variables()
			if err != nil {
				t.Fatal(err)
			}
			filled, key, err := entry.WithRFC2136(variables)
			if err != nil || key == nil {
				t.Fatal(err, key)
			}
			want(t, "server", filled.Server, test.server)
			want(t, "key", key.Name+" "+key.Algorithm+" "+key.Secret, test.key)
		})
	}
}

// variables runs what certkeep.service runs before its start, where a test can
// put credentials, and returns the file that the configuration calls named.
func (m machine) variables(t *testing.T, s system, named string, files map[string]string) string {
	t.Helper()
	service := s.Units["certkeep"].ServiceConfig
	want(t, "folder of variables", []any{service["RuntimeDirectory"], service["RuntimeDirectoryMode"]}, []any{"certkeep-dns", "0700"})
	loaded, before := fmt.Sprint(service["LoadCredential"]), service["ExecStartPre"].([]any)
	dir := t.TempDir()
	for name, text := range files {
		if !strings.Contains(loaded, "cert-a.example.com."+name+":/run/secrets/") {
			t.Errorf("%s is not among the credentials: %s", name, loaded)
		}
		if err := os.WriteFile(filepath.Join(dir, "cert-a.example.com."+name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	move := strings.NewReplacer("/run/credentials/certkeep.service", dir, "/run/certkeep-dns", dir)
	for _, script := range before {
		text := read(t, m.made(fmt.Sprint(script)))
		if out, err := exec.Command("sh", "-c", move.Replace(text)).CombinedOutput(); err != nil || len(out) > 0 && len(files) > 0 {
			t.Fatalf("%v: %s", err, out)
		}
		if strings.Contains(text, "/run/secrets") {
			t.Error("the store names the source of a secret")
		}
	}
	path := move.Replace(named)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	want(t, "mode of variables", info.Mode().Perm(), 0o600)
	return path
}

// TestSecretsOfUnits has the units get the secrets that they need, with an
// empty line in place of a file that is not there.
func TestSecretsOfUnits(t *testing.T) {
	t.Parallel()
	s := newMachine(t).evaluate(t, `{ services.certkeep = { enable = true; acceptTerms = true; credentials.eab = "/run/secrets/eab"; certs."a.example.com" = {
		dnsProvider = "rfc2136"; credentialFiles.RFC2136_TSIG_FILE = "/run/secrets/key"; reloadServices = [ "postfix" ]; }; }; }`)
	const key = "cert-a.example.com.RFC2136_TSIG_FILE:"
	for unit, loaded := range map[string][]any{
		"certkeep": {"eab:/run/secrets/eab", key + "/run/secrets/key"}, "certkeep-setup": {"eab:/run/secrets/eab"}, "certkeep-finished@": {"eab:/run/secrets/eab"},
	} {
		instead := []any{`eab:\n`, key + `\n`}[:len(loaded)]
		service := s.Units[unit].ServiceConfig
		want(t, unit, []any{service["LoadCredential"], service["SetCredential"]}, []any{loaded, instead})
	}
}

// TestDNSVariablesMissing has an entry whose files are not there be wrong by
// itself: what certkeep.service runs before its start does not fail.
func TestDNSVariablesMissing(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	for options, files := range map[string]map[string]string{
		`environmentFile = "/run/secrets/e";`:                                                                    {},
		`environmentFile = "/run/secrets/e"; credentialFiles.RFC2136_TSIG_FILE = "/run/secrets/k";`:              {"environment": "\n", "RFC2136_TSIG_FILE": "\n"},
		`credentialFiles = { RFC2136_TSIG_SECRET_FILE = "/run/secrets/s"; RFC2136_TSIG_KEY_FILE = "/run/s/k"; }`: {"RFC2136_TSIG_SECRET_FILE": "\n"},
	} {
		s := m.evaluate(t, `{ services.certkeep = { enable = true; acceptTerms = true; certs."a.example.com" = { dnsProvider = "rfc2136"; `+strings.TrimSuffix(options, ";")+`; }; }; }`)
		cfg, _, err := config.Load(m.made(s.File))
		if err != nil {
			t.Fatal(err)
		}
		entry := cfg.DNS["cert-a.example.com"]
		entry.Environment.File = m.variables(t, s, entry.Environment.File, files)
		variables, err := entry.Variables()
		if err == nil {
			_, _, err = entry.WithRFC2136(variables)
		}
		if err == nil {
			t.Errorf("%s: nothing is wrong", options)
		}
	}
}

// TestDNSCommand has a program get its arguments as they are, and its variables.
func TestDNSCommand(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	s := m.evaluate(t, `{ services.certkeep = { enable = true; acceptTerms = true; certs."a.example.com" = {
		dnsProvider = "command"; dnsCommand = [ "/bin/record" "two words" "it's" ]; environmentFile = "/run/secrets/env"; credentialFiles.TOKEN_FILE = "/run/secrets/token"; }; }; }`)
	cfg, _, err := config.Load(m.made(s.File))
	if err != nil {
		t.Fatal(err)
	}
	entry := cfg.DNS["cert-a.example.com"]
	want(t, "command", entry.Command.Args, []string{"/bin/record", "two words", "it's"})
	entry.Environment.File = m.variables(t, s, entry.Environment.File, map[string]string{"environment": "REGION='eu west'", "TOKEN_FILE": "s3cret"})
	variables, err := entry.Variables()
	if err != nil {
		t.Fatal(err)
	}
	want(t, "region", variables["REGION"], "eu west")
	want(t, "token", read(t, variables["TOKEN_FILE"]), "s3cret")
}

// TestTSIGFile needs no variables where a whole key file is given, or no key.
func TestTSIGFile(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	for options, file := range map[string]string{``: "", `credentialFiles.RFC2136_TSIG_FILE = "/run/secrets/key";`: "/run/credentials/certkeep.service/cert-a.example.com.RFC2136_TSIG_FILE"} {
		s := m.evaluate(t, `{ services.certkeep = { enable = true; acceptTerms = true; certs."a.example.com" = { dnsProvider = "rfc2136"; `+options+` }; }; }`)
		service := s.Units["certkeep"].ServiceConfig
		want(t, options, []any{len(s.Broken), fmt.Sprint(service["ExecStartPre"]), service["RuntimeDirectory"]}, []any{0, "[]", nil})
		cfg, _, err := config.Load(m.made(s.File))
		if err != nil {
			t.Fatal(err)
		}
		want(t, "key file", []any{cfg.DNS["cert-a.example.com"].TSIGFile, cfg.DNS["cert-a.example.com"].Environment.IsZero()}, []any{file, true})
	}
}
