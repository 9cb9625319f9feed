package hpkp_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/certkeep/certkeep/internal/hpkp"
)

// The pins of the fingerprints 00…, 11… and ff….
const (
	pin0 = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
	pin1 = "ERERERERERERERERERERERERERERERERERERERERERE="
	pinF = "//////////////////////////////////////////8="
)

func TestPin(t *testing.T) {
	for fingerprint, want := range map[string]string{
		strings.Repeat("00", 32): pin0,
		strings.Repeat("11", 32): pin1,
		strings.Repeat("fF", 32): pinF,
		strings.Repeat("00", 31): "",
		strings.Repeat("00", 33): "",
		strings.Repeat("zz", 32): "",
		"":                       "",
	} {
		if got, err := hpkp.Pin(fingerprint); got != want || (err == nil) != (want != "") {
			t.Errorf("Pin(%q) = %q, %v; want %q", fingerprint, got, err, want)
		}
	}
}

// TestHeader: byte for byte what acmebot writes.
func TestHeader(t *testing.T) {
	for _, test := range []struct {
		policy hpkp.Policy
		want   string
	}{
		{
			hpkp.Policy{Pins: []string{pin0, pinF}, Days: 60, Subdomains: true},
			`pin-sha256=\"` + pin0 + `\"; pin-sha256=\"` + pinF + `\"; max-age=5184000; includeSubdomains;`,
		},
		{
			hpkp.Policy{Pins: []string{pin1, pin0, pinF}, Days: 1},
			`pin-sha256=\"` + pin1 + `\"; pin-sha256=\"` + pin0 + `\"; pin-sha256=\"` + pinF + `\"; max-age=86400;`,
		},
		{
			hpkp.Policy{Pins: []string{pin0, pin1}, Days: 60, Subdomains: true, ReportURI: "https://example.com/hpkp?a=1"},
			`pin-sha256=\"` + pin0 + `\"; pin-sha256=\"` + pin1 + `\"; max-age=5184000; includeSubdomains; report-uri=\"https://example.com/hpkp?a=1\";`,
		},
		{
			hpkp.Policy{Pins: []string{pin0, pin1, pin0}, Days: 60, ReportURI: "http://example.com"},
			`pin-sha256=\"` + pin0 + `\"; pin-sha256=\"` + pin1 + `\"; max-age=5184000; report-uri=\"http://example.com\";`,
		},
	} {
		if got, err := test.policy.Header(); err != nil || got != test.want {
			t.Errorf("%+v:\n got %s\nwant %s\n(%v)", test.policy, got, test.want, err)
		}
	}
}

func TestHeaderRefused(t *testing.T) {
	two := []string{pin0, pin1}
	for name, policy := range map[string]hpkp.Policy{
		"no time":          {Pins: two},
		"less than none":   {Pins: two, Days: -1},
		"a pin of hex":     {Pins: []string{pin0, strings.Repeat("00", 32)}, Days: 60},
		"a short pin":      {Pins: []string{pin0, "AAAA"}, Days: 60},
		"no address":       {Pins: two, Days: 60, ReportURI: "example.com/report"},
		"another scheme":   {Pins: two, Days: 60, ReportURI: "mailto:a@example.com"},
		"an ending quote":  {Pins: two, Days: 60, ReportURI: `https://example.com/"; always`},
		"a backslash":      {Pins: two, Days: 60, ReportURI: `https://example.com/\`},
		"a line end":       {Pins: two, Days: 60, ReportURI: "https://example.com/\nx"},
		"nginx's variable": {Pins: two, Days: 60, ReportURI: "https://example.com/$host"},
		"Apache's format":  {Pins: two, Days: 60, ReportURI: "https://example.com/%20"},
		"not ASCII":        {Pins: two, Days: 60, ReportURI: "https://example.com/\u00e4"},
	} {
		if got, err := policy.Header(); err == nil || got != "" {
			t.Errorf("%s: %q", name, got)
		}
	}
	for name, pins := range map[string][]string{"no key": nil, "one key": {pin0}, "one key twice": {pin0, pin0}} {
		if _, err := (hpkp.Policy{Pins: pins, Days: 60}).Header(); !errors.Is(err, hpkp.ErrOnePin) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFiles(t *testing.T) {
	fields := hpkp.Fields{Header: `pin-sha256=\"a\";`, Server: "apache", Name: "example.com"}
	for _, test := range []struct{ format, want string }{
		{hpkp.Formats()["apache"], `Header always set Public-Key-Pins "pin-sha256=\"a\";"` + "\n"},
		{hpkp.Formats()["nginx"], `add_header Public-Key-Pins "pin-sha256=\"a\";" always;` + "\n"},
		{"{name} {server} {header}", `example.com apache pin-sha256=\"a\";`},
		{"{key_name}{key_name}", "example.comexample.com"}, // acmebot crashed on it
		{"{{header}} {{{name}}}", "{header} {example.com}"},
		{"plain", "plain"},
		{"", ""},
	} {
		f, err := hpkp.Parse(test.format)
		if got := f.File(fields); err != nil || got != test.want {
			t.Errorf("%q: %q, %v; want %q", test.format, got, err, test.want)
		}
	}
	for _, format := range []string{"{", "}", "a}b", "{header", "{{header}", "{}", "{headers}", "{header!r}", "{header:>9}", "{ header }", "{0}"} {
		if _, err := hpkp.Parse(format); err == nil {
			t.Errorf("%q was read", format)
		}
	}
}

// TestFieldsAreNotFormats: braces in a value stay what they are.
func TestFieldsAreNotFormats(t *testing.T) {
	f, err := hpkp.Parse("{header}{name}")
	if got := f.File(hpkp.Fields{Header: "{name}", Name: "}}"}); err != nil || got != "{name}}}" {
		t.Errorf("%q, %v", got, err)
	}
}
