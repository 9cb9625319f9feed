package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCheck(t *testing.T) {
	dir := writeFiles(t, map[string]string{
		"good": "#!/bin/sh\n", "bad": "#!/bin/sh\n", "group": "#!/bin/sh\n", "open/prog": "#!/bin/sh\n", "secret": "s\n", "empty": " \n",
	})
	for _, name := range []string{"secret", "empty"} {
		if err := os.Chmod(filepath.Join(dir, name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for path, mode := range map[string]os.FileMode{"good": 0o755, "bad": 0o777, "group": 0o775, "open": 0o777, "open/prog": 0o755} {
		if err := os.Chmod(filepath.Join(dir, path), mode); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("CONFIG_TEST_SECRET", "s")
	t.Setenv("CREDENTIALS_DIRECTORY", dir)
	yaml := strings.ReplaceAll(`issuers:
  env: {directory: https://a.example/, eab: {kid: k, hmac_env: CONFIG_TEST_SECRET}}
  file: {directory: https://a.example/, eab: {kid: k, hmac_file: DIR/secret}}
  cred: {directory: https://a.example/, eab: {kid: k, hmac_credential: secret}}
  no-env: {directory: https://a.example/, eab: {kid: k, hmac_env: CONFIG_TEST_NOTHING}}
  no-file: {directory: https://a.example/, roots_file: DIR/missing, eab: {kid: k, hmac_file: DIR/empty}}
  no-cred: {directory: https://a.example/, eab: {kid: k, hmac_credential: missing}}
dns:
  main: {provider: rfc2136, tsig_file: DIR/missing}
  prog: {provider: command, command: DIR/bad}
services:
  good: {reload: DIR/good, check: [nginx, DIR/bad]}
  bad: {reload: DIR/group x, check: DIR/good, status: [DIR/open/prog]}
  later: {reload: DIR/not-yet}
hooks:
  issued: {command: [DIR/bad]}
  errored: {command: {shell: DIR/bad}}
  expiring: {directory: DIR/open}
  revoked: {directory: DIR/missing}
challenges: [{names: [z.example], http-01: {manual: {auth_hook: [DIR/good], cleanup_hook: [DIR/bad]}}}]
certificates:
  own: {names: [own.example], hooks: {issued: {command: [DIR/bad]}}}
  www: {csr: {file: DIR/missing, key_file: DIR/missing}}
  java: {names: [j.example], files: [{path: /a.jks, content: jks, password_env: CONFIG_TEST_SECRET}, {path: /b.p12, content: pkcs12, password_file: DIR/missing}]}
`, "DIR", dir)
	_, _, err := LoadBytes("c.yaml", []byte(yaml))
	if err != nil {
		t.Fatal(err)
	}
	got := strings.ReplaceAll(mustLoad(t, yaml).Check().Error(), dir+"/", "")
	want := `c.yaml:5:12: issuers.no-env: read secret: environment variable CONFIG_TEST_NOTHING is not set
c.yaml:6:13: issuers.no-file: read secret: file empty is empty
c.yaml:6:13: issuers.no-file: read missing: no such file or directory
c.yaml:7:13: issuers.no-cred: read missing: no such file or directory
c.yaml:9:10: dns.main: read missing: no such file or directory
c.yaml:10:10: dns.prog: bad may be written by everybody; chmod go-w bad
c.yaml:13:9: services.bad: open may be written by everybody; chmod go-w DIR/open
c.yaml:13:9: services.bad: group may be written by its group; chmod go-w group
c.yaml:16:12: hooks.issued: bad may be written by everybody; chmod go-w bad
c.yaml:18:14: hooks.expiring: open may be written by everybody; chmod go-w open
c.yaml:19:13: hooks.revoked: list the programs: open missing: no such file or directory
c.yaml:20:54: manual good: bad may be written by everybody; chmod go-w bad
c.yaml:22:48: certificates.own.hooks.issued: bad may be written by everybody; chmod go-w bad
c.yaml:23:15: certificates.www.csr: read missing: no such file or directory
c.yaml:24:37: certificates.java.files: password for a jks file: it is shorter than 6 characters, which Java's keytool does not take
c.yaml:24:37: certificates.java.files: read missing: no such file or directory`
	got = strings.ReplaceAll(got, dir, "DIR")
	want = strings.ReplaceAll(want, "DIR/open", "open")
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if found := mustLoad(t, "services: {nginx: {min_interval: 1s}}").Check(); len(found) > 0 {
		t.Errorf("nothing is wrong, but: %v", found)
	}
}

func TestSecretRef(t *testing.T) {
	dir := writeFiles(t, map[string]string{"secret": " hunter2\n", "large": strings.Repeat("x", maxSecret+1)})
	file := SecretRef{File: filepath.Join(dir, "secret")}
	if got, err := file.Read(); err != nil || string(got) != "hunter2" {
		t.Errorf("Read() = %q, %v", got, err)
	}
	for _, text := range []string{file.String(), fmt.Sprint(file), fmt.Sprintf("%+v", EAB{KID: "k", HMAC: file})} {
		if strings.Contains(text, "hunter2") || !strings.Contains(text, file.File) {
			t.Errorf("rendered as %s", text)
		}
	}
	t.Setenv("CREDENTIALS_DIRECTORY", "")
	for _, s := range []SecretRef{{}, {File: dir}, {File: filepath.Join(dir, "large")}, {Credential: "x"}, {Env: "CONFIG_TEST_NOTHING"}} {
		if got, err := s.Read(); err == nil {
			t.Errorf("%v: Read() = %q, want an error", s, got)
		}
	}
	if !(SecretRef{}).IsZero() || file.IsZero() {
		t.Error("IsZero is wrong")
	}
}
