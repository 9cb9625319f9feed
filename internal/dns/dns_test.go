package dns

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

func TestRecordOnTheWire(t *testing.T) {
	long := strings.Repeat("0123456789", 60)
	for _, value := range []string{"", "plain", `a "quoted" \ text; with=all`, "tab\t\x00\xff", long, strings.Repeat(`\`, 300)} {
		r := Record{Name: "_acme-challenge.Example.com", Type: "TXT", Value: value}
		rr, err := r.resource()
		if err != nil {
			t.Fatal(err)
		}
		m := new(dns.Msg)
		m.Answer = []dns.RR{rr}
		wire, err := m.Pack()
		if err != nil {
			t.Fatal(err)
		}
		var got dns.Msg
		if err := got.Unpack(wire); err != nil {
			t.Fatal(err)
		}
		if found, err := r.in(got.Answer); err != nil || !found {
			t.Errorf("%q is not found again: %v", value, err)
		}
		other := Record{Name: r.Name, Type: "TXT", Value: value + "x"}
		if found, err := other.in(got.Answer); err != nil || found {
			t.Errorf("%q is found though it is not there: %v", other.Value, err)
		}
		if got := got.Answer[0].Header(); got.Ttl != 60 || got.Name != "_acme-challenge.example.com." {
			t.Errorf("header %v", got)
		}
	}
}

func TestRecordOfAnotherType(t *testing.T) {
	r := Record{Name: "_25._tcp.mx.example.com.", Type: "TLSA", Value: "3 1 1 " + strings.Repeat("ab", 32), TTL: 5 * time.Minute}
	rr, err := r.resource()
	if err != nil {
		t.Fatal(err)
	}
	if found, err := r.in([]dns.RR{rr}); err != nil || !found || rr.Header().Ttl != 300 {
		t.Errorf("got %v, %v, %v", rr, found, err)
	}
}

// Hex digits are the same in either case, and blanks between them are nothing.
func TestRecordInAnotherSpelling(t *testing.T) {
	shown, err := Record{Name: "_25._tcp.mx.example.com", Type: "TLSA", Value: "3 1 1 " + strings.Repeat("ab", 32)}.resource()
	if err != nil {
		t.Fatal(err)
	}
	for value, want := range map[string]bool{
		"3 1 1 " + strings.Repeat("AB", 32):                                  true,
		"3 1 1 " + strings.Repeat("ab", 16) + " " + strings.Repeat("aB", 16): true,
		"3 1 1 " + strings.Repeat("AC", 32):                                  false,
		"3 1 2 " + strings.Repeat("AB", 32):                                  false,
	} {
		r := Record{Name: "_25._TCP.mx.example.com", Type: "TLSA", Value: value}
		if found, err := r.in([]dns.RR{shown}); err != nil || found != want {
			t.Errorf("%s: found %v, %v", value, found, err)
		}
	}
}

func TestRecordRefused(t *testing.T) {
	bad := []Record{
		{Name: "", Type: "TXT"},
		{Name: "a..example.com", Type: "TXT"},
		{Name: "$(reboot).example.com", Type: "TXT"},
		{Name: "*.example.com", Type: "TXT"},
		{Name: strings.Repeat("a", 64) + ".example.com", Type: "TXT"},
		{Name: "example.com", Type: "NOSUCH", Value: "1"},
		{Name: "example.com", Type: "TLSA", Value: "3 1"},
		{Name: "example.com", Type: "A", Value: "192.0.2.1\nevil.example.com. 1 IN A 192.0.2.2"},
		{Name: "example.com", Type: "A", Value: ""},
	}
	for _, r := range bad {
		if rr, err := r.resource(); err == nil {
			t.Errorf("%+v became %v", r, rr)
		}
	}
	if _, err := canonical("a b"); !errors.Is(err, errName) {
		t.Errorf("got %v", err)
	}
}

func TestLongestZone(t *testing.T) {
	zones := []string{"example.com.", "sub.example.com.", "com."}
	for name, want := range map[string]string{
		"a.sub.example.com.":    "sub.example.com.",
		"a.notsub.example.com.": "example.com.",
		"example.com.":          "example.com.",
		"notexample.com.":       "com.",
		"example.org.":          "",
	} {
		if got := longest(zones, name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}
