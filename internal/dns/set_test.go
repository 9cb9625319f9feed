package dns

import (
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/certkeep/certkeep/internal/bindtest"
)

// hex is the data of a TLSA record with a SHA-256 digest.
func hex(two string) string { return strings.Repeat(two, 32) }

func TestSetsAreComparedFreeOfOrderAndSpelling(t *testing.T) {
	tlsa := func(values ...string) Set { return Set{Name: "_25._tcp.a.test", Type: "TLSA", Values: values} }
	text := func(values ...string) Set { return Set{Name: "a.test", Type: "TXT", Values: values} }
	for name, tt := range map[string]struct {
		a, b Set
		same bool
	}{
		"order":       {tlsa("3 1 1 "+hex("aa"), "3 1 1 "+hex("bb")), tlsa("3 1 1 "+hex("BB"), "3 1 1 "+hex("aa")), true},
		"twice":       {tlsa("3 1 1 "+hex("aa"), "3 1 1 "+hex("AA")), tlsa("3 1 1 " + hex("aa")), true},
		"none":        {tlsa(), tlsa(), true},
		"one more":    {tlsa("3 1 1 " + hex("aa")), tlsa("3 1 1 "+hex("aa"), "3 1 1 "+hex("bb")), false},
		"none or one": {tlsa(), tlsa("3 1 1 " + hex("aa")), false},
		"usage":       {tlsa("3 1 1 " + hex("aa")), tlsa("1 1 1 " + hex("aa")), false},
		"text":        {text("b", `a "b" \ c`), text(`a "b" \ c`, "b"), true},
		"case counts": {text("a"), text("A"), false},
	} {
		if same, err := tt.a.same(tt.b); err != nil || same != tt.same {
			t.Errorf("%s: same %v, %v", name, same, err)
		}
	}
	for _, bad := range []Set{{Name: "a b", Type: "TXT"}, {Name: "a.test", Type: "NOSUCH"}, {Name: "a.test"}, tlsa("3 1"), tlsa("x")} {
		if same, err := bad.same(bad); err == nil {
			t.Errorf("%+v: same %v", bad, same)
		}
	}
}

func TestValueOfIsWhatWasWritten(t *testing.T) {
	for _, value := range []string{"", `\`, `"`, `\123`, "a\x00\xff\n", strings.Repeat(`\`, 700), "0123 4"} {
		rr, err := Record{Name: "a.test", Type: "TXT", Value: value}.resource()
		if err != nil {
			t.Fatal(err)
		}
		m := dns.Msg{Answer: []dns.RR{rr}}
		wire, err := m.Pack()
		if err != nil {
			t.Fatal(err)
		}
		var read dns.Msg
		if err := read.Unpack(wire); err != nil {
			t.Fatal(err)
		}
		if got, err := valueOf(read.Answer[0]); err != nil || got != value {
			t.Errorf("%q: got %q, %v", value, got, err)
		}
	}
}

func TestLookAndDiffering(t *testing.T) {
	records := "_25._tcp.a 300 IN TLSA 3 1 1 " + hex("AA") + "\n_25._tcp.a 300 IN TLSA 3 1 1 " + hex("bb") + "\n_25._tcp.alias IN CNAME _25._tcp.a\n"
	has := bindtest.Start(t, bindtest.Zone{Name: "example.test", Records: records})
	lags := bindtest.Start(t, bindtest.Zone{Name: "example.test", Records: "_25._tcp.a 60 IN TLSA 3 1 1 " + hex("aa") + "\n"})
	lame := bindtest.Start(t, bindtest.Zone{Name: "other.test"})
	servers := []Nameserver{{"one", has.Address}, {"two", lags.Address}, {"three", lame.Address}}
	set := Set{Name: "_25._TCP.a.example.test.", Type: "TLSA", Values: []string{"3 1 1 " + hex("bb"), "3 1 1 " + hex("aa")}}

	got, err := Resolver{}.Look(t.Context(), servers[0], set.Name, set.Type)
	if err != nil || !slices.Equal(got.Values, []string{"3 1 1 " + hex("aa"), "3 1 1 " + hex("bb")}) || got.TTL.Seconds() != 300 {
		t.Errorf("got %+v, %v", got, err)
	}
	for _, empty := range []string{"_443._tcp.a.example.test", "ns1.example.test", "_25._tcp.alias.example.test"} {
		if got, err := (Resolver{}).Look(t.Context(), servers[0], empty, "TLSA"); err != nil || len(got.Values) != 0 {
			t.Errorf("%s: got %+v, %v", empty, got, err)
		}
	}

	differing := Resolver{}.Differing(t.Context(), servers, set)
	if len(differing) != 2 || differing[0].Server != servers[1] || !slices.Equal(differing[0].Shows, []string{"3 1 1 " + hex("aa")}) ||
		differing[1].Server != servers[2] || differing[1].Err == nil {
		t.Errorf("got %v", differing)
	}
	if text := differing[0].String(); !strings.Contains(text, "3 1 1 aaaa") || !strings.Contains(text, lags.Address) {
		t.Errorf("it says %s", text)
	}
	set.Values = nil
	if differing := (Resolver{}).Differing(t.Context(), servers[:2], set); len(differing) != 2 {
		t.Errorf("servers that still have something: %v", differing)
	}
	set.Name = "_443._tcp.a.example.test"
	if differing := (Resolver{}).Differing(t.Context(), servers[:2], set); len(differing) != 0 {
		t.Errorf("nothing is nowhere: %v", differing)
	}
}
