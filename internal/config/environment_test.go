package config

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// variablesOf reads an environment file as an entry of `dns` does.
func variablesOf(t *testing.T, text string) (DNS, map[string]string, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "dns.env")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	d := DNS{Name: "main", Provider: ProviderRFC2136, TTL: standardDNSTTL, Timeout: standardDNSTimeout, Propagation: Propagation{Timeout: standardPropagation}, Environment: SecretRef{File: path}}
	variables, err := d.Variables()
	return d, variables, err
}

func TestEnvironmentFile(t *testing.T) {
	t.Parallel()
	_, got, err := variablesOf(t, "# a comment\n; another\n\n A=b c \nexport B='x=\"y\"'\nC=\"\"\nD=\n_e1=\"open\n")
	if want := map[string]string{"A": "b c", "B": `x="y"`, "C": "", "D": "", "_e1": `"open`}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
	for _, bad := range []string{"A=1\nhush-hush\n", "A=1\n1A=hush\n", "A=1\nhush hush=1\n"} {
		if _, _, err := variablesOf(t, bad); err == nil || !strings.Contains(err.Error(), "line 2 is not NAME=VALUE") || strings.Contains(err.Error(), "hush") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// Lego's names mean what they mean to lego; what the configuration says itself
// comes first.
func TestLegoVariables(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("CREDENTIALS_DIRECTORY", dir)
	for name, text := range map[string]string{"secret": "c2VjcmV0\n", "server": "192.0.2.1:5353\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	d, variables, err := variablesOf(t, `
RFC2136_NAMESERVER_FILE=`+dir+`/server
RFC2136_TSIG_KEY=update.
RFC2136_TSIG_SECRET_FILE=secret
RFC2136_TTL=120
RFC2136_PROPAGATION_TIMEOUT=7
RFC2136_DNS_TIMEOUT=3s
RFC2136_POLLING_INTERVAL=2
RFC2136_SEQUENCE_INTERVAL=60
AWS_SECRET=other
`)
	if err != nil {
		t.Fatal(err)
	}
	got, key, err := d.WithRFC2136(variables)
	if err != nil || key == nil || *key != (RFC2136Key{Name: "update.", Algorithm: "hmac-sha1", Secret: "c2VjcmV0"}) {
		t.Fatalf("key %v, %v", key, err)
	}
	if got.Server != "192.0.2.1:5353" || got.TTL != 2*time.Minute || got.Propagation.Timeout != 7*time.Second || got.Timeout != 3*time.Second {
		t.Errorf("got %+v", got)
	}
	d.Server, d.TTL, d.TSIGFile = "198.51.100.1:53", time.Hour, "/etc/update.key"
	if got, key, err = d.WithRFC2136(variables); err != nil || key != nil || got.Server != d.Server || got.TTL != d.TTL || got.TSIGFile != d.TSIGFile {
		t.Errorf("the configuration's own came second: %+v, %v, %v", got, key, err)
	}
	d.TSIGFile = ""
	for file, want := range map[string]string{"/etc/u.key": "/etc/u.key", "update": dir + "/update"} {
		if got, key, err := d.WithRFC2136(map[string]string{"RFC2136_TSIG_FILE": file}); err != nil || key != nil || got.TSIGFile != want {
			t.Errorf("%s is %s, %v, %v", file, got.TSIGFile, key, err)
		}
	}
}

func TestLegoVariablesRefused(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"RFC2136_TSIG_KEY=a":                      "belong together, and one is missing",
		"RFC2136_TSIG_SECRET=hush":                "belong together, and one is missing",
		"RFC2136_TTL=soon":                        "RFC2136_TTL is no number of seconds",
		"RFC2136_TTL=-1":                          "RFC2136_TTL is no number of seconds",
		"RFC2136_TSIG_SECRT=hush":                 `unknown variable RFC2136_TSIG_SECRT; did you mean "RFC2136_TSIG_SECRET"?`,
		"RFC2136_TSIG_SECRET_FILE=/nowhere/there": "RFC2136_TSIG_SECRET_FILE: read /nowhere/there: no such file or directory",
	} {
		d, variables, err := variablesOf(t, text)
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = d.WithRFC2136(variables)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), d.Environment.File) || strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}
