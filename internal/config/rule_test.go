package config

import (
	"reflect"
	"testing"
)

func TestMethodsFor(t *testing.T) {
	cfg := mustLoad(t, `
listen: {tls: ":443"}
dns:
  main: {provider: rfc2136}
  other: {provider: command, command: x}
challenges:
  - {names: ["*.example.com", example.com], dns-01: {via: main}}
  - {names: [.deep.example.org], http-01: {webroot: /deep}}
  - {names: [legacy.example.org, "2001:db8::1"], http-01: {webroot: "/srv/{zone}"}}
  - {names: [192.0.2.7], try: [{tls-alpn-01: {}}, {http-01: {webroot: /ip}}]}
  - {names: [.example.net], try: [{http-01: {}}, {dns-01: {via: other}}]}
  - tls-alpn-01: {}
  - {names: [never.example], http-01: {webroot: /never}}
certificates:
  own:
    names: [legacy.example.org, a.example.org]
    challenges: [{names: [a.example.org], http-01: {webroot: /own}}]
  other: {names: [b.example.org]}
`)
	dns := func(via string) Method { return Method{Type: MethodDNS01, Via: via} }
	web := func(root string) Method { return Method{Type: MethodHTTP01, Webroot: root} }
	tls := Method{Type: MethodTLSALPN01}
	for _, c := range []struct {
		cert, name string
		wildcard   bool
		want       []Method
	}{
		{"other", "example.com", false, []Method{dns("main")}},
		{"other", "a.example.com", false, []Method{dns("main")}},
		{"other", "example.com", true, []Method{dns("main")}},
		{"other", "a.b.example.com", false, []Method{tls}},
		{"other", "deep.example.org", false, []Method{tls}},
		{"other", "x.deep.example.org", false, []Method{web("/deep")}},
		{"other", "x.y.deep.example.org", false, []Method{web("/deep")}},
		{"other", "legacy.example.org", false, []Method{web("/srv/{zone}")}},
		{"other", "192.0.2.7", false, []Method{tls, web("/ip")}},
		{"other", "2001:db8::1", false, []Method{web("/srv/{zone}")}},
		{"other", "a.example.net", false, []Method{web(""), dns("other")}},
		{"other", "example.net", true, []Method{dns("other")}}, // only dns-01 counts
		{"other", "example.org", true, []Method{}},
		{"other", "never.example", false, []Method{tls}}, // the rule before matches all
		{"own", "a.example.org", false, []Method{web("/own")}},
		{"own", "legacy.example.org", false, []Method{web("/srv/{zone}")}},
		{"unknown", "a.example.org", false, []Method{tls}},
	} {
		if got := cfg.MethodsFor(c.cert, c.name, c.wildcard); !reflect.DeepEqual(got, c.want) {
			t.Errorf("MethodsFor(%q, %q, %t) = %+v, want %+v", c.cert, c.name, c.wildcard, got, c.want)
		}
	}
	if got := new(Config).MethodsFor("x", "a.example", false); !reflect.DeepEqual(got, []Method{web("")}) {
		t.Errorf("without rules: %+v, want http-01 by the own listener", got)
	}
}

func TestCovers(t *testing.T) {
	d := DNS{Zones: []string{"example.com", "example.org"}}
	for name, want := range map[string]bool{
		"example.com": true, "a.b.example.com": true, "example.org": true, "badexample.com": false, "com": false,
	} {
		if got := d.Covers(name); got != want {
			t.Errorf("Covers(%q) = %t", name, got)
		}
	}
	if !(DNS{}).Covers("any.example") {
		t.Error("without zones it covers nothing")
	}
}
