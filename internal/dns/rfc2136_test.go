package dns

import (
	"cmp"
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/certkeep/certkeep/internal/bindtest"
	"github.com/certkeep/certkeep/internal/plan"
)

// writer returns an updater of the server with its own key.
func writer(t *testing.T, s *bindtest.Server, change func(*RFC2136Config)) *RFC2136 {
	t.Helper()
	key, err := ParseTSIG(s.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	c := RFC2136Config{Server: s.Address, TSIG: &key, Resolver: Resolver{Servers: []string{s.Address}}}
	if change != nil {
		change(&c)
	}
	u, err := NewRFC2136(c)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestRFC2136ExactValues(t *testing.T) {
	s := bindtest.Start(t, bindtest.Zone{Name: "example.test", Records: "_acme-challenge.www IN TXT \"of somebody else\"\n"})
	u := writer(t, s, nil)
	const name = "_acme-challenge.www.example.test"
	record := func(value string) Record { return Record{Name: name, Type: "TXT", Value: value} }
	check := func(step string, want ...string) {
		t.Helper()
		if got := s.TXT(t, name); !slices.Equal(got, want) {
			t.Fatalf("%s: got %q, want %q", step, got, want)
		}
	}
	long := strings.Repeat("x", 300)
	steps := []struct {
		name   string
		change func() error
		want   []string
	}{
		{"add", func() error { return u.Add(t.Context(), record("apex")) }, []string{"apex", "of somebody else"}},
		{"add beside", func() error { return u.Add(t.Context(), record("wildcard")) }, []string{"apex", "of somebody else", "wildcard"}},
		{"add again", func() error { return u.Add(t.Context(), record("apex")) }, []string{"apex", "of somebody else", "wildcard"}},
		{"remove", func() error { return u.Remove(t.Context(), record("apex")) }, []string{"of somebody else", "wildcard"}},
		{"remove again", func() error { return u.Remove(t.Context(), record("apex")) }, []string{"of somebody else", "wildcard"}},
		{"remove what never was", func() error { return u.Remove(t.Context(), record("nothing")) }, []string{"of somebody else", "wildcard"}},
		{"add long", func() error { return u.Add(t.Context(), record(long)) }, []string{"of somebody else", "wildcard", long}},
		{"remove long", func() error { return u.Remove(t.Context(), record(long)) }, []string{"of somebody else", "wildcard"}},
	}
	for _, step := range steps {
		if err := step.change(); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		check(step.name, step.want...)
	}
}

func TestRFC2136Zones(t *testing.T) {
	s := bindtest.Start(t,
		bindtest.Zone{Name: "example.test", Records: "sub IN NS ns1.sub\nns1.sub IN A 127.0.0.1\n"},
		bindtest.Zone{Name: "sub.example.test"}, bindtest.Zone{Name: "other.test"})
	listed := writer(t, s, func(c *RFC2136Config) { c.Zones = []string{"example.test"} })
	both := writer(t, s, func(c *RFC2136Config) { c.Zones = []string{"example.test", "Sub.Example.test."} })
	all := writer(t, s, nil)

	r := Record{Name: "_acme-challenge.sub.example.test", Type: "TXT", Value: "v"}
	err := listed.Add(t.Context(), r)
	if !errors.Is(err, errZoneUnlisted) {
		t.Errorf("a name in a zone that is not listed: %v", err)
	}
	for name, u := range map[string]*RFC2136{"listed": both, "discovered": all} {
		if err := u.Add(t.Context(), r); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got := s.TXT(t, r.Name); !slices.Equal(got, []string{"v"}) {
			t.Errorf("%s: got %q", name, got)
		}
		if err := u.Remove(t.Context(), r); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	outside := Record{Name: "x.other.test", Type: "TXT", Value: "v"} // where an alias may lead
	if err := listed.Add(t.Context(), outside); err != nil || len(s.TXT(t, outside.Name)) != 1 {
		t.Errorf("a name outside the listed zones: %v", err)
	}
}

func TestRFC2136FindsThePrimary(t *testing.T) {
	s := bindtest.Start(t, bindtest.Zone{Name: "example.test", Records: "ns1 IN AAAA 2001:db8::1\n"})
	u := writer(t, s, func(c *RFC2136Config) { c.Server = "" })
	zone, servers, err := u.locate(t.Context(), "_acme-challenge.www.example.test.")
	host, _, _ := net.SplitHostPort(s.Address)
	if err != nil || zone != "example.test." || !slices.Equal(servers, []string{host + ":53", "[2001:db8::1]:53"}) {
		t.Errorf("got %q, %q, %v", zone, servers, err)
	}
}

func TestRFC2136Refused(t *testing.T) {
	s := bindtest.Start(t,
		bindtest.Zone{Name: "example.test", Records: "_acme-challenge.alias IN CNAME elsewhere\n"},
		bindtest.Zone{Name: "strict.test", Policy: "grant update wildcard *.strict.test. TXT;"})
	good, err := ParseTSIG(s.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name        string
		change      func(*RFC2136Config)
		record      Record
		rcode, tsig string
	}{
		{"wrong secret", func(c *RFC2136Config) {
			c.TSIG = &TSIG{name: good.name, algorithm: good.algorithm, secret: "c2VjcmV0"}
		}, Record{Name: "a.example.test", Type: "TXT"}, "NOTAUTH", "BADSIG"},
		{"unknown key", func(c *RFC2136Config) {
			c.TSIG = &TSIG{name: "nobody.", algorithm: good.algorithm, secret: good.secret}
		}, Record{Name: "a.example.test", Type: "TXT"}, "NOTAUTH", "BADKEY"},
		{"no key", func(c *RFC2136Config) { c.TSIG = nil }, Record{Name: "a.example.test", Type: "TXT"}, "REFUSED", ""},
		{"policy", nil, Record{Name: "a.strict.test", Type: "A", Value: "192.0.2.1"}, "REFUSED", ""},
		{"beside a CNAME", nil, Record{Name: "_acme-challenge.alias.example.test", Type: "TXT"}, "YXRRSET", ""},
		{"not its zone", func(c *RFC2136Config) { c.Zones = []string{"example.com"} }, Record{Name: "a.example.com", Type: "TXT"}, "NOTAUTH", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.record.Value = cmp.Or(tt.record.Value, "v")
			err := writer(t, s, tt.change).Add(t.Context(), tt.record)
			failure, ok := errors.AsType[*Error](err)
			if !ok || failure.Code != plan.CodeDNSUpdate || failure.Hint == "" {
				t.Fatalf("got %#v", err)
			}
			refusal, ok := errors.AsType[*Refusal](err)
			if !ok || refusal.Rcode != tt.rcode || refusal.TSIG != tt.tsig || refusal.Server != s.Address {
				t.Errorf("got %v", err)
			}
			if strings.Contains(err.Error(), "c2VjcmV0") {
				t.Errorf("the error tells the secret: %v", err)
			}
			t.Log(err)
		})
	}
	if err := writer(t, s, nil).Add(t.Context(), Record{Name: "a.strict.test", Type: "TXT", Value: "v"}); err != nil {
		t.Errorf("what the policy allows: %v", err)
	}
}

// A server that answers, but to nobody's satisfaction.
func TestRFC2136BadTimes(t *testing.T) {
	key := TSIG{name: "upd.", algorithm: dns.HmacSHA256, secret: "c2VjcmV0"}
	for name, answer := range map[string]func(r *dns.Msg){
		"clock": func(r *dns.Msg) {
			r.Rcode = dns.RcodeNotAuth
			r.Extra = append(r.Extra, &dns.TSIG{
				Hdr: dns.RR_Header{Name: key.name, Rrtype: dns.TypeTSIG, Class: dns.ClassANY}, Algorithm: key.algorithm,
				TimeSigned: uint64(time.Now().Unix()), Error: dns.RcodeBadTime, OrigId: r.Id,
			})
		},
		"no updates": func(r *dns.Msg) { r.Rcode = dns.RcodeNotImplemented },
		"journal":    func(r *dns.Msg) { r.Rcode = dns.RcodeServerFailure },
	} {
		address := serve(t, "tcp", func(w dns.ResponseWriter, m *dns.Msg) {
			r := new(dns.Msg).SetReply(m)
			answer(r)
			wire, err := r.Pack()
			if err != nil {
				t.Error(err)
			}
			_, _ = w.Write(wire)
		})
		u, err := NewRFC2136(RFC2136Config{Server: address, TSIG: &key, Zones: []string{"example.test"}})
		if err != nil {
			t.Fatal(err)
		}
		err = u.Add(t.Context(), Record{Name: "a.example.test", Type: "TXT", Value: "v"})
		if failure, ok := errors.AsType[*Error](err); !ok || failure.Hint == "" {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestRFC2136Unreachable(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	u, err := NewRFC2136(RFC2136Config{Server: address, Zones: []string{"example.test"}})
	if err != nil {
		t.Fatal(err)
	}
	err = u.Add(t.Context(), Record{Name: "a.example.test", Type: "TXT", Value: "v"})
	if failure, ok := errors.AsType[*Error](err); !ok || failure.Code != plan.CodeDNSUpdate || failure.Hint == "" {
		t.Errorf("got %v", err)
	}
	if _, err := NewRFC2136(RFC2136Config{Zones: []string{"a b"}}); !errors.Is(err, errName) {
		t.Errorf("got %v", err)
	}
}

func TestRFC2136Timeout(t *testing.T) {
	silent := serve(t, "tcp udp", func(dns.ResponseWriter, *dns.Msg) {})
	u, err := NewRFC2136(RFC2136Config{Server: silent, Timeout: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	err = u.Add(t.Context(), Record{Name: "a.example.test", Type: "TXT", Value: "v"})
	if failure, ok := errors.AsType[*Error](err); !ok || failure.Hint == "" || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}
