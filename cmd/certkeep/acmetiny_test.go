package main

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// TestTinyCA: the old --ca is the directory's address without its end, and wins,
// unless it is what acme-tiny has without it.
func TestTinyCA(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	request := filepath.Join(dir, "csr")
	if err := os.WriteFile(request, []byte(tinyRequest), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		options tinyOptions
		want    string
	}{
		{tinyOptions{ca: "https://ca.example", directoryURL: "https://other.example/dir"}, "https://ca.example/directory"},
		{tinyOptions{ca: "https://acme-v02.api.letsencrypt.org", directoryURL: "https://other.example/dir"}, "https://other.example/dir"},
		{tinyOptions{directoryURL: "https://other.example/dir"}, "https://other.example/dir"},
		{tinyOptions{}, ""},
	} {
		test.options.dir = dir
		cfg, err := test.options.config(onceOptions{csr: request})
		if err != nil {
			t.Fatal(err)
		}
		if got := cfg.Issuers["given"].Directory; got != test.want {
			t.Errorf("%+v asks %q, want %q", test.options, got, test.want)
		}
		if issuer := cfg.Certificate(onceName).Issuers[0]; test.want == "" && issuer != "letsencrypt" {
			t.Errorf("without options it asks %q", issuer)
		}
	}
}

// TestUnabbreviated: acme-tiny's options may be cut short where one is meant.
func TestUnabbreviated(t *testing.T) {
	t.Parallel()
	got := unabbreviated([]string{"--account=k", "--cs", "r", "--acme", "f", "--di", "--dis", "--dir=u", "--ca", "c", "--con", "mailto:a@example.com", "--roots", "x", "-q", "--", "--dis"})
	want := []string{"--account-key=k", "--csr", "r", "--acme-dir", "f", "--di", "--disable-check", "--directory-url=u", "--ca", "c", "--contact", "mailto:a@example.com", "--roots", "x", "-q", "--", "--dis"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

const tinyRequest = `-----BEGIN CERTIFICATE REQUEST-----
MIHjMIGJAgEAMAAwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAR+98akN58VzM0Z
3CfFKfphsJrQNly2/AccRjnifoEpR/3+qrvPfZDKi1calDo5kAJAoTxtDEJ6MiP5
2tMHiE+koCcwJQYJKoZIhvcNAQkOMRgwFjAUBgNVHREEDTALgglhLmV4YW1wbGUw
CgYIKoZIzj0EAwIDSQAwRgIhAMkbY/L9ksn3fDQ2HWu/AD6JWXArVyAXyUEulb7J
KXXHAiEAsJSVi5cGZeLgV6FMq6B7N0EgKI2F1HxFKYRqnorEUSE=
-----END CERTIFICATE REQUEST-----
`
