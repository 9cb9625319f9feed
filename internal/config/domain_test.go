package config

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
)

// Wrong names stand in testdata/findings.txt.
func TestCheckName(t *testing.T) {
	long := strings.Repeat("a.", 124) + "abcde" // 253 characters
	for name, want := range map[string]string{
		"example.com": "example.com", "WWW.Example.COM": "www.example.com", "*.Example.com": "*.example.com",
		"localhost": "localhost", "xn--bcher-kva.example": "xn--bcher-kva.example", "1.example": "1.example", "a-b.c1": "a-b.c1",
		"192.0.2.7": "192.0.2.7", "2001:DB8:0:0::1": "2001:db8::1", "::ffff:192.0.2.7": "192.0.2.7", "::1": "::1",
		strings.Repeat("a", 63) + ".example": strings.Repeat("a", 63) + ".example",
		long:                                 long,
	} {
		if got, wrong, hint := checkName(name); got != want || wrong != "" || hint != "" {
			t.Errorf("checkName(%q) = %q, %q, %q; want %q", name, got, wrong, hint, want)
		}
	}
	if len(long) != maxName {
		t.Errorf("the longest name has %d characters here", len(long))
	}
	if _, wrong, _ := checkName(long + "f"); wrong == "" {
		t.Error("a name of 254 characters was taken")
	}
	if _, wrong, _ := checkName(strings.Repeat("a", 64) + ".example"); !strings.Contains(wrong, "a label of 64 characters; DNS allows 63") {
		t.Errorf("a label of 64 characters: %q", wrong)
	}
}

func TestCheckPattern(t *testing.T) {
	for pattern, want := range map[string]string{
		"Example.com": "example.com", "*.Example.com": "*.example.com", ".Example.com": ".example.com", ".com": ".com", "192.0.2.7": "192.0.2.7",
	} {
		if got, wrong, _ := checkPattern(pattern); got != want || wrong != "" {
			t.Errorf("checkPattern(%q) = %q, %q; want %q", pattern, got, wrong, want)
		}
	}
}

func TestCommonName(t *testing.T) {
	long := strings.Repeat("a", 60) + ".example"
	for _, c := range []struct {
		names []string
		want  string
	}{
		{[]string{"b.example", "a.example"}, "b.example"},
		{[]string{long, "a.example"}, "a.example"},
		{[]string{"192.0.2.7", "a.example"}, "a.example"},
		{[]string{long}, ""},
		{[]string{"192.0.2.7"}, ""},
	} {
		if got := commonName(c.names); got != c.want {
			t.Errorf("commonName(%q) = %q, want %q", c.names, got, c.want)
		}
	}
}

func FuzzCheckName(f *testing.F) {
	for _, s := range []string{"example.com", "*.example.com", "bücher.example", "192.0.2.7", "fe80::1%eth0", "a..b", "xn--", "https://x/", "a_b", "-", ".", "*.", "ſ.com", "ａ.com"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		got, wrong, hint := checkName(name)
		if (got == "") == (wrong == "") {
			t.Fatalf("checkName(%q) = %q, %q, %q", name, got, wrong, hint)
		}
		if got == "" {
			return
		}
		if again, wrong, _ := checkName(got); again != got || wrong != "" {
			t.Fatalf("%q is kept as %q, which is read as %q, %q", name, got, again, wrong)
		}
		if _, err := netip.ParseAddr(got); isIP(got) != (err == nil) {
			t.Fatalf("isIP(%q) = %t", got, isIP(got))
		}
		if strings.ContainsAny(got, "/\\\x00 _") || strings.Contains(got, "..") {
			t.Fatalf("%q is kept as %q", name, got)
		}
	})
}

// Let's Encrypt refuses an order for a name beside the wildcard that covers it.
func TestCoveredNamesAreLeftOut(t *testing.T) {
	const general = "dns: {m: {provider: rfc2136}}\nchallenges: [{dns-01: {via: m}}]\n"
	for names, want := range map[string]string{
		"[www.example.net, example.net, '*.example.net', a.b.example.net]":           "[example.net *.example.net a.b.example.net] example.net",
		"[www.example.net, '*.example.net'], common_name: www.example.net":           "[www.example.net *.example.net] www.example.net",
		"['*.example.net', www.example.net, '*.www.example.net', a.www.example.net]": "[*.example.net *.www.example.net] *.example.net",
	} {
		cert := mustLoad(t, general+"certificates: {x: {names: "+names+"}}").Certificates[0]
		if got := fmt.Sprint(cert.Names, " ", cert.CommonName); got != want {
			t.Errorf("%s: %s, want %s", names, got, want)
		}
	}
}
