package config

import (
	"slices"
	"testing"
)

// The ports at which CAs arrive are those that the own listeners take, and
// what cannot be reached is not tried.
func TestOutside(t *testing.T) {
	for _, c := range []struct {
		listen, challenges string
		http, tls          string
		methods            []string // of a.example
	}{
		{"{}", "[]", ":80", "", []string{MethodHTTP01}},
		{"{outside: {80: 8080, 443: 8443}}", "[]", ":8080", ":8443", []string{MethodHTTP01}},
		{"{http: '192.0.2.1:80', tls: false, outside: {80: 8080, 443: 8443}}", "[]", "192.0.2.1:8080", "", []string{MethodHTTP01}},
		{"{http: false, outside: {80: 8080}}", "[{http-01: {webroot: /w}}]", "", "", []string{MethodHTTP01}},
		{"{outside: {80: false, 443: 8443}}", "[]", ":80", ":8443", []string{MethodTLSALPN01}},
		{"{tls: ':443', outside: {80: false}}", "[]", ":80", ":443", []string{MethodTLSALPN01}},
		{"{tls: ':443', outside: {443: false}}", "[{try: [{tls-alpn-01: {}}, {http-01: {}}]}]", ":80", ":443", []string{MethodHTTP01}},
		{"{tls: ':443', outside: {80: false}}", "[{try: [{tls-alpn-01: {}}, {http-01: {webroot: /w}}]}]", ":80", ":443", []string{MethodTLSALPN01}},
	} {
		cfg := mustLoad(t, "listen: "+c.listen+"\nchallenges: "+c.challenges+"\ncertificates: {a.example: }")
		if cfg.Listen.HTTP.Address != c.http || cfg.Listen.TLS != c.tls {
			t.Errorf("%s: listens at %q and %q, want %q and %q", c.listen, cfg.Listen.HTTP.Address, cfg.Listen.TLS, c.http, c.tls)
		}
		var methods []string
		for _, m := range cfg.MethodsFor("a.example", "a.example", false) {
			methods = append(methods, m.Type)
		}
		if !slices.Equal(methods, c.methods) {
			t.Errorf("%s, %s: proven by %v, want %v", c.listen, c.challenges, methods, c.methods)
		}
	}
}
