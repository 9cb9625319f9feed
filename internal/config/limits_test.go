package config

import (
	"slices"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
)

// Let's Encrypt's limits are built in; a key changes one of them, and another
// CA under its name has none.
func TestBuiltInLimits(t *testing.T) {
	for _, test := range []struct {
		config string
		want   plan.Limits
	}{
		{"certificates: {a.example: {}}", letsEncryptLimits()},
		{"issuers: {letsencrypt: {limits: {per_domain: 500/7d}}}", func() plan.Limits {
			l := letsEncryptLimits()
			l.Domain.Most = 500
			return l
		}()},
		{"issuers: {letsencrypt: {directory: 'https://boulder.example/directory'}}", plan.Limits{}},
	} {
		c := mustLoad(t, test.config)
		if got := c.Issuers["letsencrypt"].Limits; got != test.want {
			t.Errorf("%s: limits %+v, want %+v", test.config, got, test.want)
		}
		if got := c.Wanted().Limits["letsencrypt"]; got != test.want {
			t.Errorf("%s: wanted limits %+v, want %+v", test.config, got, test.want)
		}
	}
}

func TestParseLimit(t *testing.T) {
	for text, want := range map[string]plan.Limit{"50/7d": {Most: 50, Per: 7 * day}, "1 / 90s": {Most: 1, Per: 90 * time.Second}, "none": {Per: year}} {
		if got, ok := parseLimit(text); !ok || got != want {
			t.Errorf("%q is %+v, %t", text, got, ok)
		}
	}
	for _, text := range []string{"", "50", "50/", "/7d", "0/7d", "-1/7d", "50/7", "50/0s", "50/2y", "x/7d", "50/7d/1"} {
		if _, ok := parseLimit(text); ok {
			t.Errorf("%q is taken for a limit", text)
		}
	}
}

func TestRegisteredDomain(t *testing.T) {
	for name, want := range map[string]string{
		"example.com": "example.com", "*.a.b.example.com": "example.com", "new.blog.example.co.uk": "example.co.uk",
		"x.y.github.io": "y.github.io", "github.io": "github.io", "a.b.test": "b.test", "localhost": "localhost",
		"192.0.2.7": "192.0.2.7", "2001:db8:1:2:3::4": "2001:db8:1:2::/64", "xn--nxasmm1c.example": "xn--nxasmm1c.example",
	} {
		if got := registeredDomain(name); got != want {
			t.Errorf("%s lies below %s, want %s", name, got, want)
		}
	}
	c := mustLoad(t, "certificates: {a.example.com: {names: [a.example.com, b.example.com, example.org]}, b: {names: [b.test], issuer: [zerossl]}}")
	w := c.Wanted()
	if got := w.Certs[0].Domains; !slices.Equal(got, []string{"example.com", "example.org"}) {
		t.Errorf("domains %q", got)
	}
	if got := w.Certs[1].Domains; got != nil {
		t.Errorf("domains %q where nobody counts them", got)
	}
}

func BenchmarkRegisteredDomain(b *testing.B) {
	for b.Loop() {
		registeredDomain("www.customer12345.example.com")
	}
}
